"""Amazon SageMaker real-time endpoints: model, endpoint configuration, endpoint."""
