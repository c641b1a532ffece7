"""Calls to AWS: operations, clients, rate limits, and what refusals mean."""
