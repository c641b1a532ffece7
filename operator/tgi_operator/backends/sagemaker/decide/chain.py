"""The decision: spec and observations -> the next steps and the status to show. Pure, and safe to repeat.

Each rule is a small function of a Situation. It returns a Plan, an Ask for inputs that it lacks, or None if it does not
apply. `RULES` is their order. The memory that they need is in the status, written before the steps that it guards.
"""

from tgi_operator.backends.plans.planning import Ask, Need, Plan, Rule, first
from tgi_operator.backends.rules.shared import not_owned, retained, unworkable
from tgi_operator.backends.sagemaker.decide.deletion import deletion
from tgi_operator.backends.sagemaker.decide.ownership import claimed, not_allowed, unproven
from tgi_operator.backends.sagemaker.decide.recovery import failed
from tgi_operator.backends.sagemaker.decide.registration import needs_reading, stopped, stops, with_registration
from tgi_operator.backends.sagemaker.decide.rollout import absent, outdated, rolled_back, unsettled
from tgi_operator.backends.sagemaker.decide.scaling_status import with_scaling_status
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.sizing import miscounted
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.decide.upkeep import in_service, out_of_service
from tgi_operator.backends.sagemaker.decide.waiting import in_transition, unavailable, unconfirmed, unknown_status

RULES: tuple[Rule[Situation, Step], ...] = (
    retained,  # the resource is deleted, and all of its objects stay
    unconfirmed,  # the endpoint may have been created a moment ago
    unproven,  # the endpoint has lost tags, and its configuration may show the owner
    deletion,  # the resource is deleted
    unavailable,  # AWS cannot be read
    not_allowed,  # the namespace is not allowed to use the endpoint name
    not_owned,  # the endpoint with that name is not owned by this resource
    unworkable,  # the spec cannot work
    unknown_status,  # AWS reports a status that the operator does not know
    in_transition,  # AWS is changing the endpoint and refuses other changes
    failed,  # the endpoint can only be deleted
    claimed,  # there is no endpoint, and its name belongs to another resource
    absent,  # there is no endpoint
    unsettled,  # AWS does not show the outcome of an update yet
    rolled_back,  # AWS undid the last update
    outdated,  # the endpoint runs another revision
    out_of_service,  # the endpoint runs the wanted revision, and accepts no requests
    miscounted,  # the endpoint serves with another instance count
    in_service,  # the endpoint is as wanted
)


def plan(situation: Situation) -> Plan[Step] | Ask:
    """Return the next steps and the status to show, or the inputs that the decision still needs."""
    answer = first(RULES, situation)
    if isinstance(answer, Ask) or not _is_decided_by_the_spec(situation):
        return answer
    if stops(situation, answer):
        answer = stopped(situation, answer)
        if isinstance(answer, Ask):
            return answer
    if needs_reading(situation, answer):
        return Ask(frozenset({Need.SCALING}))
    answer = with_scaling_status(situation, with_registration(situation, answer))
    changes = bool(answer.steps or answer.collection)
    if changes and situation.endpoint is not None and situation.lacks(Need.TAGS):
        # An endpoint is changed only if its tags were just read, because it may now be another user's.
        return Ask(frozenset({Need.TAGS}))
    if situation.has_unproven_image and any(step.operation == "CreateModel" for step in answer.steps):
        return Ask(frozenset({Need.LIVE_MODEL}))
    return answer


def _is_decided_by_the_spec(situation: Situation) -> bool:
    """Return whether a rule after `unworkable` applied."""
    return (
        situation.rendered is not None
        and not situation.resource.deleting
        and not situation.unconfirmed
        and (situation.name_problem is None or situation.was_created_for_it)
        and situation.foreign is None
        and situation.observed.outage is None
    )
