"""Deletion of the objects of a resource on SageMaker, in the order that AWS needs."""

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.naming import is_revision
from tgi_operator.backends.plans.planning import Ask, Need, Note, Plan
from tgi_operator.backends.plans.verdicts import progressing, unreadable
from tgi_operator.backends.sagemaker.decide import steps
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.seen import state


def deletion(situation: Situation) -> Plan[Step] | Ask | None:
    """The resource is deleted: first the endpoint, then, once AWS shows that it is gone, its configurations and models.

    Nothing is written in advance, because names and tags show a successor everything that it needs.
    """
    if not situation.resource.deleting:
        return None
    if situation.observed.denied and situation.problem is not None:
        # No call is allowed in the region of the endpoint, which may still exist: `unworkable` reports that.
        return None
    place, endpoint = situation.place, situation.endpoint
    if situation.observed.outage is not None:
        return Plan(_waiting(situation, situation.observed.outage.message))
    if endpoint is not None and situation.lacks(Need.TAGS):
        return Ask(frozenset({Need.TAGS}))
    if endpoint is not None and situation.foreign is None:
        if endpoint.status in state.IN_TRANSITION and endpoint.status != state.DELETING:
            message = (
                f'Waiting to delete endpoint "{place.endpoint}": SageMaker rejects the deletion while the '
                f"endpoint is {endpoint.status}."
            )
            return Plan(situation.report(progressing(Reason.DELETING, message, available=situation.available)))
        message = f'Deleting endpoint "{place.endpoint}".'
        status = situation.report(progressing(Reason.DELETING, message, available=False))
        if endpoint.status == state.DELETING:
            return Plan(status)
        return Plan(status, steps=(*_deregister(situation), steps.delete_endpoint(place)))
    if endpoint is None and situation.remembered.endpoint_status == state.CREATING and situation.settling:
        # DescribeEndpoint is eventually consistent: an endpoint that was just created may not be found yet.
        return Plan(situation.status, after=situation.settling_seconds)
    return Plan(
        situation.status,
        steps=steps.delete_sets(place, _revisions(situation)),
        notes=(_note(situation),),
        finished=True,
    )


def _waiting(situation: Situation, message: str) -> Status:
    reason, now = Reason.AWS_UNAVAILABLE, rfc3339(situation.now)
    return unreadable(situation.status, situation.resource.generation, reason, message, now)


def _revisions(situation: Situation) -> tuple[str, ...]:
    """Return the revisions whose model or configuration may exist and is not in use."""
    if situation.observed.denied:
        return ()
    found = {revision for revision in situation.remembered.revisions if is_revision(revision)}
    if situation.endpoint is not None:
        # An endpoint that is not ours may run our parts. Parts in use are never deleted.
        found.discard(situation.live_revision or "")
    return tuple(sorted(found))


def _note(situation: Situation) -> Note:
    name, region = situation.place.endpoint, situation.place.region
    if situation.observed.denied:
        return Note(
            Reason.LEFT_ALONE,
            f'Endpoint "{name}" in {region}: the operator is not allowed to read the endpoint, and the status does '
            "not show whether the endpoint exists. If the endpoint exists, delete it in AWS; until then, the endpoint "
            "continues to run and to be billed.",
        )
    if situation.endpoint is not None:
        return Note(
            Reason.LEFT_ALONE,
            f'Endpoint "{name}" in {region}: not deleted because its tags do not name this resource. If the '
            "endpoint belonged to this resource, delete it in AWS; until then, the endpoint continues to run and to be "
            "billed.",
        )
    if situation.status.sage_maker is None:
        return Note(Reason.DELETED, "Deleted; the operator had not created any AWS resources.")
    return Note(Reason.DELETED, f'Deleted endpoint "{name}", its endpoint configurations and its models.')


def _deregister(situation: Situation) -> tuple[Step, ...]:
    """Return the step that ends scaling first. Without the permission, AWS would keep the target."""
    return (steps.deregister(situation.place),) if situation.registered else ()
