"""Artifacts that are generated from the API types or checked against them: CRD, reference, admission, wording."""
