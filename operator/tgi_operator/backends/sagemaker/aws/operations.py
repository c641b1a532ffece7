"""The AWS operations: one row has everything that the rest of the backend needs to know about one operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """A service, by its name in boto3."""

    SAGEMAKER = "sagemaker"
    AUTOSCALING = "application-autoscaling"


class Purpose(StrEnum):
    """The purpose of an operation, which determines the meaning of a refusal for the resource."""

    READ = "Read"
    ROLLOUT = "Rollout"
    """Rolls out a revision: an invalid request is not repeated until the spec changes."""
    UPKEEP = "Upkeep"
    """Keeps the endpoint that serves as the spec describes it."""
    SCALING = "Scaling"
    """Concerns only whether the instance count follows the load."""
    REMOVAL = "Removal"
    """Removes objects that are no longer wanted."""


class Part(StrEnum):
    """The parts behind an endpoint, as spelled in ARNs."""

    MODEL = "model"
    CONFIG = "endpoint-config"


@dataclass(frozen=True)
class Operation:
    """One operation.

    `sweeps` means that only sweeps make the call, and that it never waits for a thread behind calls for single
    resources. `leads_to` is the EndpointStatus after an accepted call. `part` is the kind of the named object, which
    must carry our tags before it is deleted, or if it already exists.
    """

    name: str
    service: Service
    purpose: Purpose
    sweeps: bool = False
    leads_to: str | None = None
    part: Part | None = None

    @property
    def reads(self) -> bool:
        """Whether the operation changes nothing."""
        return self.purpose is Purpose.READ


_S, _A = Service.SAGEMAKER, Service.AUTOSCALING

OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("ListEndpoints", _S, Purpose.READ, sweeps=True),
        Operation("DescribeEndpoint", _S, Purpose.READ),
        Operation("DescribeEndpointConfig", _S, Purpose.READ),
        Operation("DescribeModel", _S, Purpose.READ),
        Operation("ListTags", _S, Purpose.READ),
        Operation("CreateModel", _S, Purpose.ROLLOUT, part=Part.MODEL),
        Operation("CreateEndpointConfig", _S, Purpose.ROLLOUT, part=Part.CONFIG),
        Operation("CreateEndpoint", _S, Purpose.ROLLOUT, leads_to="Creating"),
        Operation("UpdateEndpoint", _S, Purpose.ROLLOUT, leads_to="Updating"),
        Operation("UpdateEndpointWeightsAndCapacities", _S, Purpose.UPKEEP, leads_to="Updating"),
        Operation("AddTags", _S, Purpose.UPKEEP),
        Operation("DeleteTags", _S, Purpose.UPKEEP),
        Operation("DeleteEndpoint", _S, Purpose.REMOVAL, leads_to="Deleting"),
        Operation("DeleteEndpointConfig", _S, Purpose.REMOVAL, part=Part.CONFIG),
        Operation("DeleteModel", _S, Purpose.REMOVAL, part=Part.MODEL),
        Operation("DescribeScalableTargets", _A, Purpose.READ),
        Operation("DescribeScalingActivities", _A, Purpose.READ),
        Operation("DescribeScalingPolicies", _A, Purpose.READ),
        Operation("DescribeScheduledActions", _A, Purpose.READ),
        Operation("RegisterScalableTarget", _A, Purpose.SCALING),
        Operation("DeregisterScalableTarget", _A, Purpose.SCALING),
        Operation("PutScalingPolicy", _A, Purpose.SCALING),
        Operation("DeleteScalingPolicy", _A, Purpose.SCALING),
        Operation("PutScheduledAction", _A, Purpose.SCALING),
        Operation("DeleteScheduledAction", _A, Purpose.SCALING),
    )
}
