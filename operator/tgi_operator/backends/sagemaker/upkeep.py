"""An endpoint that runs what is wanted: its size, its tags, and what nobody needs any more."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans import Note, Plan, serving, stalled
from tgi_operator.backends.sagemaker import failures, state, steps
from tgi_operator.backends.sagemaker.situation import Wanted
from tgi_operator.backends.sagemaker.state import Endpoint, Part, Step


def out_of_service(at: Wanted) -> Plan[Step] | None:
    """AWS took the endpoint out of service."""
    if at.endpoint is None or at.endpoint.status != state.OUT_OF_SERVICE:
        return None
    message = "AWS took the endpoint out of service. Delete it in AWS to have it created again, or ask AWS support."
    return Plan(at.show(stalled(Reason.OUT_OF_SERVICE, message, available=False)))


def miscounted(at: Wanted) -> Plan[Step] | None:
    """It serves with another number of instances than the spec says: ask for that number, and for nothing else."""
    endpoint, replicas = at.endpoint, at.desired.replicas
    if endpoint is None or replicas is None or endpoint.desired_count in (None, replicas):
        return None
    memory = f"{at.desired.revision}-{replicas}"
    failure = failures.remembered(at, memory)
    asked = at.status.desired_replicas == replicas and at.remembered.last_modified_time not in (
        None,
        endpoint.last_modified,
    )
    if asked and endpoint.failure_reason is not None:
        failure = failures.remember(at, memory, Reason.INSUFFICIENT_CAPACITY, endpoint.failure_reason)
        at = replace(at, resource=replace(at.resource, status=at.status.model_copy(update={"last_failure": failure})))
    if failure is not None and (pause := failures.pause(at, failure)) > 0:
        message = f"Serves, but AWS could not change the fleet to {replicas} instance(s): {failure.message}"
        verdict = serving(Reason.IN_SERVICE, message)
        return Plan(at.show(verdict, last_modified_time=endpoint.last_modified), after=pause)
    verdict = serving(Reason.SCALING, f"Serves while AWS changes the fleet to {replicas} instance(s).")
    return Plan(
        at.show(verdict, update_revision=at.desired.revision, last_modified_time=endpoint.last_modified),
        steps=(steps.scale(at.desired, replicas),),
        ahead=True,
        after=at.desired.patience_seconds,
        notes=(Note(Reason.SCALED, f"From {endpoint.desired_count} to {replicas} instance(s)."),),
    )


def in_service(at: Wanted) -> Plan[Step]:
    """All is as it should be: put right what somebody changed, and collect what no revision needs any more."""
    endpoint = at.endpoint
    assert endpoint is not None  # noqa: S101 - `absent` comes first
    count = endpoint.current_count or 0
    verdict = serving(Reason.IN_SERVICE, f"{count} of {at.wanted_replicas} instance(s) serve.")
    old = tuple(revision for revision in at.remembered.revisions if revision != at.desired.revision)
    kept = {
        "update_revision": at.desired.revision,
        "last_modified_time": endpoint.last_modified,
        "update_accepted": None,
        "tag_keys": at.tag_keys,
        "last_failure": None if _is_over(at) else at.status.last_failure,
    }
    status = at.show(verdict, **kept)
    restore = _restore(at)
    retag = _retag(at, endpoint)
    collect = steps.delete_sets(at.place, old)
    notes = (
        *([Note(Reason.RESTORED, f'Created "{at.desired.set_name}" again.')] if restore else []),
        *([Note(Reason.TAGS_RESTORED, "The tags were put right.")] if retag else []),
        *([Note(Reason.COLLECTED, f"Deleted the sets of revisions {', '.join(old)}.")] if collect else []),
    )
    return Plan(
        status,
        steps=(*restore, *retag, *collect),
        done=at.show(verdict, **kept, revisions=(at.desired.revision,)),
        notes=notes,
    )


def _is_over(at: Wanted) -> bool:
    """Whether the remembered failure is of a revision that serves now."""
    failure = at.status.last_failure
    return failure is not None and failure.revision.partition("-")[0] == at.desired.revision


def _restore(at: Wanted) -> tuple[Step, ...]:
    """Return the steps that bring back a model or configuration somebody deleted: without them AWS stops patching."""
    missing = at.observed.missing
    return (
        *((steps.create_model(at.desired),) if Part.MODEL in missing else ()),
        *((steps.create_config(at.desired, at.wanted_replicas),) if Part.CONFIG in missing else ()),
    )


def _retag(at: Wanted, endpoint: Endpoint) -> tuple[Step, ...]:
    """Return the steps that put the tags right: ours are set, and those the spec no longer has are removed."""
    if endpoint.tags is None:
        return ()
    wrong = {key: value for key, value in at.desired.tags.items() if endpoint.tags.get(key) != value}
    stale = {key for key in at.remembered.tag_keys or () if key not in at.desired.tags and key in endpoint.tags}
    if not wrong and not stale:
        return ()
    name = at.desired.set_name
    arns = (endpoint.arn, endpoint.arn_of(Part.CONFIG, name), endpoint.arn_of(Part.MODEL, name))
    return steps.retag(arns, wrong, stale)
