"""Inference engines: what each one can be told, what it refuses, and how it fails."""
