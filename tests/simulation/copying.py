"""A copy of JSON values; `copy.deepcopy`, which supports more types, took a tenth of the simulation's time."""

from typing import Any


def copied(value: Any) -> Any:
    """Return the value with new dicts and lists."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value
