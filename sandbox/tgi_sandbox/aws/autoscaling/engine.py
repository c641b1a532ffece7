"""Scaling on the virtual clock: nothing runs in the background, what was due is done when somebody asks.

Every ten seconds policies take a datapoint. Alarms are those of target tracking: three datapoints above the target, or
fifteen minutes below nine tenths of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.autoscaling import schedules
from tgi_sandbox.aws.autoscaling.metrics import period
from tgi_sandbox.aws.autoscaling.targets import Activity
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.lifecycle import Endpoint, Status, Variant
from tgi_sandbox.aws.operations.call import Call
from tgi_sandbox.aws.operations.endpoints import update_endpoint_weights_and_capacities

if TYPE_CHECKING:
    from tgi_sandbox.aws.autoscaling.targets import Policy, Target
    from tgi_sandbox.aws.state import Region
    from tgi_sandbox.aws.world import World

TICK_SECONDS: Final = 10.0
OUT_DATAPOINTS: Final = 3
IN_SECONDS: Final = 900.0
IN_FRACTION: Final = 0.9
DEFAULT_COOLDOWN: Final = 300
REFUSED_PAUSE: Final = 60.0

# assumed: what stands before SageMaker's own words.
_SET: Final = "Successfully set desired instance count to {}."
_NOT_SET: Final = "Failed to set desired instance count to {}."


def settle(world: World, region: Region, now: float) -> None:
    """Bring a region to the present: endpoints, scheduled actions and scaling, in the order of time."""
    scaling = region.scaling
    since = scaling.settled if scaling.settled is not None else now
    if scaling.targets:
        tick = (math.floor(since / TICK_SECONDS) + 1) * TICK_SECONDS
        while tick <= now and scaling.targets:
            _settle_at(world, region, tick)
            tick += TICK_SECONDS
    region.settle(now)
    _finish_activities(region)
    scaling.settled = max(now, since)


def _settle_at(world: World, region: Region, tick: float) -> None:
    region.settle(tick)
    _finish_activities(region)
    for key, target in list(region.scaling.targets.items()):
        endpoint = region.endpoints.get(target.endpoint.lower())
        if endpoint is None:
            region.scaling.targets.pop(key, None)
            continue
        call = Call(world, region, tick)
        _act(call, target)
        _clamp_when_possible(call, target)
        _track(call, target)


def _act(call: Call, target: Target) -> None:
    """Carry out the scheduled actions that are due."""
    for name, action in list(target.actions.items()):
        if action.due is None or action.due > call.now:
            continue
        body = action.body
        at, action.due = (
            action.due,
            schedules.next_time(body["Schedule"], body.get("Timezone"), action.created, action.due),
        )
        if action.due is None:
            del target.actions[name]
        within = body.get("StartTime", -math.inf) <= at <= body.get("EndTime", math.inf)
        if target.suspended["ScheduledScalingSuspended"] or not within:
            continue
        bounds = body.get("ScalableTargetAction", {})
        target.least = bounds.get("MinCapacity", target.least)
        target.most = bounds.get("MaxCapacity", target.most)
        target.clamp = True


def clamp(call: Call, target: Target) -> None:
    """Bring the number of instances within the bounds, if the endpoint is in service."""
    variant = _scalable(call, target)
    if variant is None:
        return
    if variant.desired_count < target.least:
        scale(call, target, target.least, f"minimum capacity was set to {target.least}")
    elif variant.desired_count > target.most:
        scale(call, target, target.most, f"maximum capacity was set to {target.most}")


def _clamp_when_possible(call: Call, target: Target) -> None:
    if target.clamp and _scalable(call, target) is not None:
        target.clamp = False
        clamp(call, target)


def _scalable(call: Call, target: Target) -> Variant | None:
    """Return the variant as it runs, None while the endpoint cannot be scaled."""
    endpoint = call.region.endpoints.get(target.endpoint.lower())
    return _variant(endpoint, target.variant) if endpoint and endpoint.status is Status.IN_SERVICE else None


def _variant(endpoint: Endpoint, name: str) -> Variant | None:
    return next((variant for variant in endpoint.variants if variant.name == name), None)


def _track(call: Call, target: Target) -> None:
    """Take the datapoints that are due, and do what the alarms say."""
    endpoint = call.region.endpoints[target.endpoint.lower()]
    variant = _variant(endpoint, target.variant)
    policies = [policy for policy in target.policies.values() if policy.configuration is not None]
    if variant is None or not policies:
        return
    for policy in policies:
        _measure(call, target, policy, max(1, variant.current_count))
    if endpoint.status is not Status.IN_SERVICE or call.now < target.refused + REFUSED_PAUSE:
        return
    current = variant.desired_count
    up = [(wanted, policy) for policy in policies if (wanted := _wanted(policy, current, target)) > current]
    if up and not target.suspended["DynamicScalingOutSuspended"]:
        wanted, policy = max(up, key=lambda found: found[0])
        if call.now >= target.out_until:
            _follow(call, target, policy, wanted, "AlarmHigh")
        return
    tracking = [policy for policy in policies if not (policy.configuration or {}).get("DisableScaleIn")]
    agreed = tracking and all(_is_low(policy) for policy in tracking)
    if agreed and not up and call.now >= target.in_until and not target.suspended["DynamicScalingInSuspended"]:
        wanted, policy = max(((_fewer(each, current, target), each) for each in tracking), key=lambda found: found[0])
        if wanted < current:
            _follow(call, target, policy, wanted, "AlarmLow")


def _measure(call: Call, target: Target, policy: Policy, instances: int) -> None:
    configuration = policy.configuration or {}
    if call.now % period(configuration) >= TICK_SECONDS:
        return
    found = call.region.scaling.metrics.datapoint(configuration, target.endpoint, instances, call.now)
    tracking, kept = policy.tracking, float(configuration["TargetValue"])
    tracking.value = found
    tracking.above = tracking.above + 1 if found is not None and found > kept else 0
    tracking.below = tracking.below + 1 if found is not None and found < IN_FRACTION * kept else 0


def _wanted(policy: Policy, current: int, target: Target) -> int:
    tracking = policy.tracking
    if tracking.above < OUT_DATAPOINTS or tracking.value is None:
        return current
    kept = float((policy.configuration or {})["TargetValue"])
    return min(target.most, math.ceil(current * tracking.value / kept))


def _is_low(policy: Policy) -> bool:
    return policy.tracking.below * period(policy.configuration or {}) >= IN_SECONDS


def _fewer(policy: Policy, current: int, target: Target) -> int:
    value, kept = policy.tracking.value or 0.0, float((policy.configuration or {})["TargetValue"])
    return max(target.least, math.ceil(current * value / kept))


def _follow(call: Call, target: Target, policy: Policy, wanted: int, alarm: str) -> None:
    name = next(name for name in policy.alarms if f"-{alarm}-" in name)
    scale(call, target, wanted, f"monitor alarm {name} in state ALARM triggered policy {policy.name}")
    policy.tracking.above = policy.tracking.below = 0


def scale(call: Call, target: Target, wanted: int, cause: str) -> None:
    """Ask SageMaker for another number of instances, and record the activity; a refusal fails it."""
    scaling = call.region.scaling
    activity = Activity(
        id=f"00000000-0000-4000-8000-{scaling.number():012d}",
        resource_id=target.resource_id,
        description=f"Setting desired instance count to {wanted}.",
        cause=cause,
        start=call.now,
        capacity=wanted,
        message=f"{_SET.format(wanted)} Waiting for change to be fulfilled by sagemaker.",
    )
    change = {"VariantName": target.variant, "DesiredInstanceCount": wanted}
    request = {"EndpointName": target.endpoint, "DesiredWeightsAndCapacities": [change]}
    try:
        update_endpoint_weights_and_capacities(call, request)
    except AwsError as error:
        activity.status, activity.end = "Failed", call.now
        activity.message = f"{_NOT_SET.format(wanted)} Reason: {error.message}"
        target.refused = call.now
    scaling.activities.appendleft(activity)


def _finish_activities(region: Region) -> None:
    """End the activities whose endpoints are done."""
    for activity in region.scaling.activities:
        target = region.scaling.targets.get(activity.resource_id.lower())
        if activity.status != "InProgress" or target is None:
            continue
        endpoint = region.endpoints.get(target.endpoint.lower())
        if endpoint is None or endpoint.in_progress:
            continue
        variant = _variant(endpoint, target.variant)
        reached = variant is not None and variant.current_count == activity.capacity
        activity.status, activity.end = ("Successful" if reached else "Failed"), endpoint.modified
        activity.message = (
            f"{_SET.format(activity.capacity)} Change successfully fulfilled by sagemaker."
            if reached
            else f"{_NOT_SET.format(activity.capacity)} Reason: {endpoint.failure_reason}"
        )
        # assumed: that a cooldown begins when the change is done.
        target.out_until = endpoint.modified + _cooldown(target, "ScaleOutCooldown")
        target.in_until = endpoint.modified + _cooldown(target, "ScaleInCooldown")


def _cooldown(target: Target, name: str) -> float:
    found = [(policy.configuration or {}).get(name, DEFAULT_COOLDOWN) for policy in target.policies.values()]
    return float(max(found, default=0))
