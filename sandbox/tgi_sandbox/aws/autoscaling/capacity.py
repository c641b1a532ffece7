"""Changes of the instance count of a scalable target, and the activities that record them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.autoscaling.activities import StatusCode, of_capacity
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.lifecycle import Endpoint, Outcome, Status, Variant, failure_reason
from tgi_sandbox.aws.operations.endpoints import update_endpoint_weights_and_capacities
from tgi_sandbox.aws.outcomes import Change

if TYPE_CHECKING:
    from tgi_sandbox.aws.autoscaling.activities import Activity
    from tgi_sandbox.aws.autoscaling.targets import Target
    from tgi_sandbox.aws.operations.call import Call
    from tgi_sandbox.aws.state import Region

RETRY_SECONDS: Final = 60.0
"""assumed: an alarm that stays in state ALARM invokes a failed policy again after this time."""


def scalable(region: Region, target: Target) -> Variant | None:
    """Return the running variant, or None while the endpoint cannot be scaled."""
    endpoint = region.endpoints.get(target.endpoint.lower())
    return _named(endpoint, target.variant) if endpoint and endpoint.status is Status.IN_SERVICE else None


def clamp(call: Call, target: Target) -> None:
    """Bring the instance count within the bounds, if the endpoint is in service."""
    variant = scalable(call.region, target)
    if variant is None:
        return
    target.clamp = False
    if variant.desired_count < target.least:
        scale(call, target, variant, target.least, f"minimum capacity was set to {target.least}")
    elif variant.desired_count > target.most:
        scale(call, target, variant, target.most, f"maximum capacity was set to {target.most}")


def scale(call: Call, target: Target, variant: Variant, capacity: int, cause: str, policy: str | None = None) -> None:
    """Request another instance count from SageMaker for an endpoint in service, and record the activity."""
    activity = of_capacity(target.resource_id, variant.desired_count, capacity, cause, call.now, policy)
    refusal = _refusal(call, target, variant, capacity)
    if refusal is not None:
        activity.fail(call.now, refusal)
        target.retry_at = call.now + RETRY_SECONDS
    call.region.scaling.activities.add(activity)


def finish(region: Region, endpoint_key: str) -> None:
    """End the activities of an endpoint that is no longer changing."""
    endpoint = region.endpoints.get(endpoint_key)
    if endpoint is None or endpoint.in_progress:
        return
    activities = region.scaling.activities
    for key in [key for key in activities.open if key.startswith(f"endpoint/{endpoint_key}/")]:
        activity = activities.open.pop(key)
        _finish(endpoint, activity, key.rpartition("/")[2])
        target = region.scaling.targets.get(key)
        if target is not None:
            _cool(target, activity)


def _finish(endpoint: Endpoint, activity: Activity, variant_key: str) -> None:
    counts = {variant.name.lower(): variant.current_count for variant in endpoint.variants}
    if counts.get(variant_key) == activity.capacity:
        activity.succeed(endpoint.modified)
    else:
        # assumed: that a scaling operation that is rolled back ends with the endpoint's FailureReason.
        activity.fail(endpoint.modified, endpoint.failure_reason or "")


def _cool(target: Target, activity: Activity) -> None:
    """Record a scaling operation caused by policies; cooldowns count from its end, and only if it succeeded."""
    if activity.policy is None or activity.end is None or activity.capacity is None or activity.former is None:
        return
    if activity.status is StatusCode.FAILED:
        target.retry_at = activity.end + RETRY_SECONDS
    elif activity.capacity > activity.former:
        target.scaled_out_at, target.scaled_out_by = activity.end, activity.capacity - activity.former
    else:
        target.scaled_in_at = activity.end


def _refusal(call: Call, target: Target, variant: Variant, capacity: int) -> str | None:
    """Scale the variant; return SageMaker's error message if it refuses, None if scaling has begun."""
    if capacity > variant.current_count and _no_capacity_at_once(call, target):
        return failure_reason(Outcome.NO_CAPACITY, target.variant)
    change = {"VariantName": target.variant, "DesiredInstanceCount": capacity}
    request = {"EndpointName": target.endpoint, "DesiredWeightsAndCapacities": [change]}
    try:
        update_endpoint_weights_and_capacities(call, request)
    except AwsError as error:
        return error.message
    return None


def _no_capacity_at_once(call: Call, target: Target) -> bool:
    """Whether a script sets the outcome to no capacity without setting how long SageMaker takes to detect that."""
    script = call.world.scripts.peek(target.endpoint, Change.SCALE)
    if script is None or script.outcome is not Outcome.NO_CAPACITY or script.seconds:
        return False
    call.world.scripts.take(target.endpoint, Change.SCALE)
    return True


def _named(endpoint: Endpoint, name: str) -> Variant | None:
    return next((variant for variant in endpoint.variants if variant.name == name), None)
