"""Deletion, which needs no Secret, no readable spec and no status."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Delete, Step
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.plans.planning import Ask, Need, Note, Plan


def deletion(situation: Situation) -> Plan[Step] | Ask | None:
    """The resource is being deleted: the operator deletes the PVC, and garbage collection deletes all owned objects."""
    if not situation.resource.deleting:
        return None
    if situation.claims is None:
        # Read now, so that no PVC is left behind because of a late watch.
        return Ask(frozenset({Need.CLAIMS}))
    owner = situation.owner
    ours = (
        claim
        for claim in situation.claims
        if claim["metadata"]["name"] == names.claim_name(owner)
        and names.is_ours(claim["metadata"].get("labels", {}), owner)
    )
    return Plan(
        situation.status,
        steps=tuple(Delete(claim) for claim in ours),
        notes=(_note(situation),),
        finished=True,
    )


def _note(situation: Situation) -> Note:
    claim = situation.own_claim
    if situation.claims_hidden and claim is not None:
        # No permission: if the namespace is being deleted, the RoleBinding is deleted first, and the PVC with the
        # namespace.
        message = (
            f"PersistentVolumeClaim {situation.owner.namespace}/{claim['metadata']['name']}: not deleted because the "
            "operator is not allowed to list PersistentVolumeClaims; delete the "
            "PersistentVolumeClaim unless you are deleting its namespace"
        )
        return Note(Reason.LEFT_ALONE, message)
    message = "Deleted; Kubernetes garbage collection removes the pods and all other objects that the resource owns."
    return Note(Reason.DELETED, message)
