"""Upkeep: reverts changes and deletions by others, and applies another replica count."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.serving import outcome
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Delete, Step
from tgi_operator.backends.incluster.desired import names, strategy
from tgi_operator.backends.incluster.kinds import DEPLOYMENT, JOB, SERVICE, Object, kind_of
from tgi_operator.backends.incluster.seen.coverage import covers
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
    """Return the Event for the reverted changes.

    The history of the status reports another replica count, and other bounds have their own Events.
    """
    scaled = situation.status.desired_replicas not in (None, situation.wanted_replicas)
    restored = [manifest for manifest in wrong if not _is_unmarked(situation, manifest)]
    if scaled or not restored or _bounds_changed(situation):
        return ()
    described = ", ".join(f"{manifest['kind']} {manifest['metadata']['name']}" for manifest in restored)
    return (Note(Reason.RESTORED, f"Restored {described}."),)


def _is_unmarked(situation: Situation, manifest: Object) -> bool:
    """Return whether only the digest of the inputs is missing or different.

    That is so for a Deployment of an earlier version without a digest, and for a spec change that does not reach the
    pods.
    """
    live = situation.child(kind_of(manifest), manifest["metadata"]["name"])
    if live is None or manifest["kind"] != DEPLOYMENT.name:
        return False
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "annotations"}
    return covers(live, manifest | {"metadata": metadata})


def _bounds_changed(situation: Situation) -> bool:
    """Return whether other bounds are in force than the status reports."""
    before = situation.status.scaling
    if situation.spec.autoscaling is None or before is None:
        return False
    return (before.min_replicas, before.max_replicas) != (situation.bounds.least, situation.bounds.most)


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
        return (Delete(live), Apply(manifest))
    return (Apply(manifest),)


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
    monitor = desired.monitor if situation.monitored else None
    made = (desired.service, desired.budget, deployment, desired.claim, job, monitor, situation.autoscaler)
    return tuple(manifest for manifest in (situation.network_policy, *made) if manifest is not None)


def _is_right(situation: Situation, manifest: Object) -> bool:
    kind = kind_of(manifest)
    live = situation.children.get((kind.name, manifest["metadata"]["name"]))
    if live is None:
        return False
    # A terminating object must be gone first. A Job is immutable, and needs no restore once it has completed.
    if "deletionTimestamp" in live["metadata"] or kind is JOB:
        return True
    return covers(live, manifest)
