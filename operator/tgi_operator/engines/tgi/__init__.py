"""The operator's knowledge of Text Generation Inference: images, GPUs, launcher options and their contradictions."""
