"""The weights are brought onto their claim before a pod asks for a GPU."""

from dataclasses import replace
from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.situation import Wanted
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import CLAIM, POD, Object
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.incluster.seen.coverage import covers
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import progressing, stalled

PROGRESS_SECONDS = 30
"""How often the job's progress is read."""


def fetching(at: Wanted) -> Plan[Step] | None:
    """The weights wanted are not on their claim yet: have them fetched, and wait; what serves goes on serving."""
    desired = at.desired
    if desired.job is None or at.up_to_date:
        return None
    missing = (made for made in (desired.claim, desired.job) if made is not None and not _is_there(at, made))
    steps = tuple(Apply(manifest) for manifest in missing)
    uri = at.spec.model.uri
    if at.job is None:
        verdict = progressing(Reason.FETCHING_WEIGHTS, f"A job fetches {uri}.", available=at.available)
        return Plan(at.show(verdict), steps=steps, ahead=True)
    if is_condition(at.job, "Complete"):
        return None
    found = _trouble(at)
    if is_condition(at.job, "Failed"):
        message = f"Job {at.job['metadata']['name']} failed; delete it to have it tried again. {_words(at, found)}"
        verdict = stalled(Reason.MODEL_DOWNLOAD_FAILED, message, available=at.available)
        failure = at.remember(found) if found else at.status.last_failure
        return Plan(at.show(verdict, last_failure=failure), steps=steps)
    if found is not None:
        verdict = progressing(found.reason, f"Fetching {uri}: pod {found.pod}: {found.message}", available=at.available)
        return Plan(at.show(verdict, last_failure=at.remember(found)), steps=steps, after=PROGRESS_SECONDS)
    message = f"A job fetches {uri}" + (f": {at.progress}" if at.progress else ".")
    verdict = progressing(Reason.FETCHING_WEIGHTS, message, available=at.available)
    return Plan(at.show(verdict), steps=steps, after=PROGRESS_SECONDS)


def fetchers(at: Wanted) -> tuple[Object, ...]:
    """Return the pods of the job, the newest first."""
    job = at.desired.job["metadata"]["name"] if at.desired.job else None
    mine = [pod for pod in at.all(POD) if pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") == job]
    return tuple(sorted(mine, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True))


def is_condition(job: Object, kind: str) -> bool:
    """Return whether a condition of the job is True."""
    conditions: list[dict[str, Any]] = job.get("status", {}).get("conditions", [])
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)


def _is_there(at: Wanted, manifest: Object) -> bool:
    """Return whether an object is there as it should be; of a job that cannot be changed, whether it is there."""
    if manifest is at.desired.job:
        return at.job is not None
    live = at.child(CLAIM, names.claim_name(at.owner))
    return live is not None and covers(live, manifest)


def _trouble(at: Wanted) -> Trouble | None:
    newest = fetchers(at)[:1]
    found = pods.trouble(newest[0]) if newest else None
    return replace(found, message=pods.redacted(found.message, at.desired.token)) if found else None


def _words(at: Wanted, found: Trouble | None) -> str:
    if found is not None:
        return found.message
    assert at.job is not None  # noqa: S101 - only asked of a failed job
    conditions = at.job.get("status", {}).get("conditions", [])
    return next((str(each.get("message", "")) for each in conditions if each["type"] == "Failed"), "")
