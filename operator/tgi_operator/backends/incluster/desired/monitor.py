"""The object by which Prometheus finds the pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tgi_operator.api.incluster import InCluster
from tgi_operator.backends.incluster.desired import names, pod_template
from tgi_operator.backends.incluster.desired.manifests import manifest
from tgi_operator.backends.incluster.kinds import POD_MONITOR, POD_MONITORING, Kind, Object
from tgi_operator.backends.resource import Owner

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (POD_MONITOR, POD_MONITORING)}
"""The kinds that the `monitor-kind` setting can name."""

_ENDPOINTS = {POD_MONITOR: "podMetricsEndpoints", POD_MONITORING: "endpoints"}


@dataclass(frozen=True)
class Monitoring:
    """How the cluster's Prometheus finds pods: by objects of a kind, which it selects by labels."""

    kind: Kind
    labels: Mapping[str, str] = field(default_factory=dict)


def monitor(owner: Owner, target: InCluster, monitoring: Monitoring) -> Object:
    """Return the object by which Prometheus scrapes the pods. The labels in the spec take precedence."""
    endpoint = {"port": pod_template.PORT_NAME, "path": "/metrics", "interval": target.pod_monitor.interval}
    spec = {"selector": {"matchLabels": names.selector(owner)}, _ENDPOINTS[monitoring.kind]: [endpoint]}
    made = manifest(monitoring.kind, owner, owner.name, spec)
    made["metadata"]["labels"] = {**monitoring.labels, **target.pod_monitor.labels, **made["metadata"]["labels"]}
    return made
