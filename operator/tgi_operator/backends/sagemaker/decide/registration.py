"""Keeping what is at Application Auto Scaling as it should be, on an endpoint that is in service."""

from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.sagemaker.decide import steps
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.desired.scaling_policies import Scaling, target
from tgi_operator.backends.sagemaker.seen import scalable_target, state
from tgi_operator.backends.sagemaker.seen.scalable_target import CONSISTENCY_SECONDS, Registered
from tgi_operator.backends.sagemaker.seen.state import Step

LOOK_AGAIN_SECONDS = 1


def stopped(at: Wanted) -> Plan[Step] | None:
    """The autoscaling was taken out of the spec: nothing may change the number of instances any more."""
    endpoint = at.endpoint
    serves = endpoint is not None and endpoint.status == state.IN_SERVICE
    if not serves or at.desired.scaling is not None or at.remembered.scaling_revision is None:
        return None
    seen = at.observed.scalable.registered if at.observed.scalable else None
    return Plan(
        at.status,
        steps=_removal(at, seen),
        ahead=True,
        done=_remember(at.status, scaling_revision=None, scaling_request_time=None),
        after=LOOK_AGAIN_SECONDS,
        notes=(Note(Reason.AUTOSCALING_STOPPED, "The number of instances no longer follows the load."),),
    )


def _removal(at: Wanted, seen: Registered | None) -> tuple[Step, ...]:
    """Return the steps after which nothing of ours is left; deregistering would take what is others' along."""
    place = at.place
    if seen is None or not seen.foreign_policies:
        return (steps.deregister(place),)
    return (
        *(steps.delete_policy(place, name) for name in scalable_target.to_delete({}, seen.policies)),
        *(steps.delete_action(place, name) for name in scalable_target.to_delete({}, seen.actions)),
    )


def scaled(at: Wanted, plan: Plan[Step]) -> Plan[Step]:
    """Return `plan`, which does nothing else to the endpoint, with what is missing at Application Auto Scaling."""
    wanted, seen = at.desired.scaling, at.observed.scalable
    in_service = at.endpoint is not None and at.endpoint.status == state.IN_SERVICE
    if wanted is None or seen is None or seen.registered is None or not in_service or plan.ahead:
        return plan
    missing = _differences(at, wanted, seen.registered)
    current = at.remembered.scaling_revision == wanted.revision
    if not missing and current:
        # AWS' own scheduled actions may be some seconds late.
        late = not scalable_target.is_as_wanted(seen.registered.target, target(at.bounds))
        return plan.sooner(CONSISTENCY_SECONDS) if late else plan
    if plan.steps:
        # One thing after the other: what fails here must not undo what was done there.
        return plan.sooner(LOOK_AGAIN_SECONDS)
    last = scaling.last_activity(at.status)
    if current and last is not None and last.active and (waits := _settling_seconds(at)) > 0:
        # What was asked for a moment ago may not be seen yet.
        return plan.sooner(waits)
    memory = {"scaling_revision": wanted.revision, "scaling_request_time": rfc3339(at.now)}
    restored = current and (seen.registered.target or at.remembered.endpoint_status == state.IN_SERVICE)
    return Plan(
        _remember(at.status, **memory),
        steps=missing,
        ahead=True,
        done=_remember(plan.status, **memory),
        after=plan.after,
        notes=(Note(Reason.RESTORED, "Put right: the scalable target or its policies."),) if restored else (),
    )


def is_missing(at: Wanted) -> bool:
    """Return whether what should be at Application Auto Scaling is not, or was not looked at."""
    wanted, seen = at.desired.scaling, at.observed.scalable
    if wanted is None or seen is None or seen.registered is None:
        return True
    return bool(_differences(at, wanted, seen.registered)) or at.remembered.scaling_revision != wanted.revision


def _settling_seconds(at: Wanted) -> float:
    asked = at.remembered.scaling_request_time
    passed = (at.now - parse(asked)).total_seconds() if asked is not None else CONSISTENCY_SECONDS
    return max(0.0, CONSISTENCY_SECONDS - max(0.0, passed))


def _differences(at: Wanted, wanted: Scaling, seen: Registered) -> tuple[Step, ...]:
    """Return the steps that make what is registered what is wanted; policies and actions need the target first."""
    place = at.place
    fits = scalable_target.has_bounds(wanted, seen.target, at.now)
    return (
        *(() if fits else (steps.register(wanted.register(at.bounds)),)),
        *(steps.put_policy(wanted.put_policy(name)) for name in scalable_target.to_put(wanted.policies, seen.policies)),
        *(steps.put_action(wanted.put_action(name)) for name in scalable_target.to_put(wanted.actions, seen.actions)),
        *(steps.delete_policy(place, name) for name in scalable_target.to_delete(wanted.policies, seen.policies)),
        *(steps.delete_action(place, name) for name in scalable_target.to_delete(wanted.actions, seen.actions)),
    )


def _remember(status: Status, **memory: Any) -> Status:
    assert status.sage_maker is not None  # noqa: S101 - there is an endpoint
    return status.model_copy(update={"sage_maker": status.sage_maker.model_copy(update=memory)})
