"""Upkeep: reverts changes and deletions by others, and applies another replica count."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.serving import outcome
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Delete, Step
from tgi_operator.backends.incluster.desired import names, strategy
from tgi_operator.backends.incluster.desired.manifests import is_applied, is_as_wanted
from tgi_operator.backends.incluster.kinds import HPA, JOB, OPTIONAL, SERVICE, Object, kind_of
from tgi_operator.backends.plans.planning import Note, Plan


def drifted(situation: Situation) -> Plan[Step] | None:
    """An object differs from what was applied: apply it again. Additions by others stay."""
    if situation.job is not None and _claim_ends(situation):
        # The pod of a finished Job keeps the PVC in use, as any other pod does.
        return Plan(outcome(situation), steps=(Delete(situation.job),))
    wrong = [manifest for manifest in _wanted(situation) if not _is_right(situation, manifest)]
    # The former autoscaler is deleted before another replica count is applied.
    former = tuple(Delete(each) for each in situation.former)
    if not wrong and not former:
        return None
    return Plan(
        outcome(situation),
        steps=(*former, *(step for manifest in wrong for step in _corrections(situation, manifest))),
        notes=_notes(situation, wrong),
    )


def _notes(situation: Situation, wrong: list[Object]) -> tuple[Note, ...]:
    """Return the Event for the changes and deletions by others that are reverted.

    An object that is applied differently from the last time is not such a change: the spec or a schedule requires it.
    """
    restored = [manifest for manifest in wrong if _is_restored(situation, manifest)]
    if not restored:
        return ()
    described = ", ".join(f"{manifest['kind']} {manifest['metadata']['name']}" for manifest in restored)
    return (Note(Reason.RESTORED, f"Restored {described}."),)


def _is_restored(situation: Situation, manifest: Object) -> bool:
    kind = kind_of(manifest)
    live = situation.child(kind, manifest["metadata"]["name"])
    if live is None and kind in (HPA, *OPTIONAL):
        # The API may be new in the cluster, or another kind of autoscaler is now used.
        return False
    if live is None:
        # The status has this generation only after the objects for it were applied.
        return situation.status.observed_generation == situation.resource.generation
    return is_applied(live, manifest)


def _claim_ends(situation: Situation) -> bool:
    """Return whether the PVC of the weights is being deleted and waits for its last pod."""
    claim = situation.own_claim
    if claim is None or not names.is_ours(claim["metadata"].get("labels", {}), situation.owner):
        return False
    return "deletionTimestamp" in claim["metadata"]


def _corrections(situation: Situation, manifest: Object) -> tuple[Step, ...]:
    """Return the steps that restore an object."""
    live = situation.child(kind_of(manifest), manifest["metadata"]["name"])
    if live is not None and manifest["kind"] == SERVICE.name and _has_other_port(live, manifest):
        # An apply would add the desired port next to the other one, and two ports cannot have the same name.
        return (Delete(live), Apply.of(manifest))
    return (Apply.of(manifest),)


def _has_other_port(live: Object, manifest: Object) -> bool:
    ours = {port["name"]: port["port"] for port in manifest["spec"]["ports"]}
    return any(port["port"] != ours.get(port.get("name"), port["port"]) for port in live["spec"].get("ports", ()))


def _wanted(situation: Situation) -> tuple[Object, ...]:
    desired, deployed = situation.desired, situation.deployed
    assert deployed is not None  # noqa: S101 - `outdated` comes first
    # The strategy for replacing pods is decided when a revision is rolled out.
    chosen = strategy.asked(desired.rollout) or deployed.strategy
    deployment = desired.deployment(situation.applied_replicas, chosen)
    job = None if _claim_ends(situation) else desired.job
    made = (desired.service, desired.budget, deployment, desired.claim, job, situation.monitor, situation.autoscaler)
    return tuple(manifest for manifest in (situation.network_policy, *made) if manifest is not None)


def _is_right(situation: Situation, manifest: Object) -> bool:
    kind = kind_of(manifest)
    live = situation.children.get((kind.name, manifest["metadata"]["name"]))
    if live is None:
        return False
    # A terminating object must be gone first. A Job is immutable and need not be restored once it has completed.
    if "deletionTimestamp" in live["metadata"] or kind is JOB:
        return True
    return is_as_wanted(live, manifest)
