"""GPUs, by instance type and by product name."""
