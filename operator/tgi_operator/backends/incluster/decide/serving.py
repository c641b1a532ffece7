"""The state of the pods of the desired revision."""

from tgi_operator.api import conditions
from tgi_operator.api.identifiers import REQUEST_ANNOTATION
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType, Status
from tgi_operator.backends.incluster.decide.situation import Deployed, Situation
from tgi_operator.backends.incluster.decide.steps import Delete, Step
from tgi_operator.backends.incluster.desired import strategy
from tgi_operator.backends.incluster.desired.strategy import Strategy
from tgi_operator.backends.incluster.kinds import JOB
from tgi_operator.backends.incluster.seen import pods, quota
from tgi_operator.backends.incluster.seen.capacity import Room
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict, overdue, progressing, serving, stalled

SETTLING_SECONDS = 3
REFUSED_SECONDS = 60
ROOM_SECONDS = 60

_FIXES = {
    Reason.QUOTA_EXCEEDED: "raise the ResourceQuota or lower the replica count",
    Reason.REJECTED_BY_KUBERNETES: "change spec.inCluster.podTemplate or the policy that rejects the pods",
}


def refused(situation: Situation) -> Plan[Step] | None:
    """The cluster refuses to create a pod, because of a quota or a policy."""
    deployed = _deployed(situation)
    if deployed.complete or deployed.refusal is None:
        return None
    if _is_enough(situation, deployed):
        status = _served(situation, serving(Reason.SCALING, f"{_counted(situation, deployed.ready)}."))
        return Plan(status, after=REFUSED_SECONDS)
    reason = Reason.QUOTA_EXCEEDED if quota.is_exceeded(deployed.refusal) else Reason.REJECTED_BY_KUBERNETES
    message = f"Deployment {situation.owner.name}: {deployed.refusal}; {_FIXES[reason]}"
    verdict = stalled(reason, message, available=situation.available)
    return Plan(situation.report(verdict), after=REFUSED_SECONDS)


def serves(situation: Situation) -> Plan[Step] | None:
    """All desired pods serve without problems. Jobs of old revisions are no longer needed."""
    if not _deployed(situation).complete or situation.troubles:
        return None
    wanted = situation.desired.job["metadata"]["name"] if situation.desired.job is not None else None
    jobs = (job["metadata"] for job in situation.all(JOB) if "deletionTimestamp" not in job["metadata"])
    old = [str(metadata["name"]) for metadata in jobs if metadata["name"] != wanted]
    noun = "Job" if len(old) == 1 else "Jobs"
    return Plan(
        outcome(situation),
        collection=tuple(Delete(situation.children[JOB.name, name]) for name in old),
        collected=Note(Reason.COLLECTED, f"Deleted {noun} {', '.join(old)}.") if old else None,
    )


def rolling(situation: Situation) -> Plan[Step]:
    """Pods start, or a problem keeps them from starting."""
    status, patience = outcome(situation), situation.desired.progress_deadline_seconds
    ready = conditions.get(status.conditions, ConditionType.READY)
    assert ready is not None  # noqa: S101 - every verdict has it
    waited = situation.waited_seconds(Reason(ready.reason))
    if _deployed(situation).overdue and waited < SETTLING_SECONDS:
        return Plan(status, after=SETTLING_SECONDS)
    plan = Plan[Step](status, after=patience - waited + 1 if waited <= patience else None)
    # Other users' pods end without a change that the operator watches.
    return plan.sooner(ROOM_SECONDS) if situation.unschedulable_seconds is not None else plan


def outcome(situation: Situation) -> Status:
    """Return the status that reports the state of the pods."""
    if situation.desired.rolled_back_from is not None:
        return situation.report(_rolled_back(situation), update_revision=situation.desired.rolled_back_from)
    deployed, found = _deployed(situation), pods.worst(situation.troubles)
    verdict = _serving(situation, deployed, found)
    if verdict is not None and verdict.reason is Reason.SCALED_TO_ZERO:
        # Without a pod, nothing proves that the revision can serve.
        return situation.report(verdict, update_revision=situation.desired.revision)
    if verdict is not None:
        return _served(situation, verdict)
    failure = situation.last_failure(found) if found is not None else situation.status.last_failure
    return situation.report(
        _not_serving(situation, deployed, found),
        update_revision=situation.desired.revision,
        last_failure=failure,
    )


def _serving(situation: Situation, deployed: Deployed, found: Trouble | None) -> Verdict | None:
    """Return the verdict for a revision that serves, or None if it does not serve yet or no longer serves."""
    counted = _counted(situation, deployed.ready)
    wanted = situation.wanted_replicas
    if found is not None:
        if found.reason is Reason.UNSCHEDULABLE and _is_enough(situation, deployed):
            return serving(Reason.SCALING, f"{counted}; no node has room for another pod.")
        return None
    if deployed.complete and deployed.wanted == wanted:
        return serving(Reason.IN_SERVICE, f"{counted}.")
    if deployed.wanted == wanted == deployed.replicas == 0:
        message = "The replica count is 0, so no pods serve requests; scale up the Deployment or set spec.replicas"
        return Verdict(ConditionStatus.TRUE, ConditionStatus.FALSE, Reason.SCALED_TO_ZERO, message)
    if _served_before(situation) and _serves_alone(situation, deployed):
        return serving(Reason.SCALING, f"{counted}; more are starting.")
    return None


def describe_replacement(situation: Situation, chosen: Strategy) -> str:
    """Return how the pods are replaced, and the reason as a sentence."""
    if strategy.asked(situation.desired.rollout) is not None:
        return f"spec.rollout: maxSurge {chosen.max_surge}, maxUnavailable {chosen.max_unavailable}."
    if chosen.replacement == "Surge":
        return "A new pod becomes ready before an old pod terminates."
    if situation.in_place_only:
        return "Only one node can attach the volume, so an old pod terminates before a new pod starts."
    return "A new pod fits only after an old pod frees its GPU, so an old pod terminates before a new pod starts."


def _served(situation: Situation, verdict: Verdict) -> Status:
    """Return the status of a revision that serves. An unnamed version keeps its image from now on."""
    revision, failure = situation.desired.revision, situation.status.last_failure
    return situation.report(
        verdict,
        image=situation.desired.image,
        current_revision=revision,
        update_revision=revision,
        # A failure of this revision shows why a pod was restarted. A failure of an earlier revision no longer matters.
        last_failure=failure if failure is not None and failure.revision == revision else None,
    )


def _not_serving(situation: Situation, deployed: Deployed, found: Trouble | None) -> Verdict:
    desired = situation.desired
    counted = f"{_counted(situation, _updated_and_ready(situation))} at revision {desired.revision}."
    first = not situation.status.current_revision or _served_before(situation)
    message = counted if first else f"{counted} {describe_replacement(situation, deployed.strategy)}"
    reason = Reason.CREATING if first else Reason.UPDATING
    verdict = progressing(reason, message, available=situation.available)
    ending = _ending(situation, found)
    if ending:
        found, message = None, f"{counted} A new pod is waiting for pod {ending} to terminate."
        verdict = progressing(Reason.UPDATING, message, available=situation.available)
    if found is not None:
        message = f"{counted} Pod {found.pod}: {found.message}{_hint(situation)}"
        verdict = progressing(found.reason, message, available=situation.available)
    late = _is_late(situation, deployed, verdict.reason)
    if found is not None and (found.stalled or late):
        return stalled(found.reason, verdict.message, available=situation.available)
    return overdue(verdict, f"No progress within the deadline. {message}") if late else verdict


def _rolled_back(situation: Situation) -> Verdict:
    desired, failure = situation.desired, situation.status.last_failure
    known = failure is not None and failure.revision == desired.rolled_back_from
    why = f": {failure.message.rstrip('.')}" if failure is not None and known else ""
    message = (
        f"Revision {desired.rolled_back_from} did not become ready within the deadline and was rolled back to revision "
        f"{desired.revision}{why}; to retry, change the spec or set the {REQUEST_ANNOTATION} annotation"
    )
    return stalled(Reason.UPDATE_ROLLED_BACK, message, available=situation.available)


def has_failed(situation: Situation) -> bool:
    """Return whether the revision that is being rolled out does not serve and missed its progress deadline.

    Only the Deployment controller knows that: it also counts progress that the operator has not seen.
    """
    deployed, found = _deployed(situation), pods.worst(situation.troubles)
    if not deployed.overdue or situation.unchanged_seconds < SETTLING_SECONDS:
        return False
    return not _is_enough(situation, deployed) and _serving(situation, deployed, found) is None


def _is_late(situation: Situation, deployed: Deployed, reason: Reason) -> bool:
    waited = situation.waited_seconds(reason)
    # For a moment, the Deployment still reports the counts of the previous rollout for a new one.
    overdue = deployed.overdue and waited >= SETTLING_SECONDS
    return overdue or waited > situation.desired.progress_deadline_seconds


def _hint(situation: Situation) -> str:
    """Return a sentence for the message if the operator cannot decide whether to replace pods in place."""
    if situation.room is not Room.UNREADABLE:
        return ""
    return (
        " The operator is not allowed to check whether nodes have room, so the old pods continue to serve requests; "
        "set spec.rollout.maxSurge to 0 to replace pods in place."
    )


def _ending(situation: Situation, found: Trouble | None) -> str:
    """Return the name of a terminating pod whose room a new pod waits for, or an empty string if there is none."""
    if found is None or found.reason is not Reason.UNSCHEDULABLE:
        return ""
    ending = (pod["metadata"] for pod in situation.servers if "deletionTimestamp" in pod["metadata"])
    return min((str(metadata["name"]) for metadata in ending), default="")


def _counted(situation: Situation, ready: int) -> str:
    return f"{ready}/{situation.wanted_replicas} pods ready"


def _served_before(situation: Situation) -> bool:
    return situation.status.current_revision == situation.desired.revision


def _is_enough(situation: Situation, deployed: Deployed) -> bool:
    """Return whether the ready pods are all that the spec requests, so that only the autoscaler wants more.

    ScalingActive reports why the autoscaler does not get more pods.
    """
    follows = situation.spec.autoscaling is not None and deployed.ready >= situation.bounds.least
    return follows and deployed.observed and _serves_alone(situation, deployed)


def _serves_alone(situation: Situation, deployed: Deployed) -> bool:
    """Return whether pods of the revision serve and no others are left. Counts may still be of another generation."""
    if deployed.observed:
        return deployed.updated == deployed.replicas and deployed.ready > 0
    return _updated_and_ready(situation) > 0


def _updated_and_ready(situation: Situation) -> int:
    deployed = _deployed(situation)
    # The operator sees a failing pod a moment before the Deployment stops counting it.
    if deployed.observed and deployed.updated == deployed.replicas and not situation.troubles:
        return deployed.ready
    return sum(pods.is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in situation.live_servers)


def _deployed(situation: Situation) -> Deployed:
    assert situation.deployed is not None  # noqa: S101 - `outdated` comes first
    return situation.deployed
