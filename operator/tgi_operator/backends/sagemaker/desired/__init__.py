"""The spec as AWS requests. Pure."""
