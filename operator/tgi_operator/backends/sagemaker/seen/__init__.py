"""AWS responses as values. Pure."""
