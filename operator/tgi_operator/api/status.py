"""`TGIEndpoint.status` as types, with conditions that kubectl wait, kstatus and Argo CD understand."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tgi_operator.api.identifiers import MOST_ANNOTATION
from tgi_operator.api.objects import ATOMIC_LIST, SET_LIST, APIObject, Int32, list_map

Time = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
Name = Annotated[str, Field(max_length=63)]
ARN = Annotated[str, Field(max_length=2048)]


MOST_REVISIONS = 128
"""Revisions that are remembered until they are collected."""

MOST_TAG_KEYS = 100
"""AWS allows 50 tags. All of them can be renamed at once, and the old keys are remembered until they are removed."""


MOST_MESSAGE = 4096
"""Characters of the message of a condition. metav1.Condition allows 32,768."""

LONGEST_MODEL = 16
LONGEST_HARDWARE = 13
"""Characters of the short forms, with which the output of `kubectl get` fits into 100 columns."""

ReasonWord = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]


class ConditionType(StrEnum):
    """The conditions of a TGIEndpoint.

    Reconciling and Stalled exist only while they are True, ScalingActive only with `spec.autoscaling`. Ready and
    Available are Unknown while AWS cannot be read.
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
    """A condition of the resource."""

    type: str = Field(max_length=63, description="Type of the condition.")
    status: ConditionStatus = Field(description="Status of the condition: True, False or Unknown.")
    observed_generation: int | None = Field(
        default=None,
        ge=0,
        json_schema_extra={"format": "int64"},
        description="Generation of the spec that the condition reflects.",
    )
    last_transition_time: Time = Field(description="When the status of the condition last changed.")
    reason: ReasonWord = Field(
        description="Reason for the status of the condition, as a CamelCase word, such as InService."
    )
    message: str = Field(
        max_length=MOST_MESSAGE, description="Human-readable description of the state and of the action to take."
    )


class LastFailure(APIObject):
    """The last failure. On SageMaker, it also determines whether and when the operator retries."""

    time: Time = Field(description="When the failure was observed.")
    revision: str = Field(max_length=63, description="Revision that failed.")
    reason: ReasonWord = Field(description="Reason for the failure, as in the conditions.")
    message: str = Field(max_length=4096, description="Error message from AWS, the scheduler or the container.")
    attempts: Int32 = Field(
        default=1, ge=1, description="Number of consecutive failed attempts to roll out this revision."
    )
    pod: str | None = Field(default=None, max_length=253, description="Pod that failed.")
    container: str | None = Field(default=None, max_length=63, description="Container that failed.")
    exit_code: Int32 | None = Field(default=None, description="Exit code of the container.")


class SageMakerStatus(APIObject):
    """The endpoint as last observed on SageMaker."""

    endpoint_name: Name = Field(description="Name of the endpoint.")
    endpoint_arn: ARN | None = Field(default=None, alias="endpointARN", description="ARN of the endpoint.")
    endpoint_status: str | None = Field(default=None, max_length=63, description="EndpointStatus that AWS reports.")
    endpoint_config_name: Name | None = Field(
        default=None, description="Endpoint configuration that the endpoint uses."
    )
    model_name: Name | None = Field(default=None, description="Model that the endpoint uses.")
    last_modified_time: Time | None = Field(
        default=None,
        description="LastModifiedTime of the endpoint, as of the last time that no change was in progress.",
    )
    failure_reason: str | None = Field(
        default=None,
        max_length=1024,
        description="FailureReason that AWS reports, which remains set until an update succeeds.",
    )
    request_time: Time | None = Field(
        default=None, description="When the operator last requested a change to the endpoint."
    )
    requested_replicas: Int32 | None = Field(
        default=None,
        ge=1,
        description="Instance count that the operator last requested. Set until the outcome of the request is known.",
    )
    update_accepted: bool | None = Field(
        default=None,
        description="Whether AWS accepted an UpdateEndpoint call for `updateRevision`. Set until the outcome of the "
        "update is known.",
    )
    revisions: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(),
        max_length=MOST_REVISIONS,
        json_schema_extra=SET_LIST,
        description="Revisions whose SageMaker model or endpoint configuration might exist.",
    )
    tag_keys: tuple[Annotated[str, Field(max_length=128)], ...] | None = Field(
        default=None,
        max_length=MOST_TAG_KEYS,
        json_schema_extra=SET_LIST,
        description="Keys of the tags that the operator set from the spec. A key is listed until the operator has "
        "removed its tag.",
    )
    rendered_from: str | None = Field(
        default=None,
        max_length=63,
        description="Digest of the spec fields that `updateRevision` was rendered from. As long as the digest stays "
        "the same, upgrading the operator does not roll out a new revision.",
    )
    scaling_revision: str | None = Field(
        default=None,
        max_length=63,
        description="Revision of the scalable target, scaling policies and scheduled actions that the operator last "
        "requested. Set while any of these objects might exist.",
    )
    scaling_request_time: Time | None = Field(
        default=None, description="When the operator last requested a change in Application Auto Scaling."
    )


class UnhealthyPod(APIObject):
    """A pod that is not serving."""

    name: str = Field(max_length=253, description="Name of the pod.")
    reason: ReasonWord = Field(description="Reason that the pod is not serving, as in the conditions.")
    message: str = Field(max_length=1024, description="Error message from the scheduler, the kubelet or the container.")


class InClusterStatus(APIObject):
    """The pods as last observed in the cluster."""

    deployment_name: str = Field(max_length=253, description="Name of the Deployment.")
    service_name: str = Field(max_length=63, description="Name of the Service.")
    claim_name: str | None = Field(default=None, max_length=253, description="Name of the PVC that stores the weights.")
    replacement: str | None = Field(
        default=None,
        max_length=63,
        description="How pods are replaced: `Surge` (a new pod starts first) or `InPlace` (an old pod is terminated "
        "first).",
    )
    rolled_back_from: str | None = Field(
        default=None,
        max_length=63,
        description="Revision of the current spec. Set if this revision failed and the operator restored "
        "`currentRevision`.",
    )
    last_progress_time: Time | None = Field(
        default=None,
        description="When the reason in the Ready condition, the revision or the number of ready pods last changed.",
    )
    unhealthy_pods: tuple[UnhealthyPod, ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra=list_map("name"),
        description="Pods that are not serving, up to 10.",
    )


class ScalingRecord(APIObject):
    """A change to the desired replica count."""

    time: Time = Field(
        description="When the change occurred, as reported by the autoscaler or observed by the operator."
    )
    before: Int32 = Field(ge=0, alias="from", description="Replica count before the change.")
    to: Int32 = Field(ge=0, description="Replica count after the change.")
    reason: str = Field(
        max_length=1024,
        description="Cause of the change, such as the autoscaler's message or the source of the request.",
    )


class Scaler(StrEnum):
    """The source of the replica count."""

    APPLICATION_AUTO_SCALING = "ApplicationAutoScaling"
    HORIZONTAL_POD_AUTOSCALER = "HorizontalPodAutoscaler"
    SCALED_OBJECT = "ScaledObject"


class ScalingStatus(APIObject):
    """How the replica count is set."""

    scaler: Scaler | None = Field(
        default=None,
        description="Autoscaler that sets the replica count. Not set if the replica count is fixed.",
    )
    min_replicas: Int32 | None = Field(default=None, ge=0, description="Lower bound that is in effect.")
    max_replicas: Int32 | None = Field(default=None, ge=0, description="Upper bound that is in effect.")
    active_schedule: str | None = Field(default=None, max_length=63, description="Schedule whose bounds are in effect.")
    last_scale_time: Time | None = Field(default=None, description="When the replica count last changed.")
    history: tuple[ScalingRecord, ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra=ATOMIC_LIST,
        description="Most recent changes to the replica count, newest first.",
    )
    foreign_policies: tuple[Annotated[str, Field(max_length=256)], ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra=SET_LIST,
        description="Scaling policies on the same target that this resource does not own. The operator does not change "
        "these policies.",
    )


class Status(APIObject):
    """Observed state, set by the operator."""

    observed_generation: int = Field(
        default=-1,
        json_schema_extra={"format": "int64"},
        description="Generation of the spec that this status reflects, or -1 before the first reconciliation.",
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra=list_map("type"),
        description="Conditions of the resource. Ready and Available always exist. Reconciling and Stalled exist only "
        "while they are True. ScalingActive exists only if `spec.autoscaling` is set.",
    )
    summary: str | None = Field(
        default=None,
        max_length=32,
        description="Ready and desired replicas, and whether to act: `1/1`, `0/1 wait` (no action is needed) or `0/1 "
        "act` (a user must change something). For display only; programs should read the conditions.",
    )
    model: str | None = Field(
        default=None,
        max_length=LONGEST_MODEL,
        description="Short form of `spec.model.uri`, such as `zephyr-7b-beta`. For display only.",
    )
    hardware: str | None = Field(
        default=None,
        max_length=LONGEST_HARDWARE,
        description="Short form of the instance type or of a pod's GPUs, such as `g5.12xlarge` or `2 L4`. For display "
        "only.",
    )
    backend: str | None = Field(
        default=None, max_length=63, description="Backend of the endpoint: SageMaker or InCluster."
    )
    replicas: Int32 | None = Field(default=None, ge=0, description="Number of instances or pods that exist.")
    ready_replicas: Int32 | None = Field(default=None, ge=0, description="Number of instances or pods that are ready.")
    desired_replicas: Int32 | None = Field(default=None, ge=0, description="Desired number of instances or pods.")
    selector: str | None = Field(
        default=None, max_length=1024, description="Label selector of the pods, for the scale subresource."
    )
    url: str | None = Field(default=None, max_length=2048, description="URL for requests.")
    image: str | None = Field(default=None, max_length=255, description="Container image of TGI.")
    current_revision: str | None = Field(
        default=None,
        max_length=63,
        description="Revision that is serving requests or that served them before the change in progress.",
    )
    update_revision: str | None = Field(
        default=None, max_length=63, description="Revision that the operator last requested."
    )
    sage_maker: SageMakerStatus | None = Field(default=None, description="State of the endpoint on SageMaker.")
    in_cluster: InClusterStatus | None = Field(
        default=None, description="State of the pods and related objects in the cluster."
    )
    scaling: ScalingStatus | None = Field(
        default=None, description="Scaling bounds that are in effect, and changes to the replica count."
    )
    last_failure: LastFailure | None = Field(default=None, description="The most recent failure.")
    last_handled_request: str | None = Field(
        default=None,
        max_length=MOST_ANNOTATION,
        description="Value of the tgi-operator.dev/requestedAt annotation that the operator last acted on.",
    )
