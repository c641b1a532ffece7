"""Inference engines: their options, the inputs that they refuse, and their failures."""
