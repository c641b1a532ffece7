"""What Prometheus answers to the queries of a panel."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

from bench.dashboards.layout import Panel
from bench.dashboards.variables import all_chosen, filled, label_values, named
from bench.dashboards.window import Window
from prometheus import Prometheus


@dataclass(frozen=True)
class Series:
    """One series: a value for each step of the window, not a number where there is none; one where it was instant."""

    legend: str
    labels: Mapping[str, str]
    values: list[float]


def ask(prometheus: Prometheus, dashboard: Mapping[str, Any], panel: Panel, window: Window) -> list[Series]:
    """Return the answers to all queries of a panel, as its dashboard has them."""
    variables = {**window.variables, **all_chosen(dashboard), **panel.variables}
    answers: list[Series] = []
    for target in panel.model.get("targets", ()):
        expression = filled(target["expr"], variables)
        if target.get("instant"):
            found = prometheus.get("query", query=expression, time=str(window.steps[-1]))["result"]
            answers += [_series(target, each["metric"], [float(each["value"][1])]) for each in found]
        else:
            times = {"start": str(window.steps[0]), "end": str(window.steps[-1]), "step": str(window.scrape)}
            found = prometheus.get("query_range", query=expression, **times)["result"]
            answers += [_series(target, each["metric"], _on_steps(each["values"], window)) for each in found]
    return answers


def values_of(prometheus: Prometheus, dashboard: Mapping[str, Any], variable: str, window: Window) -> list[str]:
    """Return the values that the list of a variable offers."""
    selector, label = label_values(dashboard, variable)
    times = {"start": str(window.begin), "end": str(window.end)}
    return sorted(prometheus.get(f"label/{label}/values", **{"match[]": selector}, **times))


def _series(target: Mapping[str, Any], labels: Mapping[str, str], values: list[float]) -> Series:
    return Series(named(target["legendFormat"], labels), labels, values)


def _on_steps(samples: list[tuple[float, str]], window: Window) -> list[float]:
    known = {round(at): float(value) for at, value in samples}
    return [known.get(step, nan) for step in window.steps]
