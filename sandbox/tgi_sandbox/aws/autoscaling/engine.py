"""Scaling on the virtual clock: nothing runs in the background, and each request first runs the steps that are due.

Endpoints change state, scheduled actions run and alarms get datapoints in order of time, regardless of the steps in
which time advances. Datapoints fall on whole periods of the clock and are computed from the values before them. A
target whose metrics have been constant for a long time gets no datapoints until something changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.autoscaling import activities, capacity, descriptions, schedules
from tgi_sandbox.aws.autoscaling.agenda import Event
from tgi_sandbox.aws.autoscaling.alarms import LOW_SECONDS
from tgi_sandbox.aws.autoscaling.decisions import Reading, Situation, decide
from tgi_sandbox.aws.autoscaling.metrics import EVERY_ENDPOINT, period
from tgi_sandbox.aws.operations.call import Call

if TYPE_CHECKING:
    from tgi_sandbox.aws.autoscaling.targets import Policy, ScheduledAction, Target
    from tgi_sandbox.aws.lifecycle import Endpoint, Variant
    from tgi_sandbox.aws.state import Region
    from tgi_sandbox.aws.world import World

DEFAULT_COOLDOWN: Final = 300
_LONG: Final = LOW_SECONDS + 60


def settle(world: World, region: Region, now: float) -> None:
    """Bring a region to the present."""
    scaling = region.scaling
    _wake(world, region)
    while (at := _next(region)) is not None and at <= now:
        scaling.settled = max(scaling.settled, at)
        if at == region.next_step:
            region.settle(at)
        else:
            _happen(Call(world, region, at), scaling.agenda.pop())
        _wake(world, region)
    scaling.settled = max(scaling.settled, now)


def _next(region: Region) -> float | None:
    times = [time for time in (region.next_step, region.scaling.agenda.next) if time is not None]
    return min(times, default=None)


def _wake(world: World, region: Region) -> None:
    """Let targets respond to changes of their endpoints and metrics."""
    scaling = region.scaling
    changed = scaling.metrics.changed
    if EVERY_ENDPOINT in changed:
        changed.update(target.endpoint.lower() for target in scaling.targets.values())
    scaling.woken |= changed - {EVERY_ENDPOINT}
    changed.clear()
    while scaling.woken:
        endpoint = scaling.woken.pop()
        capacity.finish(region, endpoint)
        for target in scaling.of_endpoint(endpoint):
            if target.clamp:
                capacity.clamp(Call(world, region, scaling.settled), target)
            _plan_tick(region, target)


def _plan_tick(region: Region, target: Target) -> None:
    periods = [period(policy.configuration) for policy in target.policies.values() if policy.configuration]
    if periods:
        tick = (math.floor(region.scaling.settled / min(periods)) + 1) * min(periods)
        if target.tick is None or tick < target.tick:
            target.tick = tick
            region.scaling.agenda.add(Event(tick, True, target.key, ""))


def _happen(call: Call, event: Event) -> None:
    """Run the event, unless it is no longer planned."""
    target = call.region.scaling.targets.get(event.target)
    if target is None:
        return
    if event.is_tick and target.tick == event.at:
        target.tick = None
        _tick(call, target)
    action = target.actions.get(event.action)
    if not event.is_tick and action is not None and action.due == event.at:
        _act(call, target, action)


def _act(call: Call, target: Target, action: ScheduledAction) -> None:
    """Run a scheduled action."""
    name, body = action.body["ScheduledActionName"], action.body
    # assumed: that a rate counts from the start time.
    since = max(action.created, body.get("StartTime", 0.0))
    action.due = schedules.next_time(body["Schedule"], body.get("Timezone"), since, call.now)
    call.region.scaling.plan(target, name)
    is_in_force = body.get("StartTime", 0.0) <= call.now <= body.get("EndTime", math.inf)
    bounds = body.get("ScalableTargetAction") or {}
    least, most = bounds.get("MinCapacity", target.least), bounds.get("MaxCapacity", target.most)
    # assumed: that an action with one bound that conflicts with the target's other bound does nothing.
    if target.suspended["ScheduledScalingSuspended"] or not is_in_force or least > most:
        return
    target.least, target.most = least, most
    descriptions.publish_target(call, target)
    call.region.scaling.activities.add(activities.of_bounds(target.resource_id, least, most, name, call.now))
    # assumed: that an endpoint that is not in service is brought within the bounds once it is.
    target.clamp = True
    capacity.clamp(call, target)


def _tick(call: Call, target: Target) -> None:
    """Give the alarms their datapoints, and scale if they require it."""
    endpoint = call.region.endpoints.get(target.endpoint.lower())
    policies = [policy for policy in target.policies.values() if policy.configuration is not None]
    if endpoint is None or not policies:
        return
    _measure(call, endpoint, target, policies)
    variant = capacity.scalable(call.region, target)
    if variant is not None and call.now >= target.retry_at:
        _scale(call, target, variant, policies)
    if not _is_at_rest(call, endpoint, target, policies):
        _plan_tick(call.region, target)


def _measure(call: Call, endpoint: Endpoint, target: Target, policies: list[Policy]) -> None:
    # assumed: requests are spread evenly over the instances of all variants.
    all_instances = sum(variant.current_count for variant in endpoint.variants)
    own = next((variant.current_count for variant in endpoint.variants if variant.name == target.variant), 0)
    for policy in policies:
        configuration = policy.configuration or {}
        if call.now % period(configuration) == 0:
            metrics = call.region.scaling.metrics
            value = metrics.datapoint(configuration, target.endpoint, all_instances, call.now)
            policy.tracking.take(value, own, configuration["TargetValue"])


def _scale(call: Call, target: Target, variant: Variant, policies: list[Policy]) -> None:
    situation = Situation(
        now=call.now,
        current=variant.desired_count,
        least=target.least,
        most=target.most,
        out_suspended=target.suspended["DynamicScalingOutSuspended"],
        in_suspended=target.suspended["DynamicScalingInSuspended"],
        scaled_out_at=target.scaled_out_at,
        scaled_out_by=target.scaled_out_by,
        scaled_in_at=target.scaled_in_at,
    )
    decision = decide([_reading(policy) for policy in policies], situation)
    if decision is not None:
        alarm = target.policies[decision.policy].alarm(decision.alarm)
        cause = f"monitor alarm {alarm} in state ALARM triggered policy {decision.policy}"
        capacity.scale(call, target, variant, decision.capacity, cause, decision.policy)


def _reading(policy: Policy) -> Reading:
    configuration = policy.configuration or {}
    return Reading(
        policy=policy.name,
        high=policy.tracking.is_high,
        low=policy.tracking.is_low(period(configuration)),
        wanted=policy.tracking.wanted(configuration["TargetValue"]),
        out_cooldown=configuration.get("ScaleOutCooldown", DEFAULT_COOLDOWN),
        in_cooldown=configuration.get("ScaleInCooldown", DEFAULT_COOLDOWN),
        scales_in=not configuration.get("DisableScaleIn", False),
    )


def _is_at_rest(call: Call, endpoint: Endpoint, target: Target, policies: list[Policy]) -> bool:
    """Whether more datapoints would change nothing: no value has changed for longer than alarms and cooldowns take."""
    readings = [_reading(policy) for policy in policies]
    cooldown = max(max(reading.out_cooldown, reading.in_cooldown) for reading in readings)
    metrics = call.region.scaling.metrics
    measured = max(metrics.last(policy.configuration or {}, target.endpoint) for policy in policies)
    created = max(policy.created for policy in policies)
    since = max(measured, created, target.changed, endpoint.modified, target.retry_at)
    scaled = max(target.scaled_out_at, target.scaled_in_at)
    return call.now > since + _LONG and call.now > scaled + cooldown
