"""`TGIEndpoint.status` as types: conditions as kubectl wait, kstatus and Argo CD read them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tgi_operator.api.objects import SET_LIST, APIObject, Int32, list_map

Time = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
Name = Annotated[str, Field(max_length=63)]
ARN = Annotated[str, Field(max_length=2048)]


MOST_REVISIONS = 128
"""Revisions that are remembered until they are collected."""

MOST_TAG_KEYS = 100
"""AWS takes 50 tags: all may be renamed at once, and the old ones are remembered until they are removed."""


MOST_MESSAGE = 32768
"""Characters of a condition's message (metav1.Condition)."""


class ConditionType(StrEnum):
    """The conditions of a TGIEndpoint.

    Reconciling and Stalled are there only while they are True, ScalingActive only with `spec.autoscaling`.
    """

    READY = "Ready"
    AVAILABLE = "Available"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SCALING_ACTIVE = "ScalingActive"


class ConditionStatus(StrEnum):
    """The three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(APIObject):
    """A metav1.Condition."""

    type: str = Field(max_length=316, description="Type of the condition.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    observed_generation: int | None = Field(
        default=None, ge=0, json_schema_extra={"format": "int64"}, description="Generation it was derived from."
    )
    last_transition_time: Time = Field(description="When status changed last.")
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="Why, in one CamelCase word.",
    )
    message: str = Field(max_length=MOST_MESSAGE, description="Why, for people.")


class LastFailure(APIObject):
    """What failed last; on SageMaker the memory of what must not be tried again, until it is removed."""

    time: Time = Field(description="When it was seen.")
    revision: str = Field(max_length=63, description="Revision that failed.")
    reason: str = Field(max_length=1024, description="Reason, as in the conditions.")
    message: str = Field(max_length=4096, description="What AWS, the scheduler or the container said last.")
    attempts: Int32 = Field(default=1, ge=1, description="How often this revision failed in a row.")
    pod: str | None = Field(default=None, max_length=253, description="Pod that failed.")
    container: str | None = Field(default=None, max_length=63, description="Container that failed.")
    exit_code: Int32 | None = Field(default=None, description="Exit code of the container.")


class SageMakerStatus(APIObject):
    """What was last seen on SageMaker."""

    endpoint_name: Name = Field(description="Name of the endpoint.")
    endpoint_arn: ARN | None = Field(default=None, alias="endpointARN", description="ARN of the endpoint.")
    endpoint_status: str | None = Field(default=None, max_length=63, description="EndpointStatus.")
    endpoint_config_name: Name | None = Field(default=None, description="Configuration the endpoint runs.")
    model_name: Name | None = Field(default=None, description="Model the endpoint runs.")
    last_modified_time: Time | None = Field(
        default=None, description="LastModifiedTime of the endpoint when it was last settled."
    )
    failure_reason: str | None = Field(
        default=None,
        max_length=1024,
        description="FailureReason of the endpoint, which AWS keeps until an update succeeds.",
    )
    request_time: Time | None = Field(
        default=None, description="When a change of the endpoint was last about to be asked for."
    )
    requested_replicas: Int32 | None = Field(
        default=None, ge=1, description="Instances last asked for, while the outcome is awaited."
    )
    update_accepted: bool | None = Field(
        default=None, description="True while the outcome of UpdateEndpoint to updateRevision is awaited."
    )
    revisions: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(),
        max_length=MOST_REVISIONS,
        json_schema_extra=SET_LIST,
        description="Revisions whose model or configuration may exist.",
    )
    tag_keys: tuple[Annotated[str, Field(max_length=128)], ...] | None = Field(
        default=None,
        max_length=MOST_TAG_KEYS,
        json_schema_extra=SET_LIST,
        description="Keys of the tags that were set from the spec, until they are removed.",
    )
    rendered_from: str | None = Field(
        default=None,
        max_length=63,
        description="Digest of the fields of the spec that updateRevision was rendered from: while they stay the same, "
        "a new version of the operator rolls nothing out.",
    )
    scaling_revision: str | None = Field(
        default=None,
        max_length=63,
        description="Revision of the scalable target, policies and scheduled actions that were last asked for; there "
        "as long as they may exist.",
    )
    scaling_request_time: Time | None = Field(
        default=None, description="When a change of them was last about to be asked for."
    )


class UnhealthyPod(APIObject):
    """A pod that does not serve, and why."""

    name: str = Field(max_length=253, description="Name of the pod.")
    reason: str = Field(max_length=1024, description="Reason, as in the conditions.")
    message: str = Field(max_length=1024, description="What the scheduler, the kubelet or the container said.")


class InClusterStatus(APIObject):
    """What was last seen in the cluster."""

    deployment_name: str = Field(max_length=253, description="Name of the Deployment.")
    service_name: str = Field(max_length=63, description="Name of the Service.")
    claim_name: str | None = Field(default=None, max_length=253, description="Claim that keeps the weights.")
    replacement: str | None = Field(
        default=None,
        max_length=63,
        description="How pods are replaced: Surge (a new one first) or InPlace (an old one makes room first).",
    )
    last_progress_time: Time | None = Field(
        default=None, description="When the reason, the revision or the number of pods that serve changed last."
    )
    unhealthy_pods: tuple[UnhealthyPod, ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra=list_map("name"),
        description="Pods that do not serve, up to 10 of them.",
    )


class ScalingRecord(APIObject):
    """One change of the number of instances or pods wanted."""

    time: Time = Field(description="When it was seen, or when the autoscaler says that it was.")
    before: Int32 = Field(ge=0, alias="from", description="So many before.")
    to: Int32 = Field(ge=0, description="So many after.")
    reason: str = Field(max_length=1024, description="Why: the autoscaler's words, or what else asked for it.")


class Scaler(StrEnum):
    """What changes the number of replicas."""

    APPLICATION_AUTO_SCALING = "ApplicationAutoScaling"
    HORIZONTAL_POD_AUTOSCALER = "HorizontalPodAutoscaler"
    SCALED_OBJECT = "ScaledObject"


class ScalingStatus(APIObject):
    """How the number of instances or pods comes about."""

    scaler: Scaler | None = Field(default=None, description="What follows the load. Absent: replicas are fixed.")
    min_replicas: Int32 | None = Field(default=None, ge=0, description="Lower bound in force.")
    max_replicas: Int32 | None = Field(default=None, ge=0, description="Upper bound in force.")
    active_schedule: str | None = Field(default=None, max_length=63, description="Schedule whose bounds are in force.")
    last_scale_time: Time | None = Field(default=None, description="When the number changed last.")
    history: tuple[ScalingRecord, ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="The last changes of the number, the newest first.",
    )
    foreign_policies: tuple[Annotated[str, Field(max_length=256)], ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra=SET_LIST,
        description="Scaling policies on the same target that are somebody else's: they are left alone.",
    )


class Status(APIObject):
    """What is: written by the operator only."""

    observed_generation: int = Field(
        default=-1,
        json_schema_extra={"format": "int64"},
        description="Generation of the spec the status speaks of; -1 before the first look.",
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=list_map("type"),
        description="Ready, Available, while so Reconciling and Stalled, and with autoscaling ScalingActive.",
    )
    backend: str | None = Field(default=None, max_length=63, description="Backend that serves: SageMaker or InCluster.")
    replicas: Int32 | None = Field(default=None, ge=0, description="Instances or pods that exist.")
    ready_replicas: Int32 | None = Field(default=None, ge=0, description="Instances or pods that serve.")
    desired_replicas: Int32 | None = Field(default=None, ge=0, description="Instances or pods that are wanted.")
    selector: str | None = Field(default=None, max_length=1024, description="Label selector of the pods, for /scale.")
    url: str | None = Field(default=None, max_length=2048, description="Where requests go.")
    image: str | None = Field(default=None, max_length=255, description="Container image.")
    current_revision: str | None = Field(
        default=None, max_length=63, description="Revision that serves, or did before the change in progress."
    )
    update_revision: str | None = Field(default=None, max_length=63, description="Revision last asked of the backend.")
    sage_maker: SageMakerStatus | None = Field(default=None, description="The endpoint on SageMaker.")
    in_cluster: InClusterStatus | None = Field(default=None, description="The pods and what belongs to them.")
    scaling: ScalingStatus | None = Field(default=None, description="Bounds in force, and what changed the number.")
    last_failure: LastFailure | None = Field(default=None, description="Last failure.")
