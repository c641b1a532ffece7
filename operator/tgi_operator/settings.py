"""The settings of the operator: flags of `tgi-operator run`, each also a TGI_OPERATOR_* variable."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tgi_operator import __version__

BackendName = Literal["sageMaker", "inCluster"]
"""A backend, by the field of the spec that chooses it."""

_NamespaceOrAll = Annotated[str, Field(max_length=63, pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|\*)$")]

PREFIX = "TGI_OPERATOR_"
_LISTS = frozenset({"watch_namespaces", "backends", "aws_regions", "serving_pods_from"})
"""Settings that are lists, separated by commas."""

GROUPS = {
    "Kubernetes options": (
        "watch_namespaces",
        "backends",
        "workers",
        "image",
        "prometheus_address",
        "node_wait_seconds",
    ),
    "Policy options": ("pod_template", "require_labels", "serving_pods_from", "allowed_roles_file"),
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


class Settings(BaseModel):
    """Settings of a running operator, validated once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep_interval: float = Field(
        default=30, gt=0, le=3600, description="Seconds between two listings of the endpoints of a region."
    )
    scaling_sweep_interval: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Seconds between two reads of a region's scaling activities. Every 5th time, the operator also "
        "reads the scalable targets, and every 15th time the policies.",
    )
    aws_reads_per_second: float = Field(
        default=5, gt=0, description="AWS reads per second in one region. Other users of the account share AWS's limit."
    )
    aws_writes_per_second: float = Field(default=5, gt=0, description="AWS writes per second in one region.")
    aws_drift_reads_per_minute: float = Field(
        default=30, gt=0, description="AWS reads per minute in one region that look for changes by other users."
    )
    aws_regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")], ...] = Field(
        default=(),
        max_length=64,
        description="AWS regions that resources are allowed to name. Empty: all regions that this version knows. If "
        "you use a region that is newer than the operator, list all regions that you use.",
    )
    watch_namespaces: tuple[str, ...] = Field(default=(), description="Namespaces to watch. Empty: all namespaces.")
    backends: tuple[BackendName, ...] = Field(
        default=("sageMaker", "inCluster"),
        min_length=1,
        description="Backends that the operator serves. It needs no permissions and no credentials for a backend that "
        "is not in the list.",
    )
    pod_template: Literal["restricted", "unrestricted"] = Field(
        default="restricted",
        description="Whether a podTemplate that reaches beyond the pod is refused, for example host paths or "
        "privileges.",
    )
    require_labels: Literal["on", "off"] = Field(
        default="on",
        description="Whether TGIEndpoints are allowed to use only those Secrets and service accounts of their "
        'namespace that have the label tgi-operator.dev/allow-use: "true".',
    )
    serving_pods_from: tuple[_NamespaceOrAll, ...] | None = Field(
        default=None,
        description="Namespaces whose pods are allowed to reach the pods that serve, besides the namespace of the "
        "resource. The operator creates a NetworkPolicy for each resource in the cluster. *: all "
        "namespaces; the operator deletes the NetworkPolicies that it created. Not set: it changes no "
        "NetworkPolicies.",
    )
    cluster_id: str = Field(
        default="", description="Cluster ID in the ownership tags. Empty: the uid of the namespace kube-system."
    )
    image: str = Field(
        default=f"tgi-operator:{__version__}",
        min_length=1,
        max_length=255,
        description="Container image of the operator, which the jobs that fetch weights run.",
    )
    allowed_roles_file: str = Field(
        default="",
        max_length=1024,
        description="File that lists the execution roles and endpoint names that each namespace is allowed to use. "
        "Empty: every role, and no endpoint name.",
    )
    prometheus_address: str = Field(
        default="",
        max_length=2048,
        description="URL of the Prometheus server that KEDA queries for the metrics of the pods. Empty: KEDA is not "
        "used.",
    )
    node_wait_seconds: float = Field(
        default=300,
        ge=0,
        le=86_400,
        description="Seconds that a new pod of a rollout waits for a node, which an autoscaler may add, before an old "
        "pod makes room for it. With a fixed number of nodes, 0 makes rollouts faster.",
    )
    workers: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Resources of one namespace that are reconciled at the same time in each lane: an AWS region, or "
        "the pods of the cluster. A lane has three times as many workers; the last third is reserved for "
        "namespaces that use none.",
    )
    http_port: int = Field(default=8090, ge=0, le=65535, description="Port of /healthz, /readyz and /metrics.")
    http_address: str = Field(default="0.0.0.0", description="Bind address of /healthz, /readyz and /metrics.")  # noqa: S104 - probes come from outside
    metrics_auth: Literal["on", "off"] = Field(
        default="off",
        description="Whether /metrics requires the bearer token of a user or service account that RBAC allows to get "
        "/metrics.",
    )
    leader_election: Literal["on", "off"] = Field(
        default="off", description="Whether a Lease elects one leader among several operators."
    )
    leader_election_namespace: str = Field(
        default="", max_length=63, description="Namespace of the Lease. Empty: the namespace of the pod, else default."
    )
    lease_duration: int = Field(
        default=15,
        ge=1,
        le=3600,
        description="Seconds after which another operator is allowed to take a Lease that is not renewed.",
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
        description="Seconds between two attempts to acquire or renew the Lease. Must be less than the renew deadline.",
    )
    log_format: Literal["json", "text"] = Field(default="json", description="Format of the log.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Lowest level that is logged."
    )

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
    # A refused value is not part of it.
    limit = info.data.get(name)
    if limit is not None and value >= limit:
        raise ValueError(f"must be less than {name}, which is {limit:g}")
    return value


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())
