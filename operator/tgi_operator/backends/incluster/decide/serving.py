"""What pods of the wanted revision make of it."""

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, Status
from tgi_operator.backends.incluster.decide.rollout import how
from tgi_operator.backends.incluster.decide.situation import Deployed, Wanted, revision_of
from tgi_operator.backends.incluster.decide.steps import Delete, Step
from tgi_operator.backends.incluster.kinds import JOB
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict, overdue, progressing, serving, stalled

SETTLING_SECONDS = 3
REFUSED_SECONDS = 60


def refused(at: Wanted) -> Plan[Step] | None:
    """The cluster lets no pod be made: a quota, or a policy."""
    deployed = _deployed(at)
    failed = deployed.condition("ReplicaFailure")
    if deployed.complete or failed.get("status") != "True":
        return None
    if _is_enough(at, deployed):
        message = f"{deployed.ready} of {at.wanted_replicas} pod(s) serve."
        return Plan(_served(at, serving(Reason.SCALING, message)), after=REFUSED_SECONDS)
    words = str(failed.get("message", ""))
    reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in words else Reason.REJECTED_BY_KUBERNETES
    return Plan(at.show(stalled(reason, words, available=at.available)), after=REFUSED_SECONDS)


def serves(at: Wanted) -> Plan[Step] | None:
    """All pods wanted serve, and nothing is wrong: jobs of old revisions are of no use any more."""
    if not _deployed(at).complete or at.troubles:
        return None
    old = tuple(job for job in at.all(JOB) if at.desired.job is None or job["metadata"]["name"] != _job_name(at))
    steps = tuple(Delete(job) for job in old if "deletionTimestamp" not in job["metadata"])
    names = ", ".join(job["metadata"]["name"] for job in old)
    return Plan(outcome(at), steps=steps, notes=(Note(Reason.COLLECTED, f"Deleted job {names}."),) if steps else ())


def rolling(at: Wanted) -> Plan[Step]:
    """Pods start, or something keeps them from it."""
    shown, patience = outcome(at), at.desired.progress_deadline_seconds
    waited = at.waited_seconds(next(Reason(each.reason) for each in shown.conditions))
    if _deployed(at).overdue and waited < SETTLING_SECONDS:
        return Plan(shown, after=SETTLING_SECONDS)
    return Plan(shown, after=patience - waited + 1 if waited <= patience else None)


def outcome(at: Wanted) -> Status:
    """Return the status that tells what the pods are doing."""
    deployed, found = _deployed(at), pods.worst(at.troubles)
    served_before = at.status.current_revision == at.desired.revision
    if found is None and deployed.complete and deployed.wanted == at.wanted_replicas:
        return _served(at, serving(Reason.IN_SERVICE, f"{deployed.ready} of {at.wanted_replicas} pod(s) serve."))
    if found is None and deployed.wanted == at.wanted_replicas == deployed.replicas == 0:
        nobody = Verdict(
            ConditionStatus.TRUE, available=False, reason=Reason.SCALED_TO_ZERO, message="No pods are wanted."
        )
        return _served(at, nobody)
    if found is None and served_before and _serves_alone(at, deployed):
        message = f"{deployed.ready} of {at.wanted_replicas} pod(s) serve while others start."
        return _served(at, serving(Reason.SCALING, message))
    if found is not None and found.reason is Reason.UNSCHEDULABLE and _is_enough(at, deployed):
        message = f"{deployed.ready} of {at.wanted_replicas} pod(s) serve, and no node takes more."
        return _served(at, serving(Reason.SCALING, message))
    verdict = _verdict(at, deployed, found, served_before=served_before)
    failure = at.remember(found) if found is not None else at.status.last_failure
    return at.show(verdict, update_revision=at.desired.revision, last_failure=failure)


def _served(at: Wanted, verdict: Verdict) -> Status:
    """Return the status of a revision that serves: only now its image is the one that an unnamed version keeps."""
    revision, failure = at.desired.revision, at.status.last_failure
    return at.show(
        verdict,
        image=at.desired.image,
        current_revision=revision,
        update_revision=revision,
        # Of this revision it tells why a pod was restarted; what failed before is over.
        last_failure=failure if failure is not None and failure.revision == revision else None,
    )


def _verdict(at: Wanted, deployed: Deployed, found: Trouble | None, *, served_before: bool) -> Verdict:
    counted = f"{_updated_and_ready(at)} of {at.wanted_replicas} pod(s) serve revision {at.desired.revision}."
    first = not at.status.current_revision
    reason = Reason.CREATING if first or served_before else Reason.UPDATING
    message = counted if first or served_before else f"{counted} {how(at, deployed.strategy)}"
    verdict = progressing(reason, message, available=at.available)
    if found is not None:
        verdict = progressing(found.reason, f"{counted} Pod {found.pod}: {found.message}", available=at.available)
    waited = at.waited_seconds(verdict.reason)
    # For a moment the Deployment still says of a new rollout what it said of the one before.
    late = waited > at.desired.progress_deadline_seconds or (deployed.overdue and waited >= SETTLING_SECONDS)
    if found is not None and (found.stalled or late):
        return Verdict(verdict.ready, verdict.available, found.reason, verdict.message, stalled=True)
    return overdue(verdict, f"No progress for too long. {message}") if late else verdict


def _is_enough(at: Wanted, deployed: Deployed) -> bool:
    """Return whether what serves is all that the spec asks for: more is what the autoscaler would like.

    ScalingActive tells what keeps it from that.
    """
    served_before = at.status.current_revision == at.desired.revision
    follows = at.spec.autoscaling is not None and deployed.ready >= at.bounds.least
    return follows and served_before and _serves_alone(at, deployed)


def _serves_alone(at: Wanted, deployed: Deployed) -> bool:
    """Return whether pods of the revision serve and no other is left; numbers not yet renewed do not tell whose."""
    if deployed.observed:
        return deployed.updated == deployed.replicas and deployed.ready > 0
    return _updated_and_ready(at) > 0


def _updated_and_ready(at: Wanted) -> int:
    deployed = _deployed(at)
    # A pod that got into trouble is known a moment before the Deployment counts it out.
    if deployed.observed and deployed.updated == deployed.replicas and not at.troubles:
        return deployed.ready
    mine = (pod for pod in at.servers if revision_of(pod) == at.live_revision)
    return sum(pods.is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in mine)


def _deployed(at: Wanted) -> Deployed:
    assert at.deployed is not None  # noqa: S101 - `outdated` comes first
    return at.deployed


def _job_name(at: Wanted) -> str:
    assert at.desired.job is not None  # noqa: S101 - only asked where there is one
    return str(at.desired.job["metadata"]["name"])
