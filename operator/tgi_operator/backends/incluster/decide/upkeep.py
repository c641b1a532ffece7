"""What somebody changed or deleted is put back, and another number of pods is asked for."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.serving import outcome
from tgi_operator.backends.incluster.decide.situation import Wanted
from tgi_operator.backends.incluster.decide.steps import Apply, Delete, Step
from tgi_operator.backends.incluster.desired import strategy
from tgi_operator.backends.incluster.kinds import JOB, SERVICE, Object, kind_of
from tgi_operator.backends.incluster.seen.coverage import covers
from tgi_operator.backends.plans.planning import Note, Plan


def drifted(at: Wanted) -> Plan[Step] | None:
    """Something is not as it was applied: apply it again. What others added to it stays."""
    if at.job is not None and _claim_goes(at):
        # The pod of a job that is done holds the claim as any other does.
        return Plan(outcome(at), steps=(Delete(at.job),))
    wrong = [manifest for manifest in _wanted(at) if not _is_right(at, manifest)]
    # Who changes the number goes before another number is applied.
    former = tuple(Delete(each) for each in at.former_autoscalers)
    if not wrong and not former:
        return None
    deployed = at.deployed
    assert deployed is not None  # noqa: S101 - `outdated` comes first
    names = ", ".join(f"{manifest['kind']} {manifest['metadata']['name']}" for manifest in wrong)
    # Another number is told by the status' history, and other bounds are by themselves.
    scaled = at.status.desired_replicas not in (None, at.wanted_replicas)
    notes = () if scaled or not names or _bounds_changed(at) else (Note(Reason.RESTORED, f"Put right: {names}."),)
    shown = outcome(at)
    return Plan(
        at.ahead(shown),
        steps=(*former, *(step for manifest in wrong for step in _put_right(at, manifest))),
        ahead=True,
        done=shown,
        notes=notes,
    )


def _bounds_changed(at: Wanted) -> bool:
    """Return whether other bounds are in force than at the last look."""
    before = at.status.scaling
    if at.spec.autoscaling is None or before is None:
        return False
    return (before.min_replicas, before.max_replicas) != (at.bounds.least, at.bounds.most)


def _claim_goes(at: Wanted) -> bool:
    """Return whether somebody deleted the claim of the weights, and it waits for its last pod."""
    return any("deletionTimestamp" in claim["metadata"] for claim in at.claims)


def _put_right(at: Wanted, manifest: Object) -> tuple[Step, ...]:
    """Return the steps that make an object as it should be."""
    live = at.child(kind_of(manifest), manifest["metadata"]["name"])
    if live is not None and manifest["kind"] == SERVICE.name and _has_other_port(live, manifest):
        # An apply would add our port beside the other, and both have the one name.
        return (Delete(live), Apply(manifest))
    return (Apply(manifest),)


def _has_other_port(live: Object, manifest: Object) -> bool:
    ours = {port["name"]: port["port"] for port in manifest["spec"]["ports"]}
    return any(port["port"] != ours.get(port.get("name"), port["port"]) for port in live["spec"].get("ports", ()))


def _wanted(at: Wanted) -> tuple[Object, ...]:
    desired, deployed = at.desired, at.deployed
    assert deployed is not None  # noqa: S101 - `outdated` comes first
    # How the pods are replaced is decided when a revision is rolled out.
    chosen = strategy.asked(desired.rollout) or deployed.strategy
    job = None if _claim_goes(at) else desired.job
    made = (desired.service, desired.budget, desired.deployment(at.applied_replicas, chosen), desired.claim, job)
    return tuple(
        manifest
        for manifest in (*made, desired.monitor if at.monitored else None, at.autoscaler)
        if manifest is not None
    )


def _is_right(at: Wanted, manifest: Object) -> bool:
    kind = kind_of(manifest)
    live = at.children.get((kind.name, manifest["metadata"]["name"]))
    if live is None:
        return False
    # What is about to go must be gone first; and a job cannot be changed, nor needs it once it is done.
    if "deletionTimestamp" in live["metadata"] or kind is JOB:
        return True
    return covers(live, manifest)
