"""Download of the weights to their PVC, before a pod requests a GPU."""

from tgi_operator.api.identifiers import REQUEST_ANNOTATION
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Delete, Step
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import CLAIM, POD, Object, condition, is_true
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.incluster.seen.coverage import covers
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans.planning import Ask, Need, Plan
from tgi_operator.backends.plans.verdicts import progressing, stalled

PROGRESS_SECONDS = 30
"""Interval between two reads of the Job's progress."""


def fetching(situation: Situation) -> Plan[Step] | Ask | None:
    """The desired weights are not on their PVC yet. A Job fetches them, and pods that serve keep serving."""
    desired, job = situation.desired, situation.job
    if desired.job is None or situation.up_to_date:
        return None
    steps = _missing(situation, desired.job)
    uri, available = situation.spec.model.uri, situation.available
    if job is None:
        return Plan(
            situation.report(progressing(Reason.FETCHING_WEIGHTS, f"A Job is fetching {uri}.", available=available)),
            steps=steps,
        )
    if is_true(job, "Complete"):
        return None
    if is_true(job, "Failed"):
        return _failed(situation, job, steps)
    found = _trouble(situation)
    if found is not None:
        message = f"Fetching {uri}: pod {found.pod}: {found.message}"
        # A Job retries a failed download. Any other problem needs a user.
        acts = found.stalled and found.reason is not Reason.MODEL_DOWNLOAD_FAILED
        verdict = (stalled if acts else progressing)(found.reason, message, available=available)
        status = situation.report(verdict, last_failure=situation.last_failure(found))
        return Plan(status, steps=steps, after=PROGRESS_SECONDS)
    if situation.progress is None:
        return Ask(frozenset({Need.PROGRESS}))
    message = f"A Job is fetching {uri}" + (f": {situation.progress}" if situation.progress else ".")
    status = situation.report(progressing(Reason.FETCHING_WEIGHTS, message, available=available))
    return Plan(status, steps=steps, after=PROGRESS_SECONDS)


def newest_fetcher(situation: Situation) -> Object | None:
    """Return the newest pod of the Job, or None if the Job has no pod."""
    job = situation.desired.job["metadata"]["name"] if situation.desired.job else None
    mine = (
        pod
        for pod in situation.all(POD)
        if pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") == job
    )
    return max(mine, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def _failed(situation: Situation, job: Object, steps: tuple[Step, ...]) -> Plan[Step]:
    if situation.resource.requested:
        # A Job cannot be restarted. Another one is created when it is gone.
        uri = situation.spec.model.uri
        message = f"Job {job['metadata']['name']} failed; another Job will fetch {uri}, as requested."
        verdict = progressing(Reason.FETCHING_WEIGHTS, message, available=situation.available)
        return Plan(situation.report(verdict), steps=(Delete(job),))
    found = _trouble(situation)
    why = found.message if found is not None else str(condition(job, "Failed").get("message", ""))
    message = f"Job {job['metadata']['name']} failed: {why}; set the annotation {REQUEST_ANNOTATION} to retry"
    verdict = stalled(Reason.MODEL_DOWNLOAD_FAILED, message, available=situation.available)
    failure = situation.last_failure(found) if found is not None else situation.status.last_failure
    return Plan(situation.report(verdict, last_failure=failure), steps=steps)


def _missing(situation: Situation, job: Object) -> tuple[Step, ...]:
    """Return the steps that create the PVC and the Job. A Job is immutable, so it only has to exist."""
    claim, live = situation.desired.claim, situation.child(CLAIM, names.claim_name(situation.owner))
    steps: list[Step] = []
    if claim is not None and (live is None or not covers(live, claim)):
        steps.append(Apply(claim))
    if situation.job is None:
        steps.append(Apply(job))
    return tuple(steps)


def _trouble(situation: Situation) -> Trouble | None:
    newest = newest_fetcher(situation)
    return pods.trouble(newest, situation.desired.token) if newest is not None else None
