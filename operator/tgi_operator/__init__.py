"""A Kubernetes operator for HuggingFace Text Generation Inference endpoints."""

__version__ = "0.1.0"
