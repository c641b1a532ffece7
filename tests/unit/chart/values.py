"""The chart's values as documented: a path, the default, and the comment above it."""

import json
import re
from typing import Any, NamedTuple

import yaml

from unit.chart.rendering import CHART

DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


class Row(NamedTuple):
    """A value that has a comment."""

    path: str
    default: str
    meaning: str


def rows() -> list[Row]:
    """Return the values that have a comment, in their order."""
    found, parents, comment = [], [""], ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        if match := re.match(r"( *)(\w+):", line):
            depth = len(match[1]) // 2
            parents[depth:] = [match[2]]
            if comment:
                path = ".".join(parents)
                found.append(Row(path, json.dumps(value(path)), comment))
        said = re.match(r" *# (.*)", line)
        comment = " ".join(filter(None, (comment, said[1]))) if said else ""
    return found


def value(path: str) -> Any:
    """Return the default at a path."""
    found: Any = DEFAULTS
    for name in path.split("."):
        found = found[name]
    return found


def leaves(of: Any = DEFAULTS, path: str = "") -> list[str]:
    """Return the paths of all values that are not mappings, or empty mappings."""
    if not isinstance(of, dict) or not of:
        return [path]
    return [leaf for name, inner in of.items() for leaf in leaves(inner, f"{path}.{name}" if path else name)]
