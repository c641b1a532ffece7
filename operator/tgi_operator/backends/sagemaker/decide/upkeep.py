"""Upkeep of an endpoint that runs the wanted revision: its tags, deleted parts, and unused parts."""

from dataclasses import replace
from functools import partial

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.backends.plans.planning import Ask, Need, Note, Plan
from tgi_operator.backends.plans.verdicts import serving, stalled
from tgi_operator.backends.sagemaker.aws.operations import Part
from tgi_operator.backends.sagemaker.decide import memory, steps
from tgi_operator.backends.sagemaker.decide.collection import collecting
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.seen import state


def out_of_service(situation: Situation) -> Plan[Step] | None:
    """AWS took the endpoint out of service."""
    if situation.living.status != state.OUT_OF_SERVICE:
        return None
    message = (
        f'Endpoint "{situation.place.endpoint}": AWS took the endpoint out of service; delete the endpoint in AWS so '
        "that the operator recreates it, or contact AWS Support"
    )
    return Plan(situation.report(stalled(Reason.OUT_OF_SERVICE, message, available=False)))


def in_service(situation: Situation) -> Plan[Step] | Ask:
    """The endpoint is as wanted: revert changes by others and collect the objects that no revision needs.

    If the status reports a problem, everything is read first: failed upkeep must not be forgotten.
    """
    lacking = situation.lacks(*_needs(situation))
    if lacking:
        return Ask(lacking)
    endpoint, desired = situation.living, situation.desired
    verdict = serving(Reason.IN_SERVICE, f"{endpoint.current_count or 0}/{situation.wanted_replicas} instances ready.")
    remember = memory.settled(situation.memory, endpoint.last_modified, desired.rendered_from, situation.tag_keys)
    plan = collecting(
        situation,
        verdict,
        remember,
        image=desired.image,
        update_revision=desired.revision,
        last_failure=None if _is_over(situation) else situation.status.last_failure,
    )
    restore, retag = _restore(situation), _retag(situation)
    notes = (
        *(
            [Note(Reason.RESTORED, f'Restored model and endpoint configuration "{desired.set_name}".')]
            if restore
            else []
        ),
        *([Note(Reason.TAGS_RESTORED, "Reverted the tags of the endpoint to match the spec.")] if retag else []),
    )
    if endpoint.tags is not None:
        plan = plan.reaching(partial(_without_stale_tag_keys, situation))
    return replace(plan, steps=(*restore, *retag), notes=notes)


def _needs(situation: Situation) -> tuple[Need, ...]:
    if not situation.trusted:
        return (Need.TAGS, Need.LIVE_CONFIG, Need.LIVE_MODEL)
    # If the spec changed while AWS was changing the endpoint, its tags have not been compared yet.
    tags = () if situation.was_complete else (Need.TAGS,)
    unknown = situation.follows_image and situation.status.image is None and situation.running_image is None
    return (*tags, Need.LIVE_MODEL) if unknown else tags


def _without_stale_tag_keys(situation: Situation, status: Status) -> Status:
    remember = status.sage_maker or situation.memory
    keys = tuple(key for key in remember.tag_keys or () if key not in situation.stale_tag_keys)
    return status.model_copy(update={"sage_maker": memory.retagged(remember, keys)})


def _is_over(situation: Situation) -> bool:
    """Whether the remembered failure is that of a revision that now serves."""
    failure = situation.status.last_failure
    return failure is not None and failure.revision.partition("-")[0] == situation.desired.revision


def repairs(situation: Situation) -> tuple[Step, ...]:
    """Return the steps that revert differences from the spec in the tags and parts of the endpoint."""
    return (*_restore(situation), *_retag(situation))


def _restore(situation: Situation) -> tuple[Step, ...]:
    """Return the steps that create a deleted model or configuration again: without them, AWS stops patching."""
    desired, observed = situation.desired, situation.observed
    return (
        *((steps.create_model(desired),) if observed.is_missing(Part.MODEL) else ()),
        *((steps.create_config(desired, situation.wanted_replicas),) if observed.is_missing(Part.CONFIG) else ()),
    )


def _retag(situation: Situation) -> tuple[Step, ...]:
    """Return the steps that revert the tags: those of the spec are set, and those that it no longer has are removed."""
    endpoint, desired = situation.living, situation.desired
    if endpoint.tags is None:
        return ()
    found = {endpoint.arn: endpoint.tags}
    for part in Part:
        # A part that was not read is assumed to have the tags of the endpoint, with which it was created.
        tags = situation.observed.parts.get(part, endpoint.tags)
        if tags is not None:
            found[endpoint.arn_of(part, desired.set_name)] = tags
    return tuple(
        step
        for arn, tags in found.items()
        for step in steps.retag(
            arn,
            {key: value for key, value in desired.tags.items() if tags.get(key) != value},
            situation.stale_tag_keys.intersection(tags),
        )
    )
