"""The metrics that scaling policies track: traffic of endpoints, and CloudWatch values set by the control API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.autoscaling.expressions import evaluate, ids_of
from tgi_sandbox.aws.autoscaling.timeline import Counts, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HIGH_RESOLUTION: Final = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
INVOCATIONS: Final = "SageMakerVariantInvocationsPerInstance"
PREDEFINED: Final = frozenset({HIGH_RESOLUTION, INVOCATIONS})
EVERY_ENDPOINT: Final = "*"

_MINUTE: Final = 60.0
_HIGH_RESOLUTION_PERIOD: Final = 10.0

Series = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions of a CloudWatch metric."""


@dataclass
class Load:
    """The simulated load of an endpoint: concurrent requests, and invocations per minute."""

    concurrent: Timeline = field(default_factory=Timeline)
    per_minute: Timeline = field(default_factory=Timeline)


class Pretended:
    """Simulated load and metrics, the same in every account and region; endpoint names ignore case."""

    def __init__(self) -> None:
        self.loads: dict[str, Load] = {}
        self.series: dict[Series, Timeline] = {}

    def load(self, endpoint: str) -> Load:
        """Return the load of the endpoints with a name."""
        return self.loads.setdefault(endpoint.lower(), Load())

    def metric(self, namespace: str, name: str, dimensions: Mapping[str, str]) -> Timeline:
        """Return a metric of CloudWatch."""
        return self.series.setdefault((namespace, name, frozenset(dimensions.items())), Timeline())


class Traffic:
    """Requests to one endpoint: real and simulated ones."""

    def __init__(self, load: Load) -> None:
        self.concurrent = load.concurrent
        self.per_minute = load.per_minute
        self.in_flight = Timeline()
        self.invocations = Counts()
        self._running = 0

    @property
    def timelines(self) -> tuple[Timeline, ...]:
        """The values that change with the traffic."""
        return self.concurrent, self.per_minute, self.in_flight

    @property
    def last(self) -> float:
        """When the traffic last changed."""
        return max(self.invocations.last, *(timeline.last for timeline in self.timelines))

    def begin(self, now: float) -> None:
        """Count a request that has arrived."""
        self._running += 1
        self.invocations.add(now)
        self.in_flight.set(now, self._running)

    def end(self, now: float) -> None:
        """Count a request that is answered."""
        self._running -= 1
        self.in_flight.set(now, self._running)

    def concurrency(self, since: float, until: float) -> float:
        """The mean number of requests that ran or waited."""
        return self.in_flight.total(since, until) + self.concurrent.total(since, until)

    def invoked(self, until: float) -> float:
        """The number of invocations in the minute before."""
        # An endpoint without traffic has datapoints of 0 (developer guide, "Edit a scaling policy").
        since = until - _MINUTE
        return self.invocations.within(since, until) + self.per_minute.total(since, until)


class _Traffics(dict[str, Traffic]):
    """Traffic by the endpoint's name in lowercase; a missing entry is created."""

    def __init__(self, pretended: Pretended, changed: set[str]) -> None:
        super().__init__()
        self._pretended = pretended
        self._changed = changed

    def __missing__(self, endpoint: str) -> Traffic:
        made = self[endpoint] = Traffic(self._pretended.load(endpoint))
        for timeline in made.timelines:
            timeline.listeners.append(lambda: self._changed.add(endpoint))
        return made


class Metrics:
    """The metrics of one account and region.

    `changed` collects the endpoints whose metrics have changed (`*` for all) until the caller clears it.
    """

    def __init__(self, pretended: Pretended | None = None) -> None:
        self._pretended = pretended or Pretended()
        self._heard: set[int] = set()
        self.changed: set[str] = set()
        self.traffic = _Traffics(self._pretended, self.changed)

    def datapoint(self, configuration: Mapping[str, Any], endpoint: str, instances: int, until: float) -> float | None:
        """Return the datapoint of a target tracking policy at a time, from the values before; None if there is none."""
        predefined = configuration.get("PredefinedMetricSpecification")
        if predefined is None:
            return self._customized(configuration["CustomizedMetricSpecification"], until)
        if instances < 1:
            return None
        traffic = self.traffic[endpoint.lower()]
        if predefined["PredefinedMetricType"] == HIGH_RESOLUTION:
            # assumed: that CloudWatch averages within its ten seconds.
            return traffic.concurrency(until - _HIGH_RESOLUTION_PERIOD, until) / instances
        return traffic.invoked(until) / instances

    def last(self, configuration: Mapping[str, Any], endpoint: str) -> float:
        """When the metrics of a policy last changed."""
        specification = configuration.get("CustomizedMetricSpecification")
        if specification is None:
            return self.traffic[endpoint.lower()].last
        return max(self._of(metric).last for metric in measured(specification))

    def _customized(self, specification: Mapping[str, Any], until: float) -> float | None:
        queries = {query["Id"]: query for query in specification.get("Metrics") or ()}
        if not queries:
            return self._of(specification).average(until - _MINUTE, until)
        known: dict[str, float | None] = {}
        for name in queries:
            self._resolve(name, queries, known, until)
        return known[next(name for name, query in queries.items() if query.get("ReturnData", True))]

    def _resolve(
        self, name: str, queries: Mapping[str, Mapping[str, Any]], known: dict[str, float | None], until: float
    ) -> None:
        query = queries[name]
        if name in known:
            return
        if "Expression" not in query:
            known[name] = self._of(query["MetricStat"]["Metric"]).average(until - _MINUTE, until)
            return
        for other in ids_of(query["Expression"]):
            self._resolve(other, queries, known, until)
        known[name] = evaluate(query["Expression"], known)

    def _of(self, metric: Mapping[str, Any]) -> Timeline:
        dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions") or ()}
        found = self._pretended.metric(metric["Namespace"], metric["MetricName"], dimensions)
        if id(found) not in self._heard:
            self._heard.add(id(found))
            found.listeners.append(lambda: self.changed.add(EVERY_ENDPOINT))
        return found


def measured(specification: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return the CloudWatch metrics in a customized metric."""
    queries = specification.get("Metrics")
    if not queries:
        yield specification
    for query in queries or ():
        if "MetricStat" in query:
            yield query["MetricStat"]["Metric"]


def period(configuration: Mapping[str, Any]) -> float:
    """Return the seconds between two datapoints."""
    predefined = configuration.get("PredefinedMetricSpecification") or {}
    return _HIGH_RESOLUTION_PERIOD if predefined.get("PredefinedMetricType") == HIGH_RESOLUTION else _MINUTE
