"""An endpoint that runs what is wanted: its tags, and what nobody needs any more."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import serving, stalled
from tgi_operator.backends.sagemaker.decide import steps
from tgi_operator.backends.sagemaker.decide.collection import collecting
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Endpoint, Part, Step


def out_of_service(at: Wanted) -> Plan[Step] | None:
    """AWS took the endpoint out of service."""
    if at.endpoint is None or at.endpoint.status != state.OUT_OF_SERVICE:
        return None
    message = "AWS took the endpoint out of service. Delete it in AWS to have it created again, or ask AWS support."
    return Plan(at.show(stalled(Reason.OUT_OF_SERVICE, message, available=False)))


def in_service(at: Wanted) -> Plan[Step]:
    """All is as it should be: put right what somebody changed, and collect what no revision needs any more."""
    endpoint = at.endpoint
    assert endpoint is not None  # noqa: S101 - `absent` comes first
    verdict = serving(Reason.IN_SERVICE, f"{endpoint.current_count or 0} of {at.wanted_replicas} instance(s) serve.")
    collect = collecting(
        at,
        verdict,
        image=at.desired.image,
        update_revision=at.desired.revision,
        last_modified_time=endpoint.last_modified,
        requested_replicas=None,
        update_accepted=None,
        tag_keys=at.tag_keys,
        last_failure=None if _is_over(at) else at.status.last_failure,
    )
    restore, retag = _restore(at), _retag(at, endpoint)
    notes = (
        *([Note(Reason.RESTORED, f'Created "{at.desired.set_name}" again.')] if restore else []),
        *([Note(Reason.TAGS_RESTORED, "The tags were put right.")] if retag else []),
    )
    done = collect.done if collect.done is not None else collect.status
    if endpoint.tags is not None:
        done = _without_stale_tag_keys(at, done)
    return replace(collect, steps=(*restore, *retag, *collect.steps), done=done, notes=(*notes, *collect.notes))


def _without_stale_tag_keys(at: Wanted, status: Status) -> Status:
    assert status.sage_maker is not None  # noqa: S101 - `show` sets it
    keys = tuple(key for key in status.sage_maker.tag_keys or () if key not in at.stale_tag_keys) or None
    return status.model_copy(update={"sage_maker": status.sage_maker.model_copy(update={"tag_keys": keys})})


def _is_over(at: Wanted) -> bool:
    """Whether the remembered failure is of a revision that serves now."""
    failure = at.status.last_failure
    return failure is not None and failure.revision.partition("-")[0] == at.desired.revision


def _restore(at: Wanted) -> tuple[Step, ...]:
    """Return the steps that bring back a model or configuration somebody deleted: without them AWS stops patching."""
    return (
        *((steps.create_model(at.desired),) if at.observed.is_missing(Part.MODEL) else ()),
        *((steps.create_config(at.desired, at.wanted_replicas),) if at.observed.is_missing(Part.CONFIG) else ()),
    )


def _retag(at: Wanted, endpoint: Endpoint) -> tuple[Step, ...]:
    """Return the steps that put the tags right: ours are set, and those the spec no longer has are removed."""
    if endpoint.tags is None:
        return ()
    found = {endpoint.arn: endpoint.tags}
    for part in Part:
        # A part that was not looked at is taken for tagged as the endpoint, with which it was created.
        tags = at.observed.parts.get(part, endpoint.tags)
        if tags is not None:
            found[endpoint.arn_of(part, at.desired.set_name)] = tags
    return tuple(
        step
        for arn, tags in found.items()
        for step in steps.retag(
            arn,
            {key: value for key, value in at.desired.tags.items() if tags.get(key) != value},
            at.stale_tag_keys.intersection(tags),
        )
    )
