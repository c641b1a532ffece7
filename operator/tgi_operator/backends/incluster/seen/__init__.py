"""Live objects as values. Pure."""
