"""Download of the weights to their PVC, before a pod requests a GPU."""

from datetime import timedelta

from tgi_operator.api.identifiers import REQUEST_ANNOTATION
from tgi_operator.api.reasons import Reason
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Delete, Step
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.desired.fetch_job import made_home
from tgi_operator.backends.incluster.desired.manifests import is_applied, is_as_wanted
from tgi_operator.backends.incluster.kinds import CLAIM, JOB, POD, Object, condition, is_true
from tgi_operator.backends.incluster.seen import pods, quota
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans.planning import Ask, Need, Plan
from tgi_operator.backends.plans.verdicts import Verdict, overdue, progressing, stalled
from tgi_operator.backends.quantities import count

PROGRESS_SECONDS = 30
"""Interval between two reads of the Job's progress."""

NO_POD_SECONDS = 60
"""Time after which a Job without a pod is explained by its Events."""

RETRY_SECONDS = 60
"""Pause before another Job replaces one that failed. It doubles with each Job, up to LONGEST_RETRY_SECONDS."""

LONGEST_RETRY_SECONDS = 3600

_QUIET_ATTEMPTS = 3
"""Jobs that fail before the resource is Stalled, although the operator continues to retry."""

_FAILED_FOR_GOOD = "PodFailurePolicy"
"""Reason for a Job whose pod ended with the exit code of a permanent failure (batch/v1 JobReasonPodFailurePolicy)."""


def fetching(situation: Situation) -> Plan[Step] | Ask | None:
    """The desired weights are not on their PVC yet. A Job fetches them, and the serving pods keep serving."""
    wanted, job = situation.desired.job, situation.job
    if wanted is None or situation.up_to_date:
        return None
    if job is None:
        message = f"A Job is fetching {situation.spec.model.uri}."
        return _plan(situation, progressing(Reason.FETCHING_WEIGHTS, message, available=situation.available))
    if is_true(job, "Complete"):
        if made_home(job) == made_home(wanted):
            return None
        return _replaced(situation, job, "has fetched the weights to another folder of the volume;")
    if situation.resource.requested and is_true(job, "Failed"):
        return _replaced(situation, job, "failed; as requested,")
    if not is_applied(job, wanted):
        return _replaced(situation, job, "is being replaced because its input has changed;")
    return _failed(situation, job) if is_true(job, "Failed") else _running(situation, job)


def newest_fetcher(situation: Situation) -> Object | None:
    """Return the newest pod of the Job, or None if the Job has no pod."""
    job = situation.desired.job["metadata"]["name"] if situation.desired.job else None
    mine = (
        pod
        for pod in situation.all(POD)
        if pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") == job
    )
    return max(mine, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def _running(situation: Situation, job: Object) -> Plan[Step] | Ask:
    """The Job has neither completed nor failed."""
    pod, uri = newest_fetcher(situation), situation.spec.model.uri
    found = _trouble(situation)
    if found is not None:
        message = f"Fetching {uri}: pod {found.pod}: {found.message}{_pending_claim(situation)}"
        # A Job retries a failed download. Any other lasting problem requires a user.
        retried = found.reason is Reason.MODEL_DOWNLOAD_FAILED
        acts = not retried and (found.stalled or _is_late(situation, found.reason))
        verdict = (stalled if acts else progressing)(found.reason, message, available=situation.available)
        return _plan(situation, verdict, found)
    if pod is None or pod["status"].get("phase") == "Pending":
        created = parse(str((pod or job)["metadata"]["creationTimestamp"]))
        waited = (situation.now - created).total_seconds()
        if waited > NO_POD_SECONDS:
            if situation.warning is None:
                return Ask(frozenset({Need.WARNING}))
            return _plan(situation, _waiting(situation, job, pod, waited))
    if situation.progress is None:
        return Ask(frozenset({Need.PROGRESS}))
    message = f"A Job is fetching {uri}" + (f": {situation.progress}" if situation.progress else ".")
    return _plan(situation, progressing(Reason.FETCHING_WEIGHTS, message, available=situation.available))


def _waiting(situation: Situation, job: Object, pod: Object | None, waited: float) -> Verdict:
    """Return the verdict on a Job whose pod does not exist or does not start, after some seconds."""
    kind, name = ("pod", pod["metadata"]["name"]) if pod is not None else ("job", job["metadata"]["name"])
    uri, warning = situation.spec.model.uri, situation.warning or ""
    lacking = "has not started" if pod is not None else "has no pod"
    shown = warning or f"to find out why, run `kubectl describe {kind} {name} -n {situation.owner.namespace}`"
    message = f"Fetching {uri}: {kind.capitalize()} {name} {lacking}; {shown}{_pending_claim(situation)}"
    if pod is None and warning:
        reason = Reason.QUOTA_EXCEEDED if quota.is_exceeded(warning) else Reason.REJECTED_BY_KUBERNETES
        return stalled(reason, message, available=situation.available)
    verdict = progressing(Reason.FETCHING_WEIGHTS, message, available=situation.available)
    if waited > situation.desired.progress_deadline_seconds:
        return overdue(verdict, f"No progress within the deadline. {message}")
    return verdict


def _failed(situation: Situation, job: Object) -> Plan[Step]:
    found, failure = _trouble(situation), condition(job, "Failed")
    why = found.message if found is not None and found.message else str(failure.get("message", ""))
    name = job["metadata"]["name"]
    if failure.get("reason") == _FAILED_FOR_GOOD:
        message = f"Job {name} failed: {why}; to retry, set the {REQUEST_ANNOTATION} annotation"
        return _plan(situation, stalled(Reason.MODEL_DOWNLOAD_FAILED, message, available=situation.available), found)
    attempts = _attempts(job)
    due = parse(str(failure["lastTransitionTime"])) + timedelta(
        seconds=min(RETRY_SECONDS * 2**attempts, LONGEST_RETRY_SECONDS)
    )
    left = (due - situation.now).total_seconds()
    if left <= 0:
        return _replaced(situation, job, "failed;", attempts + 1)
    message = f"Job {name} failed: {why}. Retrying at {rfc3339(due)}."
    verdict = stalled if attempts >= _QUIET_ATTEMPTS else progressing
    plan = _plan(situation, verdict(Reason.MODEL_DOWNLOAD_FAILED, message, available=situation.available), found)
    return plan.sooner(left + 1)


def _replaced(situation: Situation, job: Object, what: str, attempts: int = 0) -> Plan[Step]:
    """Return the plan that replaces a Job. A Job is immutable and cannot be restarted."""
    assert situation.desired.job is not None  # noqa: S101 - `fetching` has checked it
    message = f"Job {job['metadata']['name']} {what} another Job is fetching {situation.spec.model.uri}."
    verdict = progressing(Reason.FETCHING_WEIGHTS, message, available=situation.available)
    another = Apply.of(situation.desired.job)
    if attempts:
        metadata = another.manifest["metadata"]
        annotations = metadata["annotations"] | {names.ANNOTATION_ATTEMPT: str(attempts)}
        another = Apply(another.manifest | {"metadata": metadata | {"annotations": annotations}})
    return Plan(situation.report(verdict), steps=(Delete(job), another), after=PROGRESS_SECONDS)


def _attempts(job: Object) -> int:
    """Return how many Jobs failed before this one. Another user can write anything into the annotation."""
    return min(count(job["metadata"].get("annotations", {}).get(names.ANNOTATION_ATTEMPT), digits=4), 64)


def _plan(situation: Situation, verdict: Verdict, found: Trouble | None = None) -> Plan[Step]:
    """Return the plan with the missing objects, and without the Jobs for other weights that have not completed."""
    failure = situation.last_failure(found) if found is not None else situation.status.last_failure
    status = situation.report(verdict, last_failure=failure)
    return Plan(status, steps=(*_former_jobs(situation), *_missing(situation)), after=PROGRESS_SECONDS)


def _former_jobs(situation: Situation) -> tuple[Step, ...]:
    assert situation.desired.job is not None  # noqa: S101 - `fetching` has checked it
    wanted = situation.desired.job["metadata"]["name"]
    living = (job for job in situation.all(JOB) if "deletionTimestamp" not in job["metadata"])
    return tuple(Delete(job) for job in living if job["metadata"]["name"] != wanted and not is_true(job, "Complete"))


def _missing(situation: Situation) -> tuple[Step, ...]:
    """Return the steps that create the PVC and the Job."""
    claim, live = situation.desired.claim, situation.child(CLAIM, names.claim_name(situation.owner))
    steps: list[Step] = []
    if claim is not None and (live is None or not is_as_wanted(live, claim)):
        steps.append(Apply.of(claim))
    if situation.job is None and situation.desired.job is not None:
        steps.append(Apply.of(situation.desired.job))
    return tuple(steps)


def _pending_claim(situation: Situation) -> str:
    """Return a sentence about the operator's PVC if no volume is bound to it, or an empty string."""
    claim = situation.own_claim
    if situation.desired.claim is None or claim is None or claim.get("status", {}).get("phase") != "Pending":
        return ""
    spec = claim["spec"]
    given = f"storage class {spec['storageClassName']}" if spec.get("storageClassName") else "no storage class"
    modes = spec.get("accessModes", ())
    shown = f"access {'mode' if len(modes) == 1 else 'modes'} {', '.join(modes)}"
    return f" PersistentVolumeClaim {claim['metadata']['name']} is Pending ({given}, {shown})."


def _is_late(situation: Situation, reason: Reason) -> bool:
    return situation.waited_seconds(reason) > situation.desired.progress_deadline_seconds


def _trouble(situation: Situation) -> Trouble | None:
    newest = newest_fetcher(situation)
    return pods.trouble(newest, situation.desired.secrets) if newest is not None else None
