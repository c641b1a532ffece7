"""An AWS emulator: SageMaker with its life cycle, sagemaker-runtime, and moto for every other service."""
