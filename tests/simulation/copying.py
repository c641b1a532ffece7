"""A copy of what JSON can say; `copy.deepcopy`, which can more, was a tenth of the simulation's time."""

from typing import Any


def copied(value: Any) -> Any:
    """Return the value with dicts and lists of its own."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value
