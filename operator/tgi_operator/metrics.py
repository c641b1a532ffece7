"""The metrics that Prometheus reads. A registry of their own keeps the process's other metrics out."""

from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from tgi_operator.api.status import ConditionStatus, ConditionType

REGISTRY = CollectorRegistry()

LEADER = Gauge(
    "tgi_operator_leader", "1 where this process is the leader, 0 where it is on standby.", registry=REGISTRY
)
QUEUE_DEPTH = Gauge("tgi_operator_queue_depth", "Resources waiting to be reconciled.", registry=REGISTRY)
RECONCILES = Counter("tgi_operator_reconciles", "Reconciliations by outcome.", ["outcome"], registry=REGISTRY)
RECONCILE_SECONDS = Histogram(
    "tgi_operator_reconcile_seconds",
    "Duration of a reconciliation.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
AWS_CALLS = Counter(
    "tgi_operator_aws_calls", "AWS calls by operation and result.", ["operation", "result"], registry=REGISTRY
)
KUBERNETES_WRITES = Counter(
    "tgi_operator_kubernetes_writes", "Writes to Kubernetes by kind.", ["kind"], registry=REGISTRY
)
SWEEP_AGE_SECONDS = Gauge(
    "tgi_operator_sweep_age_seconds",
    "Time since the endpoints of a region were last listed; 0 where there are none to list.",
    ["region"],
    registry=REGISTRY,
)


Statuses = Sequence[tuple[str, str, Mapping[str, Any]]]
"""Namespace, name and status of each resource, as JSON."""

_CONDITION = (
    "tgi_operator_condition",
    "1 where a condition of a resource is True, 0 where it is False or Unknown. ScalingActive has a metric of its own.",
)
_REPLICAS = (
    "tgi_operator_replicas",
    "Instances or pods of each resource: desired, current, ready, and the bounds in force, min and max.",
)
_SCALING_ACTIVE = (
    "tgi_operator_scaling_active",
    "1 where the replica count follows the load, 0 where something prevents that.",
)


class _Lazy(Metric):
    """Samples that are made while they are written: all of them at once would take tens of megabytes."""

    def __init__(self, name: str, documentation: str, samples: Callable[[], Iterator[Sample]]) -> None:
        self._made: Callable[[], Iterator[Sample]] = samples
        super().__init__(name, documentation, "gauge")

    @property
    def samples(self) -> Any:
        """The samples, once more from the start at each access."""
        return self._made()

    @samples.setter
    def samples(self, _: Any) -> None:
        """Ignore the empty list of the base class."""


class Resources(Collector):
    """The series of each resource, made from a snapshot of the statuses while they are written."""

    def __init__(self) -> None:
        self.statuses: Statuses = ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all resources."""
        endpoints = GaugeMetricFamily(
            "tgi_operator_endpoints", "Endpoints by the reason of their Ready condition.", labels=["reason"]
        )
        for reason, count in Count(_reason(status) for _, _, status in self.statuses).items():
            endpoints.add_metric([reason], count)
        yield endpoints
        for metric, samples in ((_CONDITION, _conditions), (_REPLICAS, _replicas), (_SCALING_ACTIVE, _scaling_active)):
            yield _Lazy(*metric, partial(_each, metric[0], samples, self.statuses))


_Samples = Callable[[Mapping[str, Any]], Iterator[tuple[dict[str, str], float]]]


def _each(name: str, samples: _Samples, statuses: Statuses) -> Iterator[Sample]:
    for namespace, resource, status in statuses:
        for labels, value in samples(status):
            yield Sample(name, {"namespace": namespace, "name": resource, **labels}, value)


def _conditions(status: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], float]]:
    for each in status.get("conditions", ()):
        if each["type"] != ConditionType.SCALING_ACTIVE:
            yield {"type": each["type"], "reason": each["reason"]}, _truth(each)


def _replicas(status: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], float]]:
    scaling = status.get("scaling") or {}
    counts = {
        "desired": status.get("desiredReplicas"),
        "current": status.get("replicas"),
        "ready": status.get("readyReplicas"),
        "min": scaling.get("minReplicas"),
        "max": scaling.get("maxReplicas"),
    }
    for kind, count in counts.items():
        if count is not None:
            yield {"kind": kind}, count


def _scaling_active(status: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], float]]:
    active = _condition(status, ConditionType.SCALING_ACTIVE)
    if active:
        yield {"reason": active["reason"]}, _truth(active)


def _reason(status: Mapping[str, Any]) -> str:
    return str(_condition(status, ConditionType.READY).get("reason", "New"))


def _truth(condition: Mapping[str, Any]) -> float:
    return 1 if condition["status"] == ConditionStatus.TRUE else 0


def _condition(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions", ()) if each["type"] == kind), {})


_RESOURCES = Resources()
REGISTRY.register(_RESOURCES)


def exposition(statuses: Statuses) -> bytes:
    """Return all metrics in Prometheus' text format, with the series of these resources.

    It takes seconds with many thousands of resources, so it runs in a thread; one call at a time.
    """
    _RESOURCES.statuses = statuses
    try:
        return generate_latest(REGISTRY)
    finally:
        _RESOURCES.statuses = ()
