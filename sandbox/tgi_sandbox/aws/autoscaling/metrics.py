"""The metrics that scaling policies track: traffic of endpoints, and whatever CloudWatch was told."""

from __future__ import annotations

import ast
import operator
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.autoscaling.timeline import Counts, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HIGH_RESOLUTION: Final = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
INVOCATIONS: Final = "SageMakerVariantInvocationsPerInstance"
PREDEFINED: Final = frozenset({HIGH_RESOLUTION, INVOCATIONS})

Series = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions of a CloudWatch metric."""

_OPERATORS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass
class Traffic:
    """Requests to one endpoint: those that came, and those somebody pretends there are."""

    in_flight: Timeline = field(default_factory=Timeline)
    running: int = 0
    invocations: Counts = field(default_factory=Counts)
    concurrent: Timeline = field(default_factory=Timeline)
    per_minute: Timeline = field(default_factory=Timeline)

    def begin(self, now: float) -> None:
        """A request has arrived."""
        self.running += 1
        self.in_flight.set(now, self.running)
        self.invocations.add(now)

    def end(self, now: float) -> None:
        """A request is answered."""
        self.running -= 1
        self.in_flight.set(now, self.running)

    def concurrency(self, since: float, until: float) -> float:
        """Return the mean number of requests that ran or waited."""
        # assumed: that an endpoint without traffic reports 0.
        return (self.in_flight.average(since, until) or 0.0) + (self.concurrent.average(since, until) or 0.0)

    def invoked(self, since: float, until: float) -> float | None:
        """Return the number of invocations in a minute; without any there is no datapoint."""
        return (self.invocations.within(since, until) + (self.per_minute.average(since, until) or 0.0)) or None


@dataclass
class Metrics:
    """All metrics of one account and region; `traffic` is by the endpoint's name."""

    traffic: dict[str, Traffic] = field(default_factory=lambda: defaultdict(Traffic))
    series: dict[Series, Timeline] = field(default_factory=lambda: defaultdict(Timeline))

    def datapoint(self, configuration: Mapping[str, Any], endpoint: str, instances: int, until: float) -> float | None:
        """Return the datapoint of a target tracking policy at a time, None where there is none."""
        predefined = configuration.get("PredefinedMetricSpecification")
        if predefined is None:
            return self._customized(configuration["CustomizedMetricSpecification"], until)
        traffic, span = self.traffic[endpoint.lower()], period(configuration)
        if predefined["PredefinedMetricType"] == HIGH_RESOLUTION:
            return traffic.concurrency(until - span, until) / max(1, instances)
        total = traffic.invoked(until - span, until)
        return None if total is None else total / max(1, instances)

    def _customized(self, specification: Mapping[str, Any], at: float) -> float | None:
        queries = specification.get("Metrics")
        if not queries:
            return self._series(specification).at(at)
        known = {
            query["Id"]: self._series(query["MetricStat"]["Metric"]).at(at)
            for query in queries
            if "MetricStat" in query
        }
        returned = next((query for query in queries if query.get("ReturnData", True)), queries[-1])
        if "Expression" not in returned:
            return known[returned["Id"]]
        return evaluate(returned["Expression"], known)

    def _series(self, metric: Mapping[str, Any]) -> Timeline:
        dimensions = frozenset((each["Name"], each["Value"]) for each in metric.get("Dimensions", ()))
        return self.series[metric["Namespace"], metric["MetricName"], dimensions]


def period(configuration: Mapping[str, Any]) -> float:
    """Return the seconds between two datapoints."""
    predefined = configuration.get("PredefinedMetricSpecification", {})
    return 10.0 if predefined.get("PredefinedMetricType") == HIGH_RESOLUTION else 60.0


def evaluate(expression: str, known: Mapping[str, float | None]) -> float | None:
    """Return the value of metric math over ids: numbers, + - * /, brackets and FILL(id, number).

    None where something that is needed has no value. Raises ValueError for all else.
    """
    try:
        return _value(ast.parse(expression, mode="eval").body, known)
    except (SyntaxError, ZeroDivisionError) as error:
        raise ValueError(f"the double cannot evaluate {expression}: {error}") from None


def _value(node: ast.expr, known: Mapping[str, float | None]) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, known), _value(node.right, known)
        return None if left is None or right is None else _OPERATORS[type(node.op)](left, right)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "FILL"
        and len(node.args) == 2
    ):
        first = _value(node.args[0], known)
        return _value(node.args[1], known) if first is None else first
    raise ValueError(f"the double does not know {ast.unparse(node)}")
