"""The operator's settings: flags of `tgi-operator run`, each also a TGI_OPERATOR_* variable."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tgi_operator import __version__

BackendName = Literal["sageMaker", "inCluster"]
"""A backend, by the field of the spec that chooses it."""

_NamespaceOrAll = Annotated[str, Field(max_length=63, pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|\*)$")]

PREFIX = "TGI_OPERATOR_"
_LISTS = frozenset({"watch_namespaces", "backends", "aws_regions", "serving_pods_from"})
"""Settings that are lists, separated by commas."""


class Settings(BaseModel):
    """Settings of a running operator, validated once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep_interval: float = Field(default=30, gt=0, le=3600, description="Seconds between two listings of a region.")
    scaling_sweep_interval: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Seconds between two looks at the scaling activities of a region; every 5th reads the scalable "
        "targets, every 15th the policies.",
    )
    aws_reads_per_second: float = Field(
        default=5, gt=0, description="AWS reads a second in one region; shared with everybody else of the account."
    )
    aws_writes_per_second: float = Field(default=5, gt=0, description="AWS writes a second in one region.")
    aws_drift_reads_per_minute: float = Field(
        default=30, gt=0, description="AWS reads a minute in one region spent on finding what was changed by others."
    )
    aws_regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")], ...] = Field(
        default=(),
        max_length=64,
        description="AWS regions that resources may name; none: all regions that this version knows. List all that you "
        "use if one of them is newer than the operator.",
    )
    watch_namespaces: tuple[str, ...] = Field(default=(), description="Namespaces to watch; none: all of them.")
    backends: tuple[BackendName, ...] = Field(
        default=("sageMaker", "inCluster"),
        min_length=1,
        description="Backends that the operator serves, separated by commas. It needs no permission and no credentials "
        "for another one.",
    )
    pod_template: Literal["restricted", "unrestricted"] = Field(
        default="restricted",
        description="Whether podTemplate is refused where it reaches beyond the pod, such as with host paths "
        "or privileges.",
    )
    require_labels: Literal["on", "off"] = Field(
        default="on",
        description="Whether TGIEndpoints are allowed to use only those Secrets and service accounts of their "
        'namespace that carry the label tgi-operator.dev/allow-use: "true".',
    )
    serving_pods_from: tuple[_NamespaceOrAll, ...] | None = Field(
        default=None,
        description="Namespaces whose pods are allowed to reach the pods that serve, besides the namespace of the "
        "resource: the operator creates a NetworkPolicy for each resource in the cluster. *: all namespaces; the "
        "operator deletes the NetworkPolicies that it created. Not set: it leaves NetworkPolicies alone.",
    )
    cluster_id: str = Field(default="", description="Cluster in the owner tags; empty: the uid of kube-system.")
    image: str = Field(
        default=f"tgi-operator:{__version__}",
        min_length=1,
        max_length=255,
        description="Container image of the operator, which jobs that fetch weights run.",
    )
    allowed_roles_file: str = Field(
        default="",
        max_length=1024,
        description="File that lists the execution roles and endpoint names that each namespace may use; empty: every "
        "role, and no endpoint name.",
    )
    prometheus_address: str = Field(
        default="",
        max_length=2048,
        description="URL of the Prometheus that KEDA asks for the pods' metrics; empty: KEDA is not used.",
    )
    workers: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Resources of one namespace reconciled at the same time in each lane: an AWS region, or the pods "
        "of the cluster. A lane has three times as many; the last third is kept for namespaces that use none.",
    )
    http_port: int = Field(default=8090, ge=0, le=65535, description="Port of /healthz, /readyz and /metrics.")
    http_address: str = Field(default="0.0.0.0", description="Address of the same.")  # noqa: S104 - probes come from outside
    metrics_auth: Literal["on", "off"] = Field(
        default="off",
        description="Whether /metrics needs the bearer token of a user or service account that RBAC allows to get "
        "/metrics.",
    )
    leader_election: Literal["on", "off"] = Field(
        default="off", description="Whether a Lease decides which of several operators works."
    )
    leader_election_namespace: str = Field(
        default="", max_length=63, description="Namespace of the Lease; empty: the pod's own, else default."
    )
    lease_duration: int = Field(
        default=15, ge=1, le=3600, description="Seconds after which a Lease that is not renewed may be taken."
    )
    renew_deadline: float = Field(
        default=10,
        gt=0,
        validate_default=True,
        description="Seconds without a renewal after which the leader ends itself; less than the Lease's duration.",
    )
    retry_period: float = Field(
        default=2, gt=0, validate_default=True, description="Seconds between two looks at the Lease, and two renewals."
    )
    log_format: Literal["json", "text"] = Field(default="json", description="Format of the log.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Level of the log.")

    @property
    def lane_workers(self) -> int:
        """Workers of a lane: `workers` for a namespace, as many for others, and as many for those that have none."""
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
    # What was refused itself is not there.
    limit = info.data.get(name)
    if limit is not None and value >= limit:
        raise ValueError(f"must be less than {name}, which is {limit:g}")
    return value


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())
