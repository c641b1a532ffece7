"""Living objects as values. Pure."""
