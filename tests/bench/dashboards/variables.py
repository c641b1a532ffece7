"""What Grafana puts in place of the variables of a dashboard. Pure."""

import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with each variable's value in its place; raises KeyError for a variable that is not known."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def named(legend: str, labels: Mapping[str, str]) -> str:
    """Return what a legend such as `{{namespace}}/{{name}}` calls a series."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)


def all_chosen(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Return the value of each variable of a dashboard whose reader has chosen nothing: that of `All`."""
    chosen = dashboard["templating"]["list"]
    return {variable["name"]: variable["allValue"] for variable in chosen if variable["type"] == "query"}


def label_values(dashboard: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return the selector and the label that a variable lists the values of, when `All` is chosen of the others."""
    (variable,) = (each for each in dashboard["templating"]["list"] if each["name"] == name)
    found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
    if found is None:
        raise ValueError(f"the variable {name} does not ask for label_values")
    return filled(found[1], all_chosen(dashboard)), found[2]
