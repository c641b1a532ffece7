"""The decision: an ordered chain of rules, one file for each. Pure."""
