"""The operator's image, built, inspected and run on this machine: no Docker, and no registry unless requested."""
