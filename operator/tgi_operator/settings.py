"""The settings of the operator: flags of `tgi-operator run`, each also a TGI_OPERATOR_* variable."""

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from tgi_operator import __version__
from tgi_operator.api.objects import LabelKey, LabelValue

BackendName = Literal["sageMaker", "inCluster"]
"""A backend, by the field of the spec that chooses it."""

_NamespaceOrAll = Annotated[str, Field(max_length=63, pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|\*)$")]

PREFIX = "TGI_OPERATOR_"
_LISTS = frozenset({"watch_namespaces", "backends", "aws_regions", "service_annotations", "serving_pods_from"})
"""Settings that are lists, separated by commas."""

GROUPS = {
    "Kubernetes options": (
        "watch_namespaces",
        "backends",
        "workers",
        "image",
        "prometheus_address",
        "keda_authentication",
        "keda_trigger_metadata",
        "queue_size_metric",
        "concurrent_requests_metric",
        "monitor_kind",
        "monitor_labels",
        "node_wait_seconds",
    ),
    "Policy options": (
        "pod_template",
        "require_labels",
        "service_annotations",
        "serving_pods_from",
        "allowed_roles_file",
    ),
    "AWS options": (
        "aws_regions",
        "cluster_id",
        "sweep_interval",
        "scaling_sweep_interval",
        "aws_reads_per_second",
        "aws_writes_per_second",
        "aws_drift_reads_per_minute",
    ),
    "Leader election options": (
        "leader_election",
        "leader_election_namespace",
        "lease_duration",
        "renew_deadline",
        "retry_period",
    ),
    "Probes and metrics options": ("http_address", "http_port", "metrics_auth"),
    "Logging options": ("log_format", "log_level"),
}
"""The settings by the group in which `tgi-operator run --help` shows them."""


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _pairs(value: object) -> object:
    """Return the pairs of a text: a JSON object, or NAME=VALUE separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    pairs = [item.partition("=") for item in _list(value)]
    if not all(name and sign for name, sign, _ in pairs):
        raise ValueError("must be NAME=VALUE, separated by commas, or a JSON object")
    return {name: found for name, _, found in pairs}


_MetricName = Annotated[str, Field(max_length=253, pattern=r"^[!-~]+$")]
_Pairs = Annotated[dict[str, Annotated[str, Field(max_length=253)]], BeforeValidator(_pairs)]
"""Names and values, as NAME=VALUE separated by commas or as a JSON object."""

_Labels = Annotated[dict[LabelKey, LabelValue], BeforeValidator(_pairs)]


class Settings(BaseModel):
    """Settings of a running operator, validated once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep_interval: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Interval in seconds at which the operator lists the endpoints in a region.",
    )
    scaling_sweep_interval: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Interval in seconds at which the operator reads the scaling activities in a region. It also "
        "reads the scalable targets every 5th time and the policies every 15th time.",
    )
    aws_reads_per_second: float = Field(
        default=5,
        gt=0,
        description="Maximum number of AWS reads per second in each region. All users of the account share the "
        "AWS limits.",
    )
    aws_writes_per_second: float = Field(
        default=5, gt=0, description="Maximum number of AWS writes per second in each region."
    )
    aws_drift_reads_per_minute: float = Field(
        default=30,
        gt=0,
        description="Maximum number of AWS reads per minute in each region for drift checks, which look for changes "
        "by other users.",
    )
    aws_regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")], ...] = Field(
        default=(),
        max_length=64,
        description="AWS regions that resources can use. If empty, resources can use all regions that this version "
        "supports. To use a region that is newer than the operator, list all regions that you use.",
    )
    watch_namespaces: tuple[str, ...] = Field(
        default=(), description="Namespaces to watch. If empty, the operator watches all namespaces."
    )
    backends: tuple[BackendName, ...] = Field(
        default=("sageMaker", "inCluster"),
        min_length=1,
        description="Backends that the operator serves. The operator needs no permissions or credentials for other "
        "backends.",
    )
    pod_template: Literal["restricted", "unrestricted"] = Field(
        default="restricted",
        description="Whether the operator rejects (restricted) or accepts (unrestricted) a podTemplate that "
        "reaches beyond the pod, for example, through host paths or privileges.",
    )
    require_labels: Literal["on", "off"] = Field(
        default="on",
        description="Whether TGIEndpoints can use only Secrets and service accounts that have the label "
        'tgi-operator.dev/allow-use: "true".',
    )
    service_annotations: tuple[Annotated[str, Field(max_length=317, pattern=r"^[-A-Za-z0-9_./*]+$")], ...] = Field(
        default=(),
        max_length=64,
        description="Keys of the annotations that spec.inCluster.service.annotations can contain. * matches any text, "
        "for example, in prometheus.io/*. If empty, resources cannot set annotations of their Service.",
    )
    serving_pods_from: tuple[_NamespaceOrAll, ...] | None = Field(
        default=None,
        description="Namespaces whose pods can reach the serving pods, in addition to the resource's own namespace. "
        "The operator creates a NetworkPolicy for each resource with spec.inCluster. If you set *, all namespaces can "
        "reach the pods, and the operator deletes the NetworkPolicies that it created. If you do not set this option, "
        "the operator does not change NetworkPolicies.",
    )
    cluster_id: str = Field(
        default="",
        description="Cluster ID in the owner tags. If empty, the operator uses the UID of the kube-system namespace.",
    )
    image: str = Field(
        default=f"tgi-operator:{__version__}",
        min_length=1,
        max_length=255,
        description="Container image of the operator. The Jobs that fetch weights also run this image.",
    )
    allowed_roles_file: str = Field(
        default="",
        max_length=1024,
        description="File that lists the execution roles and endpoint names that each namespace can use. If "
        "empty, namespaces can use all roles but no endpoint names.",
    )
    prometheus_address: str = Field(
        default="",
        max_length=2048,
        description="URL of the Prometheus server that KEDA queries for the metrics of the pods. If empty, the "
        "operator does not use KEDA.",
    )
    keda_authentication: str = Field(
        default="",
        max_length=253,
        description="Name of the ClusterTriggerAuthentication that KEDA uses to query Prometheus. If empty, KEDA sends "
        "no credentials.",
    )
    keda_trigger_metadata: _Pairs = Field(
        default={},
        max_length=16,
        description="Additional metadata of KEDA's Prometheus triggers, such as awsRegion=us-east-1 for Amazon Managed "
        "Service for Prometheus or authModes=bearer.",
    )
    queue_size_metric: _MetricName = Field(
        default="tgi_queue_size",
        description="Name of the metric for QueueDepth in the custom metrics API.",
    )
    concurrent_requests_metric: _MetricName = Field(
        default="tgi_concurrent_requests",
        description="Name of the metric for ConcurrentRequests in the custom metrics API.",
    )
    monitor_kind: Literal["PodMonitor", "PodMonitoring", "none"] = Field(
        default="PodMonitor",
        description="Kind of object that the operator creates so that Prometheus scrapes the pods: PodMonitor for the "
        "Prometheus Operator, PodMonitoring for Google Cloud Managed Service for Prometheus, or none.",
    )
    monitor_labels: _Labels = Field(
        default={},
        max_length=16,
        description="Labels of each PodMonitor or PodMonitoring, such as release=prometheus. "
        "spec.inCluster.podMonitor.labels can override them.",
    )
    node_wait_seconds: float = Field(
        default=300,
        ge=0,
        le=86_400,
        description="Seconds that a new pod waits for a node during a rollout before an old pod makes room for it. A "
        "cluster autoscaler can add a node during this time. If the number of nodes is fixed, 0 makes rollouts faster.",
    )
    workers: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Maximum number of resources in one namespace that the operator reconciles at the same time "
        "in a lane. A lane is an AWS region, or all pods in the cluster. Each lane has three times this number of "
        "workers. The last third is reserved for namespaces that are not using any workers.",
    )
    http_port: int = Field(default=8090, ge=0, le=65535, description="Port for /healthz, /readyz and /metrics.")
    http_address: str = Field(default="0.0.0.0", description="Bind address for /healthz, /readyz and /metrics.")  # noqa: S104 - probes come from outside
    metrics_auth: Literal["on", "off"] = Field(
        default="off",
        description="Whether /metrics requires a bearer token. RBAC must allow the token's user or service account "
        "to get /metrics.",
    )
    leader_election: Literal["on", "off"] = Field(
        default="off", description="Whether the operator uses a Lease for leader election."
    )
    leader_election_namespace: str = Field(
        default="",
        max_length=63,
        description="Namespace of the Lease. If empty, the operator uses the namespace of its pod or, outside a pod, "
        "the namespace named default.",
    )
    lease_duration: int = Field(
        default=15,
        ge=1,
        le=3600,
        description="Seconds after which another operator can acquire a Lease that has not been renewed.",
    )
    renew_deadline: float = Field(
        default=10,
        gt=0,
        validate_default=True,
        description="Seconds without a renewal after which the leader exits. Must be less than the lease duration.",
    )
    retry_period: float = Field(
        default=2,
        gt=0,
        validate_default=True,
        description="Seconds between attempts to acquire or renew the Lease. Must be less than the renew deadline.",
    )
    log_format: Literal["json", "text"] = Field(default="json", description="Log format.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Minimum log level.")

    @property
    def lane_workers(self) -> int:
        """Workers of a lane.

        There are `workers` for one namespace, as many for others, and as many for namespaces without any.
        """
        return 3 * self.workers

    @field_validator("renew_deadline")
    @classmethod
    def _ends_before_the_lease(cls, value: float, info: ValidationInfo) -> float:
        return _less(value, "lease_duration", info)

    @field_validator("retry_period")
    @classmethod
    def _tries_more_than_once(cls, value: float, info: ValidationInfo) -> float:
        return _less(value, "renew_deadline", info)

    @classmethod
    def read(cls, flags: dict[str, str], environment: dict[str, str]) -> Self:
        """Return the settings from `flags` (by field name) over the TGI_OPERATOR_* variables of `environment`.

        Raises pydantic.ValidationError.
        """
        values: dict[str, object] = {}
        for name in cls.model_fields:
            text = flags.get(name, environment.get(f"{PREFIX}{name.upper()}"))
            if text is not None:
                values[name] = _list(text) if name in _LISTS else text
        return cls.model_validate(values)


def _less(value: float, name: str, info: ValidationInfo) -> float:
    # `info.data` does not contain fields whose values are invalid.
    limit = info.data.get(name)
    if limit is not None and value >= limit:
        raise ValueError(f"must be less than {name}, which is {limit:g}")
    return value
