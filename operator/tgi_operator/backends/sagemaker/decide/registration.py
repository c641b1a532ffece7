"""Upkeep of Application Auto Scaling according to the spec, for an endpoint that is in service."""

from dataclasses import replace
from functools import partial

from tgi_operator.api import conditions
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionType, SageMakerStatus, Status
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Ask, Need, Note, Plan
from tgi_operator.backends.plans.verdicts import as_reported, progressing, with_verdict
from tgi_operator.backends.sagemaker.aws.errors import AWSError
from tgi_operator.backends.sagemaker.decide import memory, steps
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.desired.scaling_policies import Scaling, target
from tgi_operator.backends.sagemaker.seen import scalable_target, state
from tgi_operator.backends.sagemaker.seen.scalable_target import CONSISTENCY_SECONDS, Registered

CONTINUE_SECONDS = 1
ROLLOUT = "UpdateEndpoint"
UNREAD_SECONDS = 45
"""Seconds until Application Auto Scaling is read again after a failed read."""


def stops(situation: Situation, plan: Plan[Step]) -> bool:
    """Return whether removed autoscaling has to be deregistered before the steps of `plan`.

    A rollout comes first: it needs no removal, and a removal that AWS refuses must not delay it. Another instance count
    comes after the removal, because the remaining policies would change the count again.
    """
    endpoint = situation.endpoint
    serves = endpoint is not None and endpoint.status == state.IN_SERVICE
    if not serves or situation.desired.scaling is not None or situation.remembered.scaling_revision is None:
        return False
    return not any(step.operation == ROLLOUT for step in plan.steps)


def stopped(situation: Situation, plan: Plan[Step]) -> Plan[Step] | Ask:
    """Return the plan that ends autoscaling removed from the spec, so that nothing else changes the instance count.

    `plan` is the plan that otherwise comes next.
    """
    if situation.lacks(Need.SCALING):
        return Ask(frozenset({Need.SCALING}))
    if situation.observed.scaling_error is not None:
        # Deregistering would also remove other users' objects and those that could not be read.
        return plan
    seen = situation.observed.scaling.registered if situation.observed.scaling else None
    # Findings of another rule stay reported while the removal is refused. Ready is reported once it has succeeded.
    ready = conditions.is_true(plan.status.conditions, ConditionType.READY)
    status = situation.status if plan.steps or ready else plan.status
    return Plan(
        status,
        steps=_removal(situation, seen),
        ahead=True,
        done=_remember(status, memory.deregistered(status.sage_maker or situation.memory)),
        after=CONTINUE_SECONDS,
        notes=(
            Note(Reason.AUTOSCALING_STOPPED, "Stopped autoscaling: the replica count no longer changes automatically."),
        ),
    )


def _removal(situation: Situation, seen: Registered | None) -> tuple[Step, ...]:
    """Return the steps after which nothing of ours is left. Deregistering would also remove other users' policies."""
    place = situation.place
    if seen is None or not seen.foreign_policies:
        return (steps.deregister(place),)
    return (
        *(steps.delete_policy(place, name) for name in scalable_target.to_delete({}, seen.policies)),
        *(steps.delete_action(place, name) for name in scalable_target.to_delete({}, seen.actions)),
    )


def needs_reading(situation: Situation, plan: Plan[Step]) -> bool:
    """Return whether `plan` cannot be completed without reading Application Auto Scaling.

    The status is trusted while it reports no problem with the current spec and schedule.
    """
    endpoint, wanted, remembered = situation.endpoint, situation.desired.scaling, situation.remembered
    followed = wanted is not None or remembered.scaling_revision is not None
    if endpoint is None or not followed or plan.ahead or not situation.lacks(Need.SCALING):
        return False
    if endpoint.status not in (state.IN_SERVICE, state.UPDATING):
        return False
    counted = endpoint.desired_count in (None, situation.status.desired_replicas)
    return not (counted and _is_well(situation))


def _is_well(situation: Situation) -> bool:
    """Return whether the status reports that the registered target follows the load according to the current spec.

    If an outage left that unknown, the status is trusted as well: the sweeps find later changes.
    """
    wanted, reported = situation.desired.scaling, situation.status.scaling
    activity = scaling.last_activity(situation.status)
    return (
        wanted is not None
        and wanted.revision == situation.remembered.scaling_revision
        and activity is not None
        and activity.active is not False
        and reported is not None
        and (reported.min_replicas, reported.max_replicas) == (situation.bounds.least, situation.bounds.most)
    )


def with_registration(situation: Situation, plan: Plan[Step]) -> Plan[Step]:
    """Return `plan` with the missing steps at Application Auto Scaling, if it makes no other change to the endpoint."""
    wanted, seen = situation.desired.scaling, situation.observed.scaling
    if situation.observed.scaling_error is not None:
        return _unread(situation, plan, situation.observed.scaling_error).sooner(UNREAD_SECONDS)
    in_service = situation.endpoint is not None and situation.endpoint.status == state.IN_SERVICE
    if wanted is None or seen is None or seen.registered is None or not in_service or plan.ahead:
        return plan
    missing = _differences(situation, wanted, seen.registered)
    current = situation.remembered.scaling_revision == wanted.revision
    if not missing and current:
        # AWS's own scheduled actions can be some seconds late.
        late = not scalable_target.is_as_wanted(seen.registered.target, target(situation.bounds))
        return plan.sooner(CONSISTENCY_SECONDS) if late else plan
    if plan.steps:
        # In sequence: a failure here must not undo an earlier step. Until then, Ready is not reported.
        return plan.reaching(partial(as_reported, situation.status)).sooner(CONTINUE_SECONDS)
    last = scaling.last_activity(situation.status)
    if current and last is not None and last.active and (waits := _settling_seconds(situation)) > 0:
        # A recent request may not be visible yet.
        return plan.sooner(waits)
    revision, now = wanted.revision, rfc3339(situation.now)

    def registering(status: Status) -> Status:
        return _remember(status, memory.registering(status.sage_maker or situation.memory, revision, now))

    restored = current and (seen.registered.target or situation.remembered.endpoint_status == state.IN_SERVICE)
    note = Note(Reason.RESTORED, "Reverted the scalable target and its policies to match the spec.")
    return replace(
        plan.reaching(registering),
        status=registering(situation.status),
        steps=missing,
        ahead=True,
        notes=(*plan.notes, *((note,) if restored else ())),
    )


def _unread(situation: Situation, plan: Plan[Step], error: AWSError) -> Plan[Step]:
    """Return `plan`, which reports Ready only if no changes at Application Auto Scaling are left."""
    wanted = situation.desired.scaling
    if situation.remembered.scaling_revision == (wanted.revision if wanted is not None else None):
        return plan
    message = (
        "The operator cannot read from Application Auto Scaling, so the operator does not change scaling settings: "
        f"{error.operation}: {error.message}"
    )
    verdict = progressing(Reason.SCALING_UNKNOWN, message, available=situation.available)

    def reported(status: Status) -> Status:
        if not conditions.is_true(status.conditions, ConditionType.READY):
            return status
        before = as_reported(situation.status, status)
        return with_verdict(before, situation.resource.generation, verdict, rfc3339(situation.now))

    return plan.reaching(reported)


def is_missing(situation: Situation) -> bool:
    """Return whether wanted objects at Application Auto Scaling are missing. Unread ones are as the status reports."""
    wanted, seen = situation.desired.scaling, situation.observed.scaling
    if wanted is None or seen is None or seen.registered is None:
        return not _is_well(situation)
    return (
        bool(_differences(situation, wanted, seen.registered))
        or situation.remembered.scaling_revision != wanted.revision
    )


def _settling_seconds(situation: Situation) -> float:
    requested = situation.remembered.scaling_request_time
    passed = (situation.now - parse(requested)).total_seconds() if requested is not None else CONSISTENCY_SECONDS
    return max(0.0, CONSISTENCY_SECONDS - max(0.0, passed))


def _differences(situation: Situation, wanted: Scaling, seen: Registered) -> tuple[Step, ...]:
    """Return the steps from the registered to the wanted state. Policies and actions need the target first.

    AWS allows one policy for each metric. If another user's policy has the metric, ours is not put.
    """
    place = situation.place
    fits = scalable_target.has_bounds(wanted, seen.target, situation.now)
    policies = {name: policy for name, policy in wanted.policies.items() if seen.conflict(policy) is None}
    return (
        *(() if fits else (steps.register(wanted.register(situation.bounds)),)),
        *(steps.put_policy(wanted.put_policy(name)) for name in scalable_target.to_put(policies, seen.policies)),
        *(steps.put_action(wanted.put_action(name)) for name in scalable_target.to_put(wanted.actions, seen.actions)),
        *(steps.delete_policy(place, name) for name in scalable_target.to_delete(wanted.policies, seen.policies)),
        *(steps.delete_action(place, name) for name in scalable_target.to_delete(wanted.actions, seen.actions)),
    )


def _remember(status: Status, remember: SageMakerStatus) -> Status:
    return status.model_copy(update={"sage_maker": remember})
