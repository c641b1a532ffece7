"""An endpoint that AWS is changing, or whose state is unknown: nothing can be changed."""

from datetime import datetime

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import Verdict, overdue, progressing, serving, unreadable
from tgi_operator.backends.sagemaker.decide import memory
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.seen import state

UNCONFIRMED_SECONDS = 5

_TRANSITIONS = {
    state.CREATING: (Reason.CREATING, "AWS is starting the instances; the container then loads the model."),
    state.UPDATING: (
        Reason.UPDATING,
        "AWS is changing the endpoint; the current revision continues to serve requests until the change is complete.",
    ),
    state.SYSTEM_UPDATING: (
        Reason.SYSTEM_UPDATING,
        "AWS is performing maintenance on the endpoint; the change waits until AWS is done.",
    ),
    state.ROLLING_BACK: (Reason.ROLLING_BACK, "AWS is rolling the endpoint back to its previous capacity."),
    state.DELETING: (Reason.REPLACING, "AWS is deleting the endpoint; the operator will then recreate it."),
}


def unavailable(situation: Situation) -> Plan[Step] | None:
    """AWS cannot be read: the conditions that depend on it are Unknown until it can.

    A spec that cannot work is reported anyway.
    """
    outage = situation.observed.outage
    if outage is None or situation.problem is not None:
        return None
    now, generation = rfc3339(situation.now), situation.resource.generation
    message = (
        f"The operator has been unable to read from AWS in {situation.place.scope} since {rfc3339(outage.since)}: "
        f"{outage.message}"
    )
    return Plan(unreadable(situation.status, generation, Reason.AWS_UNAVAILABLE, message, now))


def unconfirmed(situation: Situation) -> Plan[Step] | None:
    """The endpoint may have been created a moment ago, so that its tags cannot be read yet."""
    return Plan(situation.status, after=UNCONFIRMED_SECONDS) if situation.unconfirmed else None


def unknown_status(situation: Situation) -> Plan[Step] | None:
    """AWS reports an unknown EndpointStatus: the state is uncertain, so nothing is changed."""
    endpoint = situation.endpoint
    if endpoint is None or endpoint.status in state.KNOWN:
        return None
    message = (
        f'Endpoint "{situation.place.endpoint}": this version of the operator does not recognize EndpointStatus '
        f'"{endpoint.status}"; upgrade the operator'
    )
    unknown = ConditionStatus.UNKNOWN
    verdict = Verdict(unknown, unknown, Reason.UNKNOWN_ENDPOINT_STATUS, message, reconciling=True)
    return Plan(situation.report(verdict, current_revision=situation.status.current_revision))


def in_transition(situation: Situation) -> Plan[Step] | None:
    """AWS is changing the endpoint and refuses other changes: wait. A fleet that is being resized still serves."""
    endpoint = situation.endpoint
    if endpoint is None or endpoint.status not in state.IN_TRANSITION:
        return None
    resizing = endpoint.pending_config_name in (None, endpoint.config_name)
    current = situation.status.current_revision
    serves = situation.up_to_date and situation.requested and current == situation.desired.revision
    # A newer generation may want more than the endpoint shows: its tags have not been compared yet.
    if serves and resizing and situation.was_complete:
        if endpoint.status == state.UPDATING:
            message = f"Serving; AWS is changing the replica count to {situation.wanted_replicas}."
            return Plan(situation.report(serving(Reason.SCALING, message)))
        if endpoint.status == state.SYSTEM_UPDATING:
            message = "Serving; AWS is performing maintenance on the endpoint."
            return Plan(situation.report(serving(Reason.SYSTEM_UPDATING, message)))
    accepted = endpoint.pending_config_name == situation.desired.set_name and not situation.up_to_date
    # If another configuration is pending on top of ours, ours was rolled out.
    done = situation.up_to_date and not resizing
    remember = memory.awaited(situation.memory, True if accepted else None) if accepted or done else situation.memory
    reason, message = _TRANSITIONS[endpoint.status]
    verdict = progressing(reason, message, available=situation.available)
    waited = (situation.now - _since(situation)).total_seconds()
    patience = situation.desired.patience_seconds
    if waited > patience:
        hours = f"{waited / 3600:.1f} hours"
        message = f'Endpoint "{situation.place.endpoint}" has been {endpoint.status} for {hours}; contact AWS Support'
        verdict = overdue(verdict, message)
    return Plan(
        situation.report(verdict, remember, current_revision=current),
        after=None if waited > patience else patience - waited + 1,
    )


def _since(situation: Situation) -> datetime:
    """Return when the current change began: the last request, or a later change by AWS or another user."""
    modified, requested = parse(situation.living.last_modified), situation.remembered.request_time
    return max(modified, parse(requested)) if requested is not None else modified
