"""Known facts about models: sizes and shards."""
