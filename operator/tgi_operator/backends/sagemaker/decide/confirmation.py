"""Checks whether a listing and the status are enough for a decision, and which reads are needed if they are not."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans.planning import Ask, Need
from tgi_operator.backends.sagemaker.decide.chain import plan
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Endpoint, Listed, Observed


def confirm(situation: Situation, listed: Listed | None, *, complete: bool) -> Situation | None:
    """Return the situation that the listing and the status memory describe, or None if they are not enough.

    They are enough if the listing has the endpoint exactly as the status remembers it, and the rules neither ask for
    more nor change anything. `complete` means that endpoints that are missing from the listing do not exist.
    """
    if situation.resource.generation != situation.status.observed_generation or situation.status.sage_maker is None:
        return None
    observed = _observed(situation, listed, complete=complete)
    if observed is None:
        return None
    described = replace(situation, observed=observed)
    decision = plan(described)
    if isinstance(decision, Ask) or decision.steps or decision.collection:
        return None
    return described


def _observed(situation: Situation, listed: Listed | None, *, complete: bool) -> Observed | None:
    remembered, replicas = situation.remembered, situation.status.replicas
    if listed is None:
        absent = complete and remembered.endpoint_arn is None and remembered.endpoint_status is None
        return situation.observed if absent else None
    same = (listed.status, listed.last_modified) == (remembered.endpoint_status, remembered.last_modified_time)
    if not same or listed.status in state.IN_TRANSITION or remembered.endpoint_arn is None:
        return None
    endpoint = Endpoint(
        arn=remembered.endpoint_arn,
        status=listed.status,
        config_name=remembered.endpoint_config_name or "",
        last_modified=listed.last_modified,
        failure_reason=remembered.failure_reason,
        current_count=replicas,
        desired_count=replicas,
    )
    return replace(situation.observed, endpoint=endpoint)


def first_needs(situation: Situation, *, check: bool, scaling: bool, owned: bool) -> frozenset[Need]:
    """Return the reads of a live endpoint that come before any decision.

    `check` means that a drift check of the endpoint is due, `scaling` that one of its scalable target is due. `owned`
    means that this process has read its tags before, and that they were ours.
    """
    resource, needs = situation.resource, set[Need]()
    if check:
        needs |= {Need.TAGS, Need.LIVE_CONFIG, Need.LIVE_MODEL}
    changed = resource.generation != situation.status.observed_generation
    foreign = any(condition.reason == Reason.NOT_OWNED for condition in situation.status.conditions)
    if changed or foreign or not owned or resource.deleting:
        needs.add(Need.TAGS)
    if changed and not resource.deleting:
        needs.add(Need.LIVE_CONFIG)
    if scaling:
        needs.add(Need.SCALING)
    return frozenset(needs)
