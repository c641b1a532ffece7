"""Rolling out a revision: where there is no endpoint, and on one that runs something else."""

from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import Verdict, progressing, stalled
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.decide import attempts, steps
from tgi_operator.backends.sagemaker.decide.collection import collecting
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.decide.sizing import resized
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Part, Step

LOOK_AGAIN_SECONDS = 5


def absent(at: Wanted) -> Plan[Step] | None:
    """There is no endpoint: make it, unless that failed before and would fail again."""
    if at.endpoint is not None:
        return None
    if at.settling and at.remembered.endpoint_status == state.CREATING and not at.asked:
        # Another revision is being created, and is not found yet: what belongs to it is in use.
        return Plan(at.status, after=LOOK_AGAIN_SECONDS)
    blocked = attempts.blocked(at)
    if blocked is not None:
        return blocked
    replicas = at.wanted_replicas
    message = (
        f'Creating endpoint "{at.place.endpoint}" with model and configuration "{at.desired.set_name}" on '
        f"{replicas} {at.desired.config['ProductionVariants'][0]['InstanceType']}."
    )
    return Plan(
        _begun(at, progressing(Reason.CREATING, message, available=False), endpoint_status=state.CREATING),
        steps=steps.create(at.desired, replicas),
        ahead=True,
        after=at.desired.patience_seconds,
    )


def unsettled(at: Wanted) -> Plan[Step] | None:
    """AWS accepted an update, or may have, and still shows the endpoint as it was before: look again in a moment.

    Whatever is wanted by now: the revision asked for is in use until AWS says otherwise.
    """
    if not at.settling or at.modified or at.remembered.last_modified_time is None:
        return None
    asked = at.status.update_revision
    maybe = asked not in (None, at.desired.revision, at.live_revision)
    accepted = at.remembered.update_accepted and asked != at.live_revision
    return Plan(at.status, after=LOOK_AGAIN_SECONDS) if maybe or accepted else None


def rolled_back(at: Wanted) -> Plan[Step] | None:
    """The wanted revision was asked for, and AWS is back at another one: remember that it failed."""
    endpoint = at.endpoint
    assert endpoint is not None  # noqa: S101 - `absent` comes first
    broken = endpoint.status == state.UPDATE_ROLLBACK_FAILED
    if (at.up_to_date and not broken) or not at.attempted:
        return None
    if at.remembered.requested_replicas is not None and not at.remembered.update_accepted:
        # What was asked for last is another number of instances, of the revision that serves.
        return None
    if endpoint.failure_reason is None and at.live_revision != at.status.current_revision:
        # Neither undone nor failed: somebody rolled out something else after it.
        return None
    text = endpoint.failure_reason or "AWS gave no reason."
    found = errors.failure(text, Reason.UPDATE_ROLLED_BACK)
    reason = Reason.UPDATE_ROLLBACK_FAILED if broken else found.reason
    failure = attempts.remember(at, at.desired.revision, reason, text)
    settled = {"last_failure": failure, "last_modified_time": endpoint.last_modified, "update_accepted": None}
    if attempts.may_be_retried(failure):
        verdict = progressing(reason, f"The update was rolled back and is tried again: {text}", available=at.available)
        return Plan(at.show(verdict, **settled), after=attempts.pause(at, failure))
    message = f"Revision {failure.revision} was rolled back and is not tried again until the spec changes: {text}"
    return collecting(at, stalled(reason, message, available=at.available), **settled)


def outdated(at: Wanted) -> Plan[Step] | None:
    """The endpoint runs something else: roll out what is wanted, unless that failed before and would fail again."""
    endpoint = at.endpoint
    assert endpoint is not None  # noqa: S101 - `absent` comes first
    broken = endpoint.status == state.UPDATE_ROLLBACK_FAILED
    if at.up_to_date and not broken:
        return None
    blocked = attempts.blocked(at)
    if blocked is not None:
        return resized(at, blocked)
    message = (
        f"Rolling out revision {at.desired.revision}; {at.live_revision or endpoint.config_name} serves meanwhile."
    )
    status = _begun(at, progressing(Reason.UPDATING, message, available=at.available))
    assert status.sage_maker is not None  # noqa: S101 - `show` sets it
    accepted = status.sage_maker.model_copy(update={"endpoint_status": state.UPDATING, "update_accepted": True})
    return Plan(
        status,
        steps=(
            *((steps.deregister(at.place),) if _retypes(at) else ()),
            *steps.update(at.desired, at.wanted_replicas, stand_in=_stand_in(at), broken=broken),
        ),
        ahead=True,
        done=status.model_copy(update={"sage_maker": accepted}),
        after=at.desired.patience_seconds,
    )


def _retypes(at: Wanted) -> bool:
    """Whether the update changes the instance type of what is a scalable target: AWS refuses that.

    It is registered again when the update is done.
    """
    wanted = at.desired.config["ProductionVariants"][0]["InstanceType"]
    return at.remembered.scaling_revision is not None and at.observed.instance_type != wanted


def _stand_in(at: Wanted) -> str | None:
    """Return the name of the live configuration where somebody deleted it: AWS updates no endpoint without it."""
    return at.endpoint.config_name if at.endpoint and at.observed.is_missing(Part.CONFIG) else None


def _begun(at: Wanted, verdict: Verdict, **fields: Any) -> Status:
    """Return the status that is written before a revision is asked for: from it a successor knows what may exist."""
    revisions = tuple(dict.fromkeys((*at.remembered.revisions, at.desired.revision)))
    return at.show(
        verdict,
        update_revision=at.desired.revision,
        revisions=revisions,
        tag_keys=at.tag_keys,
        last_modified_time=at.endpoint.last_modified if at.endpoint else None,
        request_time=rfc3339(at.now),
        requested_replicas=None,
        update_accepted=None,
        # A new endpoint is no scalable target, and one whose instance type changes is none any more.
        **({"scaling_request_time": None} if at.endpoint is None or _retypes(at) else {}),
        **fields,
    )
