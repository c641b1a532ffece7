"""Rollout of a revision: a new pod serves before an old pod ends, unless the new pod fits only after that."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.serving import describe_replacement, outcome
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import strategy
from tgi_operator.backends.incluster.desired.strategy import IN_PLACE, SURGE
from tgi_operator.backends.incluster.seen import quota
from tgi_operator.backends.incluster.seen.capacity import Room
from tgi_operator.backends.plans.planning import Ask, Need, Note, Plan
from tgi_operator.backends.plans.verdicts import progressing


def outdated(situation: Situation) -> Plan[Step] | Ask | None:
    """There is no Deployment, or it has another revision: apply all objects."""
    if situation.up_to_date:
        return None
    desired, replicas, deployed = situation.desired, situation.wanted_replicas, situation.deployed
    chosen = strategy.asked(desired.rollout)
    if chosen is None and situation.in_place_only and situation.old_servers:
        if situation.room is None:
            return Ask(frozenset({Need.ROOM}))
        # If the volume's node has no room, the old pod keeps serving while the new pod waits.
        chosen = IN_PLACE if situation.room is Room.TAKEN else SURGE
    chosen = chosen or SURGE
    if deployed is None:
        message = f"0/{replicas} pods ready at revision {desired.revision}."
        verdict = progressing(Reason.CREATING, message, available=False)
    else:
        message = f"Rolling out revision {desired.revision}. {describe_replacement(situation, chosen)}"
        verdict = progressing(Reason.UPDATING, message, available=situation.available)
    # Before the pods that it selects.
    policy = situation.network_policy
    manifests = (policy, desired.service, desired.budget, desired.deployment(situation.applied_replicas, chosen))
    others = (situation.monitor, situation.autoscaler)
    deleted = deployed is None and situation.status.current_revision == desired.revision
    return Plan(
        situation.report(
            verdict,
            replacement=chosen.replacement,
            update_revision=desired.revision,
            image=_unnamed_image(situation) or situation.status.image,
        ),
        steps=tuple(Apply.of(manifest) for manifest in (*manifests, *others) if manifest is not None),
        notes=(Note(Reason.RESTORED, f"Restored Deployment {situation.owner.name}."),) if deleted else (),
    )


def squeezed(situation: Situation) -> Plan[Step] | Ask | None:
    """A new pod needs the room of an old pod, on its node or in a quota: replace the pods in place.

    An old pod ends only if that makes the new pod fit. A node autoscaler first has time to add a node.
    """
    deployed, desired = situation.deployed, situation.desired
    if deployed is None or deployed.strategy != SURGE or strategy.asked(desired.rollout) is not None:
        return None
    if deployed.replaced or not situation.old_servers:
        return None
    if not quota.is_freed(deployed.refusal, (pod["spec"] for pod in situation.old_servers)):
        waiting = situation.unschedulable_seconds
        if waiting is None or not situation.lacks_room:
            return None
        if waiting < situation.node_wait_seconds and not situation.in_place_only:
            return Plan(outcome(situation), after=situation.node_wait_seconds - waiting + 1)
        if situation.room is None:
            return Ask(frozenset({Need.ROOM}))
        if situation.room is not Room.TAKEN:
            return None
    message = f"Rolling out revision {desired.revision}. {describe_replacement(situation, IN_PLACE)}"
    verdict = progressing(Reason.UPDATING, message, available=situation.available)
    manifest = desired.deployment(situation.applied_replicas, IN_PLACE)
    return Plan(situation.report(verdict, replacement=IN_PLACE.replacement), steps=(Apply.of(manifest),))


def _unnamed_image(situation: Situation) -> str | None:
    """Return the image for a spec that names no version. The first image is kept from now on.

    An image that the spec names is remembered only once it serves, because an image that never served must not be kept.
    """
    runtime = situation.spec.runtime
    return situation.desired.image if runtime.image is None and runtime.version is None else None
