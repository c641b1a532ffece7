"""`spec.inCluster`: TGI pods on GPU nodes. Fields are spelled as those of a PodSpec where it has them."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tgi_operator.api.formats import Form, Format, NameOfObject
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
    """The GPUs of one pod."""

    resource_name: LabelKey = Field(
        default=DEFAULT_GPU_RESOURCE, description="Resource that the device plugin offers on the nodes."
    )
    count: Annotated[Int32, Field(ge=1, le=16)] = Field(default=1, description="GPUs of each pod.")
    products: tuple[LabelValue, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=SET_LIST,
        description="GPU products to run on, as the node label `nvidia.com/gpu.product` names them, such as "
        "NVIDIA-L4. Absent: any.",
    )


class AccessMode(StrEnum):
    """Access modes of a claim that pods on several nodes, or one after the other, can use."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_MANY = "ReadWriteMany"


class Cache(APIObject):
    """A volume claim that keeps the weights: they are fetched once, and pods start from it without the Hub."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "has(self.claimName) != has(self.size)",
                "claimName uses a claim that is there, size makes a new one: set exactly one",
            ),
            (
                "has(self.size) || !has(self.storageClassName) && !has(self.accessMode)",
                "storageClassName and accessMode are of a new claim: they need size",
            ),
            (
                (
                    "!has(self.size) || !has(oldSelf.size) || "
                    "has(self.storageClassName) == has(oldSelf.storageClassName) && "
                    "has(self.accessMode) == has(oldSelf.accessMode)"
                ),
                "storageClassName and accessMode of a claim are immutable: create a new TGIEndpoint",
            ),
        )
    }

    claim_name: NameOfObject | None = Field(default=None, description="Name of a claim in the namespace.")
    size: Quantity | None = Field(
        default=None, description="Size of a new claim, such as 100Gi. It may grow where its storage class lets it."
    )
    storage_class_name: ObjectName | None = Field(
        default=None,
        json_schema_extra=cel(("self == oldSelf", "storageClassName of a claim is immutable")),
        description="Storage class of the new claim. Absent: the cluster's default. Immutable.",
    )
    access_mode: AccessMode | None = Field(
        default=None,
        json_schema_extra=cel(("self == oldSelf", "accessMode of a claim is immutable")),
        description="Absent: ReadWriteMany, which pods on several nodes need. Immutable.",
    )
    sub_path: (
        Annotated[
            str,
            Field(min_length=1, max_length=255),
            Format(
                Form(
                    "^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
                    "must be a folder without a slash at the beginning or the end, such as models/zephyr-7b",
                )
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Folder in the volume. Several TGIEndpoints may share one.",
    )


class TopologySpreadConstraint(APIObject):
    """How the pods are spread; the selector is that of the resource's own pods."""

    topology_key: LabelKey = Field(description="Node label, such as topology.kubernetes.io/zone.")
    max_skew: Positive = Field(default=1, description="Pods that one domain may have more than another.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        default="ScheduleAnyway", description="What the scheduler does where it cannot."
    )


class Resources(APIObject):
    """CPU, memory and ephemeral storage of the container; the GPUs are in `gpu`."""

    requests: dict[str, Quantity] = Field(
        default={}, max_length=16, description="What the container needs, such as `cpu: 4` and `memory: 24Gi`."
    )
    limits: dict[str, Quantity] = Field(
        default={}, max_length=16, description="The most it may take. /dev/shm counts as memory."
    )


class PodDefault(StrEnum):
    """Parts of the pod that the operator adds by default, and that users need to remove."""

    GPU_REQUEST = "GPURequest"
    LIVENESS_PROBE = "LivenessProbe"
    PRE_STOP_HOOK = "PreStopHook"
    SHARED_MEMORY = "SharedMemory"


class PodDisruptionBudget(APIObject):
    """How many pods a drain may take at once."""

    max_unavailable: CountOrPercent = Field(description="Pods, or a percentage of them.")


class PodMonitor(APIObject):
    """How Prometheus scrapes the pods, where the cluster has the API monitoring.coreos.com."""

    labels: dict[str, LabelValue] = Field(
        default={}, max_length=16, description="Labels by which a Prometheus selects PodMonitors."
    )
    interval: Annotated[
        str, Field(max_length=16), Format(Form("^[1-9][0-9]*(s|m)$", "must be seconds or minutes, such as 15s or 1m"))
    ] = Field(default="15s", description="Time between two scrapes.")


class InCluster(APIObject):
    """Pods of the cluster."""

    gpu: GPU = Field(default=GPU(), description="GPUs of each pod.")
    resources: Resources = Field(default=Resources(), description="Other resources of each pod.")
    shared_memory_size: Quantity | None = Field(
        default=None, description="Size of /dev/shm, over which GPUs exchange data. Absent: 1Gi."
    )
    cache: Cache | None = Field(
        default=None,
        description="Claim that keeps the weights. Absent: each pod downloads them when it starts.",
    )
    startup_timeout_seconds: Annotated[Int32, Field(ge=60, le=86400)] | None = Field(
        default=None,
        description="Time a container has to load the model and answer. Absent: by the size in the model's name, "
        "else 900.",
    )
    termination_grace_period_seconds: Annotated[Int32, Field(ge=30, le=86400)] = Field(
        default=480,
        description="Time a pod has to answer what it accepted before it ends; 180 s of it are TGI's own.",
    )
    node_selector: dict[str, LabelValue] = Field(default={}, max_length=32, description="Labels of the nodes.")
    tolerations: tuple[Toleration, ...] | None = Field(
        default=None,
        max_length=32,
        json_schema_extra=ATOMIC_LIST,
        description="Taints that are borne. Absent: NoSchedule of `gpu.resourceName`.",
    )
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = Field(
        default=(), max_length=8, json_schema_extra=list_map("topologyKey"), description="How the pods are spread."
    )
    priority_class_name: ObjectName | None = Field(default=None, description="Priority class of the pods.")
    runtime_class_name: ObjectName | None = Field(
        default=None, description="Runtime class of the pods, such as nvidia where it is not the nodes' default."
    )
    service_account_name: NameOfObject | None = Field(
        default=None,
        description="Service account of the pods and of the job that fetches weights: its AWS identity reads `s3://`.",
    )
    pod_disruption_budget: PodDisruptionBudget | None = Field(
        default=None, description="Absent: one pod at a time may be unavailable."
    )
    pod_monitor: PodMonitor = Field(default=PodMonitor(), description="Scraping by Prometheus.")
    omit_defaults: tuple[PodDefault, ...] = Field(
        default=(),
        max_length=4,
        json_schema_extra=SET_LIST,
        description="Parts of the pod that the operator leaves out. GPURequest: requests and limits of GPUs, and the "
        "default toleration. LivenessProbe: the liveness probe. PreStopHook: the wait for requests in progress. "
        "SharedMemory: the volume at /dev/shm.",
    )
    pod_template: PodTemplate | None = Field(
        default=None,
        description="Changes of the pod, in the form of a PodTemplateSpec. They take precedence over all other "
        "fields. Items of lists are merged by name; other lists are replaced. TGI's container is `tgi`.",
    )

    @property
    def requested_gpus(self) -> int:
        """GPUs that each pod requests, 0 where the request is left out."""
        return 0 if PodDefault.GPU_REQUEST in self.omit_defaults else self.gpu.count


class Rollout(APIObject):
    """How a change reaches the pods."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                (
                    "!has(self.maxSurge) || !has(self.maxUnavailable) || string(self.maxSurge) != '0' && "
                    "string(self.maxSurge) != '0%' || string(self.maxUnavailable) != '0' && "
                    "string(self.maxUnavailable) != '0%'"
                ),
                "maxSurge and maxUnavailable must not both be 0: no pod could ever be replaced",
            ),
        )
    }

    max_surge: CountOrPercent | None = Field(
        default=None, description="Pods that may be there beyond `replicas`: each needs free GPUs."
    )
    max_unavailable: CountOrPercent | None = Field(
        default=None, description="Pods that may be missing. Absent, as maxSurge: by whether a GPU is free."
    )
    progress_deadline_seconds: Positive | None = Field(
        default=None,
        description="Time without progress after which a change is reported as failed. Absent: the start-up time and "
        "ten minutes.",
    )
