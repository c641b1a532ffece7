"""Ownership of an endpoint, and permission to create it: tags, the administrators' file, other TGIEndpoints."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans.planning import Ask, Need, Plan
from tgi_operator.backends.plans.verdicts import stalled
from tgi_operator.backends.rules.shared import FOREIGN_SECONDS, PROBLEM_SECONDS
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step

UNSEEN_SECONDS = 2
"""Seconds until the next observation while not all TGIEndpoints have been seen."""


def unproven(situation: Situation) -> Ask | None:
    """The endpoint has lost tags: the tags of its live configuration may show that it is ours."""
    lacking = situation.lacks(Need.LIVE_CONFIG)
    return Ask(lacking) if lacking and situation.has_lost_tags else None


def not_allowed(situation: Situation) -> Plan[Step] | None:
    """The namespace cannot use the endpoint name. An endpoint that was created for this very resource is kept."""
    problem = situation.name_problem
    if problem is None or situation.was_created_for_it:
        return None
    verdict = stalled(problem.reason, problem.message, available=situation.available)
    return Plan(situation.report(verdict), after=PROBLEM_SECONDS)


def claimed(situation: Situation) -> Plan[Step] | None:
    """The name is free and belongs to another TGIEndpoint, whose endpoint is only being replaced."""
    if situation.endpoint is not None:
        return None
    if situation.resource.rivals is None and situation.is_name_shared:
        return Plan(situation.status, after=UNSEEN_SECONDS)
    first = situation.predecessor
    if first is None:
        return None
    message = (
        f'Endpoint "{situation.place.endpoint}" in {situation.place.region}: the name belongs to TGIEndpoint {first}; '
        "create a TGIEndpoint with another spec.sageMaker.endpointName"
    )
    verdict = stalled(Reason.NOT_OWNED, message, available=False)
    return Plan(situation.report(verdict), after=FOREIGN_SECONDS)
