"""What Prometheus is told. One registry, so that nothing else of the process gets into it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

REGISTRY = CollectorRegistry()

LEADER = Gauge(
    "tgi_operator_leader", "1 where this process is the one that works, 0 where it stands by.", registry=REGISTRY
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
ENDPOINTS = Gauge(
    "tgi_operator_endpoints", "Endpoints by what their Ready condition says.", ["reason"], registry=REGISTRY
)
CONDITION = Gauge(
    "tgi_operator_condition",
    "1 where a condition of a resource is True, 0 where it is not. ScalingActive has a metric of its own.",
    ["namespace", "name", "type", "reason"],
    registry=REGISTRY,
)
REPLICAS = Gauge(
    "tgi_operator_replicas",
    "Instances or pods of each resource: desired, current, ready, and the bounds in force, min and max.",
    ["namespace", "name", "kind"],
    registry=REGISTRY,
)
SCALING_ACTIVE = Gauge(
    "tgi_operator_scaling_active",
    "1 where the number of instances or pods follows the load, 0 where something keeps it from that.",
    ["namespace", "name", "reason"],
    registry=REGISTRY,
)
SWEEP_AGE_SECONDS = Gauge(
    "tgi_operator_sweep_age_seconds",
    "Time since the endpoints of a region were last listed; 0 where there are none to list.",
    ["region"],
    registry=REGISTRY,
)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
