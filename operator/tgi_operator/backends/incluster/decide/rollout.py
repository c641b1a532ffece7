"""Bringing a revision to the pods, with regard to how many GPUs there are."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.situation import Wanted
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import strategy
from tgi_operator.backends.incluster.desired.strategy import IN_PLACE, SURGE, Strategy
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import progressing


def outdated(at: Wanted) -> Plan[Step] | None:
    """There is no Deployment, or it asks for another revision: apply everything."""
    if at.up_to_date:
        return None
    desired, replicas = at.desired, at.wanted_replicas
    chosen = strategy.asked(desired.rollout) or (SURGE if at.room else IN_PLACE)
    if at.deployed is None:
        message = f"0 of {replicas} pod(s) serve revision {desired.revision}."
        verdict = progressing(Reason.CREATING, message, available=False)
    else:
        message = f"Rolling out revision {desired.revision}. {how(at, chosen)}"
        verdict = progressing(Reason.UPDATING, message, available=at.available)
    manifests = (desired.service, desired.budget, desired.deployment(at.applied_replicas, chosen))
    others = (desired.monitor if at.monitored else None, at.autoscaler)
    gone = at.deployed is None and at.status.current_revision == desired.revision
    shown = at.show(verdict, replacement=chosen.replacement, update_revision=desired.revision)
    return Plan(
        at.ahead(shown),
        steps=tuple(Apply(manifest) for manifest in (*manifests, *others) if manifest is not None),
        ahead=True,
        done=shown,
        notes=(Note(Reason.RESTORED, f"Put right: Deployment {at.owner.name}."),) if gone else (),
    )


def squeezed(at: Wanted) -> Plan[Step] | None:
    """A new pod waits for a GPU that an old one has: let the old one make room."""
    deployed = at.deployed
    if deployed is None or deployed.strategy != SURGE or strategy.asked(at.desired.rollout) is not None:
        return None
    waits = any(each.reason is Reason.UNSCHEDULABLE for each in at.troubles)
    if not waits or deployed.replaced:
        return None
    verdict = progressing(
        Reason.UPDATING, f"Rolling out revision {at.desired.revision}. {how(at, IN_PLACE)}", available=at.available
    )
    manifest = at.desired.deployment(at.applied_replicas, IN_PLACE)
    return Plan(at.show(verdict, replacement=IN_PLACE.replacement), steps=(Apply(manifest),), ahead=True)


def how(at: Wanted, chosen: Strategy) -> str:
    """Return in words how pods are replaced, and why so."""
    if strategy.asked(at.desired.rollout) is not None:
        return f"At most {chosen.max_surge} pod(s) more and {chosen.max_unavailable} fewer at a time, as rollout says."
    if chosen.replacement == "Surge":
        return "A GPU is free: a new pod serves before an old one ends."
    return "No GPU of that kind is free: an old pod ends before a new one starts."
