"""`spec.inCluster`: TGI pods on GPU nodes. Fields that exist in a PodSpec have the same names here."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tgi_operator.api.formats import ClaimName, Form, Format, ServiceAccountName
from tgi_operator.api.objects import (
    ATOMIC_LIST,
    SET_LIST,
    APIObject,
    CountOrPercent,
    Int32,
    LabelKey,
    LabelValue,
    ObjectName,
    Positive,
    Quantity,
    cel,
    list_map,
)
from tgi_operator.api.pod_changes import PodTemplate, Toleration

DEFAULT_GPU_RESOURCE = "nvidia.com/gpu"


class GPU(APIObject):
    """GPUs for each pod."""

    resource_name: LabelKey = Field(
        default=DEFAULT_GPU_RESOURCE,
        description="Extended resource that the device plugin registers, such as nvidia.com/gpu, "
        "nvidia.com/mig-3g.20gb or amd.com/gpu. The operator has images for NVIDIA and AMD GPUs. Other GPUs require "
        "`runtime.image`.",
    )
    count: Annotated[Int32, Field(ge=1, le=16)] = Field(
        default=1, description="Number of GPUs for each pod, such as 2. Must be 1 for MIG slices and shared GPUs."
    )
    products: tuple[LabelValue, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=SET_LIST,
        description="GPU products that the pods can run on, as values of the `nvidia.com/gpu.product` node label, such "
        "as NVIDIA-L4. On nodes without this label, the corresponding labels of Karpenter, EKS Auto Mode and GKE are "
        "used. Default: any product.",
    )


class AccessMode(StrEnum):
    """Access modes of a PVC that multiple pods can use, at the same time or one after the other."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_MANY = "ReadWriteMany"


class Cache(APIObject):
    """A PVC that stores the weights. A Job downloads the weights once, and pods start without access to the Hub."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "has(self.claimName) != has(self.size)",
                "exactly one of claimName (an existing PVC) and size (a new PVC) must be set",
            ),
            (
                "has(self.size) || !has(self.storageClassName) && !has(self.accessMode)",
                "storageClassName and accessMode require size, which creates a new PVC",
            ),
            (
                (
                    "!has(self.size) || !has(oldSelf.size) || "
                    "has(self.storageClassName) == has(oldSelf.storageClassName) && "
                    "has(self.accessMode) == has(oldSelf.accessMode)"
                ),
                "storageClassName and accessMode of a PVC are immutable; create a new TGIEndpoint to change them",
            ),
        )
    }

    claim_name: ClaimName | None = Field(
        default=None, description="Name of an existing PVC in the namespace, such as weights."
    )
    size: Quantity | None = Field(
        default=None,
        description="Size of a new PVC, such as 100Gi. You can increase the size later if the storage class allows "
        "volume expansion.",
    )
    storage_class_name: ObjectName | None = Field(
        default=None,
        json_schema_extra=cel(("self == oldSelf", "storageClassName of a PVC is immutable")),
        description="Storage class of the new PVC, such as efs. Default: the cluster's default storage class. "
        "Immutable.",
    )
    access_mode: AccessMode | None = Field(
        default=None,
        json_schema_extra=cel(("self == oldSelf", "accessMode of a PVC is immutable")),
        description="Access mode of the new PVC. Default: ReadWriteMany, which pods on different nodes require. "
        "Immutable.",
    )
    sub_path: (
        Annotated[
            str,
            Field(min_length=1, max_length=255),
            Format(
                Form(
                    "^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
                    "must be a folder without a leading or trailing slash, such as models/zephyr-7b",
                )
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Folder on the volume, such as models. Multiple TGIEndpoints can share a folder.",
    )


class TopologySpreadConstraint(APIObject):
    """How the pods are spread across topology domains. The operator adds a label selector for these pods."""

    topology_key: LabelKey = Field(
        description="Node label that defines a topology domain, such as topology.kubernetes.io/zone."
    )
    max_skew: Positive = Field(
        default=1, description="Maximum difference between the numbers of pods in any two domains."
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        default="ScheduleAnyway", description="How the scheduler handles a pod that does not satisfy the constraint."
    )


class Resources(APIObject):
    """CPU, memory and ephemeral storage of the container. GPUs are set in `gpu`."""

    requests: dict[str, Quantity] = Field(
        default={},
        max_length=16,
        description="Resource requests of the container, such as `cpu: 4` and `memory: 24Gi`. Default for a resource "
        "that has no limit: `cpu: 1` and `memory: 4Gi` for each GPU.",
    )
    limits: dict[str, Quantity] = Field(
        default={},
        max_length=16,
        description="Resource limits of the container, such as `memory: 48Gi`. Files in /dev/shm count toward the "
        "memory limit.",
    )


class PodDefault(StrEnum):
    """A part of the pod that the operator adds by default."""

    GPU_REQUEST = "GPURequest"
    LIVENESS_PROBE = "LivenessProbe"
    PRE_STOP_HOOK = "PreStopHook"
    SHARED_MEMORY = "SharedMemory"


class PodDisruptionBudget(APIObject):
    """How many pods may be unavailable during voluntary disruptions such as a node drain."""

    max_unavailable: CountOrPercent = Field(
        description="Maximum number or percentage of unavailable pods, such as 1 or 25%."
    )


class PodMonitor(APIObject):
    """How Prometheus scrapes the pods, if the cluster has the monitoring.coreos.com API."""

    labels: dict[str, LabelValue] = Field(
        default={},
        max_length=16,
        description="Labels by which your Prometheus selects the PodMonitor, such as `release: prometheus`.",
    )
    interval: Annotated[
        str,
        Field(max_length=16),
        Format(Form("^[1-9][0-9]*(s|m)$", "must be a number of seconds or minutes, such as 15s or 1m")),
    ] = Field(default="15s", description="Scrape interval, such as 15s.")


class Service(APIObject):
    """The Service in front of the pods."""

    annotations: dict[str, Annotated[str, Field(max_length=1024)]] = Field(
        default={},
        max_length=16,
        description="Annotations of the Service, such as `service.kubernetes.io/topology-mode: Auto`. An administrator "
        "must allow each of them in the `service-annotations` setting.",
    )


class InCluster(APIObject):
    """Serving in pods of this cluster."""

    gpu: GPU = Field(default=GPU(), description="GPUs for each pod.")
    resources: Resources = Field(default=Resources(), description="CPU, memory and ephemeral storage for each pod.")
    shared_memory_size: Quantity | None = Field(
        default=None,
        description="Size of /dev/shm, which the GPUs use to exchange data, such as 8Gi. Default: 1Gi.",
    )
    cache: Cache | None = Field(
        default=None,
        description="PVC that stores the weights. If this field is not set, each pod downloads the weights when it "
        "starts.",
    )
    startup_timeout_seconds: Annotated[Int32, Field(ge=60, le=86400)] | None = Field(
        default=None,
        description="Time in seconds for a container to load the model and pass the health check, such as 1800. "
        "Default: an estimate based on the parameter count in the model's name, or 900 if the name contains none.",
    )
    termination_grace_period_seconds: Annotated[Int32, Field(ge=30, le=86400)] = Field(
        default=480,
        description="Time in seconds for a pod to finish accepted requests before it is killed. TGI itself needs 180 "
        "of these seconds.",
    )
    node_selector: dict[str, LabelValue] = Field(
        default={},
        max_length=32,
        description="Labels that a node must have to run the pods, such as `pool: gpu`. Default for TGI's own images: "
        "`kubernetes.io/arch: amd64`.",
    )
    tolerations: tuple[Toleration, ...] | None = Field(
        default=None,
        max_length=32,
        json_schema_extra=ATOMIC_LIST,
        description="Tolerations of the pods. Default: a toleration for the NoSchedule taint whose key is "
        "`nvidia.com/gpu`, `amd.com/gpu` or, for other GPUs, `gpu.resourceName`.",
    )
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] | None = Field(
        default=None,
        max_length=8,
        json_schema_extra=list_map("topologyKey"),
        description="How the pods are spread across nodes or zones. The scheduler counts only pods of the same "
        "revision. Default: across nodes (`kubernetes.io/hostname`, `ScheduleAnyway`). Set an empty list for no "
        "constraints.",
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="Priority class of the pods, such as high-priority."
    )
    runtime_class_name: ObjectName | None = Field(
        default=None,
        description="Runtime class of the pods, such as nvidia if the nodes do not use it by default.",
    )
    service_account_name: ServiceAccountName | None = Field(
        default=None,
        description="Service account of the pods and of the Job that downloads the weights. For an `s3://` URI, its "
        "IAM role must be able to read the bucket.",
    )
    do_not_disrupt: bool = Field(
        default=False,
        description="Whether to keep Karpenter and the Cluster Autoscaler from removing the nodes of the pods, for "
        "example, to save costs. If true, the pods have the annotations that these autoscalers read. A node that is "
        "kept costs money.",
    )
    service: Service = Field(default=Service(), description="The Service in front of the pods.")
    pod_disruption_budget: PodDisruptionBudget | None = Field(
        default=None,
        description="Limit on voluntary disruptions. Default: at most one pod may be unavailable at a time.",
    )
    pod_monitor: PodMonitor = Field(default=PodMonitor(), description="How Prometheus scrapes the pods.")
    omit_defaults: tuple[PodDefault, ...] = Field(
        default=(),
        max_length=4,
        json_schema_extra=SET_LIST,
        description="Defaults to omit from the pod. `GPURequest`: the GPU request and limit, and the default "
        "toleration. `LivenessProbe`: the liveness probe. `PreStopHook`: the hook that waits for requests in progress. "
        "`SharedMemory`: the volume at /dev/shm.",
    )
    pod_template: PodTemplate | None = Field(
        default=None,
        description="Changes to the rendered pod, as fields of a PodTemplateSpec. They take precedence over all other "
        "fields. Lists with named items are merged by name, and other lists are replaced. The name of the TGI "
        "container is `tgi`.",
    )

    @property
    def requested_gpus(self) -> int:
        """GPUs that each pod requests, or 0 if the request is omitted."""
        return 0 if PodDefault.GPU_REQUEST in self.omit_defaults else self.gpu.count


class OnFailure(StrEnum):
    """The response to a change that has failed."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"


class Rollout(APIObject):
    """How changes are rolled out to the pods."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                (
                    "!has(self.maxSurge) || !has(self.maxUnavailable) || string(self.maxSurge) != '0' && "
                    "string(self.maxSurge) != '0%' || string(self.maxUnavailable) != '0' && "
                    "string(self.maxUnavailable) != '0%'"
                ),
                "maxSurge and maxUnavailable must not both be 0; otherwise, no pod could be replaced",
            ),
        )
    }

    max_surge: CountOrPercent | None = Field(
        default=None,
        description="Number or percentage of pods that may be created beyond the replica count, such as 1. Each "
        "additional pod needs free GPUs.",
    )
    max_unavailable: CountOrPercent | None = Field(
        default=None,
        description="Number or percentage of pods that may be unavailable, such as 25%. If neither `maxSurge` nor "
        "`maxUnavailable` is set, a new pod starts before an old pod is terminated. If the nodes have no room for a "
        "new pod, an old pod is terminated first.",
    )
    progress_deadline_seconds: Positive | None = Field(
        default=None,
        description="Time in seconds without progress after which a change is reported as failed. Default: the startup "
        "timeout plus 600.",
    )
    on_failure: OnFailure = Field(
        default=OnFailure.ROLLBACK,
        description="Response to a failed change. `Rollback`: the operator restores the last revision that "
        "served requests. It tries the change again only if the spec changes or a user requests a retry. `Hold`: the "
        "pods stay as they are.",
    )
