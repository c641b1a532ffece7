"""The operator's image, built, looked into and run on this machine: no Docker, and no registry unless wanted."""
