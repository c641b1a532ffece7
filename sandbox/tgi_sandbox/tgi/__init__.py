"""A stand-in for Text Generation Inference: the launcher's checks and the router's HTTP protocol, without a model."""
