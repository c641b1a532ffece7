"""The backends on which an endpoint can run. A backend is a folder here and one line in the engine."""
