"""spec.autoscaling -> the object that changes the pod count: a HorizontalPodAutoscaler, or KEDA's ScaledObject."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tgi_operator.api.autoscaling import Autoscaling, Metric, MetricType, ScalingRules
from tgi_operator.api.status import Scaler
from tgi_operator.backends.incluster.desired.manifests import manifest
from tgi_operator.backends.incluster.kinds import DEPLOYMENT, HPA, SCALED_OBJECT, Object
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.resource import Owner

DEFAULT_METRIC = MetricType.QUEUE_DEPTH

PODS_METRICS = {MetricType.QUEUE_DEPTH: "tgi_queue_size", MetricType.CONCURRENT_REQUESTS: "tgi_concurrent_requests"}
"""Names in the custom metrics API. The adapter rules in manifests/monitoring derive the second from TGI's own names."""

_SERIES = {
    MetricType.QUEUE_DEPTH: ("tgi_queue_size",),
    MetricType.CONCURRENT_REQUESTS: ("tgi_batch_current_size", "tgi_queue_size"),
}
"""Series of TGI whose sum is the metric (docs/reference/metrics.md of TGI)."""

_POLLING_SECONDS = 15

_GENERATED_NAME = 58


@dataclass(frozen=True)
class Means:
    """The scaling facilities of the cluster: the custom metrics API, and KEDA with the address of a Prometheus.

    `authentication` is the ClusterTriggerAuthentication with which KEDA queries that Prometheus, and `trigger_metadata`
    what its triggers need in addition. `names` are the names of the metrics in the custom metrics API.
    """

    custom_metrics: bool = False
    keda: bool = False
    prometheus: str = ""
    authentication: str = ""
    trigger_metadata: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[MetricType, str] = field(default_factory=lambda: PODS_METRICS)

    @property
    def scaler(self) -> Scaler:
        """The kind of object that is used."""
        # The address is an explicit choice. A custom metrics API can belong to another application or be unavailable.
        by_keda = self.keda and bool(self.prometheus)
        return Scaler.SCALED_OBJECT if by_keda else Scaler.HORIZONTAL_POD_AUTOSCALER

    @property
    def measures(self) -> bool:
        """Whether the cluster provides metrics."""
        return self.custom_metrics or self.scaler is Scaler.SCALED_OBJECT


def hpa_name(owner: Owner, scaler: Scaler) -> str:
    """Return the name of the HorizontalPodAutoscaler in use: the operator's, or the one that KEDA creates."""
    return owner.name if scaler is Scaler.HORIZONTAL_POD_AUTOSCALER else f"keda-hpa-{owner.name}"


def metric_names(autoscaling: Autoscaling, means: Means) -> tuple[str, ...]:
    """Return the metrics by their names in the custom metrics API, or by TGI's own names for KEDA."""
    names = PODS_METRICS if means.scaler is Scaler.SCALED_OBJECT else means.names
    return tuple(names[metric.type] for metric in scaling.metrics(autoscaling, DEFAULT_METRIC))


def autoscaler(owner: Owner, autoscaling: Autoscaling, bounds: Bounds, means: Means) -> Object:
    """Return the object that keeps the replica count of the Deployment within `bounds`, by the metrics."""
    if means.scaler is Scaler.SCALED_OBJECT:
        return _scaled_object(owner, autoscaling, bounds, means)
    spec: Object = {
        "scaleTargetRef": _target(owner),
        "minReplicas": bounds.least,
        "maxReplicas": bounds.most,
        "metrics": [_pods_metric(metric, means) for metric in scaling.metrics(autoscaling, DEFAULT_METRIC)],
    }
    behavior = _behavior(autoscaling)
    if behavior:
        spec["behavior"] = behavior
    return manifest(HPA, owner, owner.name, spec)


def _pods_metric(metric: Metric, means: Means) -> Object:
    target = {"type": "AverageValue", "averageValue": metric.target.average_value}
    return {"type": "Pods", "pods": {"metric": {"name": means.names[metric.type]}, "target": target}}


def _scaled_object(owner: Owner, autoscaling: Autoscaling, bounds: Bounds, means: Means) -> Object:
    advanced: Object = {"restoreToOriginalReplicaCount": False}
    behavior = _behavior(autoscaling)
    if behavior:
        advanced["horizontalPodAutoscalerConfig"] = {"behavior": behavior}
    spec = {
        "scaleTargetRef": _target(owner),
        "pollingInterval": _POLLING_SECONDS,
        "minReplicaCount": bounds.least,
        "maxReplicaCount": bounds.most,
        "advanced": advanced,
        "triggers": [_trigger(owner, metric, means) for metric in scaling.metrics(autoscaling, DEFAULT_METRIC)],
    }
    return manifest(SCALED_OBJECT, owner, owner.name, spec)


def _trigger(owner: Owner, metric: Metric, means: Means) -> Object:
    trigger: Object = {
        "type": "prometheus",
        "name": PODS_METRICS[metric.type].replace("_", "-"),
        "metricType": "AverageValue",
        "metadata": {
            **means.trigger_metadata,
            "serverAddress": means.prometheus,
            "query": query(owner, _SERIES[metric.type]),
            "threshold": f"{scaling.target(metric):g}",
            # A missing value is no reason to end pods: the count stays the same until there is one.
            "ignoreNullValues": "false",
        },
    }
    if means.authentication:
        trigger["authenticationRef"] = {"kind": "ClusterTriggerAuthentication", "name": means.authentication}
    return trigger


def query(owner: Owner, series: Sequence[str]) -> str:
    """Return the PromQL for the sum of some series over the serving pods.

    TGI has no series until its first request, and scraped pods without series have nothing to do, so their value is 0.
    Pods that are not scraped have no value. Google Cloud's PromQL matches the names of series only exactly.
    """
    pods = f'namespace="{owner.namespace}",pod=~"{pod_names(owner.name)}"'
    idle = f"0 * count(up{{{pods}}} == 1)"
    return " + ".join(f"(sum({name}{{{pods}}}) or {idle})" for name in series)


def pod_names(deployment: str) -> str:
    """Return the regular expression for the names of a Deployment's pods.

    A name is that of the ReplicaSet, which ends in a hash of at most ten characters, a dash and five random characters.
    The API server cuts everything before these to 58 characters (k8s.io/apiserver pkg/storage/names).
    """
    if len(deployment) + len("-0123456789-") <= _GENERATED_NAME:
        return f"{deployment}-[a-z0-9]+-[a-z0-9]+"
    return f"{f'{deployment}-'[:_GENERATED_NAME]}[a-z0-9]+(-[a-z0-9]+)?"


def _target(owner: Owner) -> Object:
    return {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "name": owner.name}


def _behavior(autoscaling: Autoscaling) -> Object:
    given = {"scaleUp": autoscaling.behavior.scale_up, "scaleDown": autoscaling.behavior.scale_down}
    return {name: _rules(rules) for name, rules in given.items() if rules is not None}


def _rules(rules: ScalingRules) -> Object:
    """Return HPAScalingRules of autoscaling/v2, whose fields have the same names."""
    return rules.model_dump(mode="json", by_alias=True, exclude_none=True)
