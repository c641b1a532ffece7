"""Rollout of a revision, depending on the number of free GPUs."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import strategy
from tgi_operator.backends.incluster.desired.strategy import IN_PLACE, SURGE, Strategy
from tgi_operator.backends.plans.planning import Ask, Need, Note, Plan
from tgi_operator.backends.plans.verdicts import progressing


def outdated(situation: Situation) -> Plan[Step] | Ask | None:
    """There is no Deployment, or it has another revision: apply all objects."""
    if situation.up_to_date:
        return None
    desired, replicas, deployed = situation.desired, situation.wanted_replicas, situation.deployed
    chosen = strategy.asked(desired.rollout)
    if chosen is None and deployed is not None and situation.room is None:
        return Ask(frozenset({Need.ROOM}))
    chosen = chosen or (SURGE if situation.room else IN_PLACE)
    if deployed is None:
        message = f"0/{replicas} pods ready at revision {desired.revision}."
        verdict = progressing(Reason.CREATING, message, available=False)
    else:
        message = f"Rolling out revision {desired.revision}. {describe_replacement(situation, chosen)}"
        verdict = progressing(Reason.UPDATING, message, available=situation.available)
    # Before the pods that it selects.
    policy = situation.network_policy
    manifests = (policy, desired.service, desired.budget, desired.deployment(situation.applied_replicas, chosen))
    others = (desired.monitor if situation.monitored else None, situation.autoscaler)
    deleted = deployed is None and situation.status.current_revision == desired.revision
    return Plan(
        situation.report(
            verdict,
            replacement=chosen.replacement,
            update_revision=desired.revision,
            image=_unnamed_image(situation) or situation.status.image,
        ),
        steps=tuple(Apply(manifest) for manifest in (*manifests, *others) if manifest is not None),
        notes=(Note(Reason.RESTORED, f"Restored Deployment {situation.owner.name}."),) if deleted else (),
    )


def squeezed(situation: Situation) -> Plan[Step] | None:
    """A new pod waits for a GPU that an old pod uses: replace the pods in place."""
    deployed, desired = situation.deployed, situation.desired
    if deployed is None or deployed.strategy != SURGE or strategy.asked(desired.rollout) is not None:
        return None
    waits = any(each.reason is Reason.UNSCHEDULABLE for each in situation.troubles)
    if not waits or deployed.replaced:
        return None
    message = f"Rolling out revision {desired.revision}. {describe_replacement(situation, IN_PLACE)}"
    verdict = progressing(Reason.UPDATING, message, available=situation.available)
    manifest = desired.deployment(situation.applied_replicas, IN_PLACE)
    return Plan(situation.report(verdict, replacement=IN_PLACE.replacement), steps=(Apply(manifest),))


def describe_replacement(situation: Situation, chosen: Strategy) -> str:
    """Return how the pods are replaced, and the reason as a sentence."""
    if strategy.asked(situation.desired.rollout) is not None:
        return f"spec.rollout: maxSurge {chosen.max_surge}, maxUnavailable {chosen.max_unavailable}."
    if chosen.replacement == "Surge":
        return "A suitable GPU is free, so a new pod becomes ready before an old pod terminates."
    return "No suitable GPU is free, so an old pod terminates before a new pod starts."


def _unnamed_image(situation: Situation) -> str | None:
    """Return the image for a spec that names no version. The first image is kept from now on.

    An image that the spec names is remembered only once it serves, because an image that never served must not be kept.
    """
    runtime = situation.spec.runtime
    return situation.desired.image if runtime.image is None and runtime.version is None else None
