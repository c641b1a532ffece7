"""Rollout of a revision: without an endpoint, and on an endpoint that runs another revision."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import SageMakerStatus, Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans.planning import Ask, Need, Plan
from tgi_operator.backends.plans.verdicts import Verdict, as_reported, progressing, stalled
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.aws.operations import Part
from tgi_operator.backends.sagemaker.decide import attempts, memory, steps
from tgi_operator.backends.sagemaker.decide.collection import collecting
from tgi_operator.backends.sagemaker.decide.recovery import NO_REASON
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.sizing import resized
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.seen import state

UNSETTLED_SECONDS = 5


def absent(situation: Situation) -> Plan[Step] | None:
    """There is no endpoint: create it, unless that failed before and would fail again."""
    if situation.endpoint is not None:
        return None
    remembered, desired = situation.remembered, situation.desired
    if situation.settling and remembered.endpoint_status == state.CREATING and not situation.requested:
        # Another revision is being created but is not found yet. Its parts are in use.
        return Plan(situation.status, after=UNSETTLED_SECONDS)
    blocked = attempts.blocked(situation)
    if blocked is not None:
        return blocked
    replicas = situation.wanted_replicas
    message = (
        f'Creating endpoint "{situation.place.endpoint}" on {replicas} {desired.instance_type} '
        f'{"instance" if replicas == 1 else "instances"} with model and endpoint configuration "{desired.set_name}".'
    )
    verdict = progressing(Reason.CREATING, message, available=False)
    remember = memory.creating(_begun(situation, registration_lost=True))
    return _rollout(situation, verdict, remember, remember, steps.create(desired, replicas))


def unsettled(situation: Situation) -> Plan[Step] | None:
    """AWS accepted an update, or may have, and still shows the endpoint as before: observe again in a moment.

    Whatever the spec wants now, the requested revision is in use until AWS shows otherwise.
    """
    remembered = situation.remembered
    if not situation.settling or situation.modified or remembered.last_modified_time is None:
        return None
    requested, live = situation.status.update_revision, situation.live_revision
    maybe = requested not in (None, situation.desired.revision, live)
    accepted = remembered.update_accepted and requested != live
    return Plan(situation.status, after=UNSETTLED_SECONDS) if maybe or accepted else None


def rolled_back(situation: Situation) -> Plan[Step] | None:
    """The wanted revision was requested, but AWS has returned to another one: remember the failure."""
    endpoint, remembered = situation.living, situation.remembered
    broken = endpoint.status == state.UPDATE_ROLLBACK_FAILED
    if (situation.up_to_date and not broken) or not situation.attempted:
        return None
    if remembered.requested_replicas is not None and not remembered.update_accepted:
        # The last request was for another instance count of the revision that serves.
        return None
    if endpoint.failure_reason is None and situation.live_revision != situation.status.current_revision:
        # Neither rolled back nor failed: another user rolled out something else after it.
        return None
    text = endpoint.failure_reason or NO_REASON
    found = errors.failure(text, Reason.UPDATE_ROLLED_BACK)
    reason = Reason.UPDATE_ROLLBACK_FAILED if broken else found
    failure = attempts.remember(situation, situation.desired.revision, reason, text)
    remember = memory.undone(situation.memory, endpoint.last_modified)
    plan = collecting(
        situation, attempts.verdict(situation, failure), remember, last_failure=failure, image=situation.kept_image
    )
    return plan.sooner(attempts.pause(situation, failure)) if attempts.may_be_retried(failure) else plan


def outdated(situation: Situation) -> Plan[Step] | Ask | None:
    """The endpoint runs another revision: roll out the wanted one, unless that failed before and would fail again."""
    endpoint, desired = situation.living, situation.desired
    broken = endpoint.status == state.UPDATE_ROLLBACK_FAILED
    if situation.up_to_date and not broken:
        return None
    lacking = situation.lacks(Need.TAGS, Need.LIVE_CONFIG)
    if lacking:
        return Ask(lacking)
    if broken and situation.up_to_date:
        return _stuck(situation)
    blocked = attempts.blocked(situation)
    if blocked is not None:
        return resized(situation, blocked)
    serving = situation.live_revision or endpoint.config_name
    message = f"Rolling out revision {desired.revision}; {serving} continues to serve requests."
    verdict = progressing(Reason.UPDATING, message, available=situation.available)
    retypes = _retypes(situation)
    remember = _begun(situation, registration_lost=retypes)
    request = steps.update(desired, situation.wanted_replicas, stand_in=_stand_in(situation), broken=broken)
    deregister = (steps.deregister(situation.place),) if retypes else ()
    return _rollout(situation, verdict, remember, memory.accepted(remember), (*deregister, *request))


def _stuck(situation: Situation) -> Plan[Step]:
    """Return the verdict if a rollback failed and the spec wants the very configuration that is in use."""
    message = (
        f'The rollback of endpoint "{situation.place.endpoint}" failed: '
        f"{(situation.living.failure_reason or NO_REASON).removesuffix('.')}. AWS does not accept an update that "
        "specifies the configuration that is already in use. Change the spec to roll out another revision, or delete "
        "the endpoint in AWS so that the operator recreates it."
    )
    verdict = stalled(Reason.UPDATE_ROLLBACK_FAILED, message, available=situation.available)
    return collecting(situation, verdict, memory.undone(situation.memory, situation.living.last_modified))


def _rollout(
    situation: Situation, verdict: Verdict, begun: SageMakerStatus, done: SageMakerStatus, requests: tuple[Step, ...]
) -> Plan[Step]:
    """Return the plan that writes the upcoming request to the status, makes it, and then collects old revisions."""
    desired = situation.desired
    plan = collecting(situation, verdict, done, update_revision=desired.revision, image=desired.image)
    # An image that the spec names is remembered once it is accepted. Until then, another image may run.
    image = desired.image if situation.follows_image else situation.status.image
    status = situation.report(verdict, begun, update_revision=desired.revision, image=image)
    return replace(
        plan,
        status=_as_reported(situation, status),
        steps=requests,
        ahead=True,
        done=plan.status,
    ).sooner(desired.patience_seconds)


def _as_reported(situation: Situation, status: Status) -> Status:
    """Return the status to write before another attempt of a revision that failed.

    The conditions stay the same until AWS accepts it, because a status that alternates with each attempt is of no use.
    """
    if attempts.remembered(situation, situation.desired.revision) is None:
        return status
    return as_reported(situation.status, status)


def _retypes(situation: Situation) -> bool:
    """Whether the update changes the instance type of a scalable target, which AWS refuses.

    The target is registered again when the update is done or refused.
    """
    registered = situation.remembered.scaling_revision is not None
    return registered and situation.observed.instance_type != situation.desired.instance_type


def _stand_in(situation: Situation) -> str | None:
    """Return the name of the live configuration if it was deleted: AWS updates no endpoint without one."""
    return situation.living.config_name if situation.observed.is_missing(Part.CONFIG) else None


def _begun(situation: Situation, *, registration_lost: bool) -> SageMakerStatus:
    return memory.begun(
        situation.memory,
        revision=situation.desired.revision,
        rendered_from=situation.desired.rendered_from,
        tag_keys=situation.tag_keys,
        last_modified=situation.endpoint.last_modified if situation.endpoint else None,
        now=rfc3339(situation.now),
        registration_lost=registration_lost,
    )
