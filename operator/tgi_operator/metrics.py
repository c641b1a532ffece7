"""The metrics that Prometheus reads. They have their own registry, which excludes the other metrics of the process."""

from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from tgi_operator.api.status import ConditionStatus, ConditionType

_PROCESS = CollectorRegistry()
"""Metrics of the process. Metrics of resources are derived from their statuses at each scrape."""

LEADER = Gauge("tgi_operator_leader", "1 if this process is the leader, 0 if it is on standby.", registry=_PROCESS)
QUEUE_DEPTH = Gauge("tgi_operator_queue_depth", "Resources waiting to be reconciled.", registry=_PROCESS)
RECONCILES = Counter("tgi_operator_reconciles", "Reconciliations by outcome.", ["outcome"], registry=_PROCESS)
RECONCILE_SECONDS = Histogram(
    "tgi_operator_reconcile_seconds",
    "Duration of a reconciliation.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=_PROCESS,
)
AWS_CALLS = Counter(
    "tgi_operator_aws_calls", "AWS calls by operation and result.", ["operation", "result"], registry=_PROCESS
)
KUBERNETES_WRITES = Counter(
    "tgi_operator_kubernetes_writes", "Writes to Kubernetes by kind.", ["kind"], registry=_PROCESS
)
SWEEP_AGE_SECONDS = Gauge(
    "tgi_operator_sweep_age_seconds",
    "Time since the endpoints of a region were last listed; 0 if the region has no endpoints.",
    ["region"],
    registry=_PROCESS,
)


Statuses = Sequence[tuple[str, str, Mapping[str, Any]]]
"""Namespace, name and status of each resource, as JSON."""


def _conditions(status: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for each in status.get("conditions", ()):
        if each["type"] != ConditionType.SCALING_ACTIVE:
            yield f'type="{_escaped(each["type"])}",reason="{_escaped(each["reason"])}"', _truth(each)


def _replicas(status: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
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
            yield f'kind="{kind}"', count


def _scaling_active(status: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    active = _condition(status, ConditionType.SCALING_ACTIVE)
    if active:
        yield f'reason="{_escaped(active["reason"])}"', _truth(active)


@dataclass(frozen=True)
class _Family:
    """A gauge with series for each resource. `series` yields the additional labels and the value of each series."""

    name: str
    documentation: str
    series: Callable[[Mapping[str, Any]], Iterator[tuple[str, float]]]


_ENDPOINTS = "tgi_operator_endpoints", "Endpoints by the reason of their Ready condition."
_FAMILIES = (
    _Family(
        "tgi_operator_condition",
        "1 if a condition of a resource is True, 0 if it is False or Unknown. ScalingActive has its own metric.",
        _conditions,
    ),
    _Family(
        "tgi_operator_replicas",
        "Instances or pods of each resource: desired, current, ready, and the scaling bounds in effect, min and max.",
        _replicas,
    ),
    _Family(
        "tgi_operator_scaling_active",
        "1 if the replica count follows the load, 0 if something prevents it.",
        _scaling_active,
    ),
)


class _Resources(Collector):
    """Describes the metrics of resources, whose series `exposition` writes."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics without series."""
        for name, documentation in (_ENDPOINTS, *((family.name, family.documentation) for family in _FAMILIES)):
            yield GaugeMetricFamily(name, documentation)


REGISTRY = CollectorRegistry()
"""All metrics of the operator."""

REGISTRY.register(_PROCESS)
REGISTRY.register(_Resources())


def exposition(statuses: Statuses) -> bytes:
    """Return all metrics in the text format of Prometheus, with the series of these resources.

    Safe in a thread. prometheus_client takes ten times as long and creates an object for each series.
    """
    return generate_latest(_PROCESS) + "".join(_lines(statuses)).encode()


def _lines(statuses: Statuses) -> Iterator[str]:
    yield _header(*_ENDPOINTS)
    for reason, count in Count(_reason(status) for _, _, status in statuses).items():
        yield f'{_ENDPOINTS[0]}{{reason="{_escaped(reason)}"}} {count}\n'
    for family in _FAMILIES:
        yield _header(family.name, family.documentation)
        for namespace, name, status in statuses:
            for labels, value in family.series(status):
                yield f'{family.name}{{namespace="{namespace}",name="{name}",{labels}}} {value}\n'


def _header(name: str, documentation: str) -> str:
    return f"# HELP {name} {documentation}\n# TYPE {name} gauge\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _reason(status: Mapping[str, Any]) -> str:
    return str(_condition(status, ConditionType.READY).get("reason", "New"))


def _truth(condition: Mapping[str, Any]) -> float:
    return 1 if condition["status"] == ConditionStatus.TRUE else 0


def _condition(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions", ()) if each["type"] == kind), {})
