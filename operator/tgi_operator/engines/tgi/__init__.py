"""What the operator knows of Text Generation Inference: images, GPUs, launcher options and their contradictions."""
