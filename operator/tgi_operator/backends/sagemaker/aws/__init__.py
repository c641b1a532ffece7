"""Calls to AWS: operations, clients, rate limits, and the meaning of refusals."""
