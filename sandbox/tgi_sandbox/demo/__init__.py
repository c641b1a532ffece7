"""The demos: a deployment and its answer, and an endpoint that follows its load."""
