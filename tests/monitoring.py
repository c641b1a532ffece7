"""The shipped monitoring as data: dashboards, alert rules, and the queries in both."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "manifests" / "monitoring"
ALERTS = FOLDER / "alerts" / "tgi-operator.yaml"
ALERT_TESTS = FOLDER / "alerts" / "tgi-operator.test.yaml"
DASHBOARDS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted((FOLDER / "dashboards").glob("*.json"))
}

_RATE_INTERVAL = "1m"
_RANGE = "1h"


@dataclass(frozen=True)
class Query:
    """A query of a panel, as Grafana sends it with all namespaces and names selected."""

    dashboard: str
    panel: str
    expression: str


def queries() -> Iterator[Query]:
    """Yield the queries of all panels."""
    for name, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel.get("targets", ()):
                yield Query(name, panel["title"], _filled(target["expr"]))


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels of a dashboard, including those in collapsed rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def rows(dashboard: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the panels of each row of a dashboard, by the row's title."""
    found: dict[str, list[dict[str, Any]]] = {}
    for panel in panels(dashboard):
        if panel["type"] == "row":
            found[panel["title"]] = row = []
        else:
            row.append(panel)
    return found


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def _filled(expression: str) -> str:
    expression = expression.replace("$__rate_interval", _RATE_INTERVAL).replace("$__range", _RANGE)
    return re.sub(r"\$(namespace|name|job)\b", ".+", expression)
