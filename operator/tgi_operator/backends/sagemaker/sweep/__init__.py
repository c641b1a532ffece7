"""Background listings that find changes with few calls."""
