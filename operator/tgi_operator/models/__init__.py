"""What is known of models: sizes and shards."""
