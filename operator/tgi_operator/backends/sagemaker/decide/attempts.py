"""The memory of what failed, and whether it may be tried again."""

from datetime import timedelta

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import LastFailure
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import progressing, stalled
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.decide.collection import collecting
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.seen.state import Step

RETRY_FIRST_SECONDS = 60
RETRY_LONGEST_SECONDS = 1800
RETRY_LIMIT = 50
"""A revision that AWS had no capacity for is tried again after 1, 2, 4, … 30 minutes, for about a day."""


def remembered(at: Wanted, revision: str) -> LastFailure | None:
    """Return the memory of `revision`'s last failure, None where it did not fail or is no longer remembered."""
    failure = at.status.last_failure
    return failure if failure is not None and failure.revision == revision else None


def remember(at: Wanted, revision: str, reason: Reason, message: str) -> LastFailure:
    """Return the memory of a failure just seen."""
    before = remembered(at, revision)
    return LastFailure(
        time=rfc3339(at.now),
        revision=revision,
        reason=reason,
        message=message[:4096],
        attempts=before.attempts + 1 if before else 1,
    )


def may_be_retried(failure: LastFailure) -> bool:
    """Return whether the same revision may well succeed later, and was not tried too often."""
    return failure.reason in errors.RETRYABLE and failure.attempts < RETRY_LIMIT


def pause(at: Wanted, failure: LastFailure) -> float:
    """Return the seconds until a failure may be tried again; 0 when that is now."""
    backoff = min(RETRY_FIRST_SECONDS * 2.0 ** (failure.attempts - 1), RETRY_LONGEST_SECONDS)
    return max(0.0, (parse(failure.time) + timedelta(seconds=backoff) - at.now).total_seconds())


def blocked(at: Wanted) -> Plan[Step] | None:
    """Return why the wanted revision, that failed, is not tried now; None when it may be."""
    failure = remembered(at, at.desired.revision)
    if failure is None:
        return None
    if not may_be_retried(failure):
        message = f"Revision {failure.revision} failed and is not tried again until the spec changes: {failure.message}"
        return collecting(at, stalled(Reason(failure.reason), message, available=at.available))
    seconds = pause(at, failure)
    if seconds == 0:
        return None
    message = f"Attempt {failure.attempts} failed, the next follows by itself: {failure.message}"
    return Plan(at.show(progressing(Reason(failure.reason), message, available=at.available)), after=seconds)
