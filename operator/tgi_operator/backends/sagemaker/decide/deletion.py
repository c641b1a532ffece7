"""Deleting what a resource has on SageMaker, in the order AWS needs."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import progressing
from tgi_operator.backends.sagemaker.decide import steps
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Step


def deletion(situation: Situation) -> Plan[Step]:
    """Endpoint first, and only when that is seen to be gone its configurations and models."""
    place, endpoint = situation.place, situation.endpoint
    if endpoint is not None and not situation.foreign:
        if endpoint.status in state.IN_TRANSITION and endpoint.status != state.DELETING:
            message = f"AWS cannot delete an endpoint that is {endpoint.status}; it is deleted when AWS is done."
            return Plan(situation.show(progressing(Reason.DELETING, message, available=situation.available)))
        message = f'Endpoint "{place.endpoint}" is being deleted.'
        status = situation.show(progressing(Reason.DELETING, message, available=False))
        if endpoint.status == state.DELETING:
            return Plan(status)
        return Plan(status, steps=(*_unscale(situation), steps.delete_endpoint(place)), ahead=True)
    if endpoint is None and situation.remembered.endpoint_status == state.CREATING and situation.settling:
        # DescribeEndpoint is eventually consistent: what was just created may not be found yet.
        return Plan(situation.status, after=situation.settling_seconds)
    revisions = set(situation.remembered.revisions)
    if situation.desired is not None and situation.status.update_revision is not None:
        revisions.add(situation.desired.revision)
    if endpoint is not None:
        # Somebody else's endpoint may run what we made: what is in use is never deleted.
        revisions -= {situation.live_revision or ""}
    return Plan(
        situation.status,
        steps=steps.delete_sets(place, sorted(revisions)),
        notes=(_gone(situation),),
        finished=True,
    )


def _gone(situation: Situation) -> Note:
    name = situation.place.endpoint
    if situation.endpoint is not None:
        message = (
            f'Endpoint "{name}" in {situation.place.region} is not tagged as this resource\'s and was left alone. '
            "If it was this resource's, it goes on serving and billing: delete it in AWS."
        )
        return Note(Reason.LEFT_ALONE, message)
    if situation.status.sage_maker is None:
        return Note(Reason.DELETED, "Nothing of it was ever asked of AWS.")
    return Note(Reason.DELETED, f'Endpoint "{name}" and what belongs to it are gone.')


def _unscale(situation: Situation) -> tuple[Step, ...]:
    """Return the step that ends scaling first: AWS refuses to delete a scalable target for whoever may not end it."""
    return (steps.deregister(situation.place),) if situation.registered else ()
