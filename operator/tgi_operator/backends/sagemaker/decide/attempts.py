"""The memory of failures: whether the same revision can be tried again, and when."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tgi_operator.api.identifiers import REQUEST_ANNOTATION
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import LastFailure
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import Verdict, progressing, stalled
from tgi_operator.backends.sagemaker.decide.collection import collecting
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step


@dataclass(frozen=True)
class Retry:
    """How a failure is retried. Pauses in seconds double from `first` to `longest`.

    `limit` is the number of attempts, or None if there is no limit, because an attempt that AWS refuses costs nothing.
    `stalled` means that a user must change something.
    """

    first: float
    longest: float
    stalled: bool
    limit: int | None = None

    def pause(self, attempts: int) -> float:
        """Return the seconds to wait after this many failed attempts."""
        return min(self.first * 2.0 ** min(attempts - 1, 32), self.longest)


_CAPACITY = Retry(60, 1800, stalled=False, limit=50)
"""1, 2, 4, … 30 minutes, for about a day."""

RETRIES: Mapping[str, Retry] = {
    Reason.INSUFFICIENT_CAPACITY: _CAPACITY,
    Reason.INTERNAL_FAILURE: _CAPACITY,
    Reason.QUOTA_EXCEEDED: Retry(600, 1800, stalled=True),
    Reason.ACCESS_DENIED: Retry(60, 300, stalled=True),
    Reason.INVALID_EXECUTION_ROLE: Retry(60, 600, stalled=True),
    Reason.MODEL_DATA_NOT_READABLE: Retry(60, 1800, stalled=True),
    Reason.IMAGE_NOT_FOUND: Retry(60, 1800, stalled=True),
    # Each attempt starts an instance before it fails.
    Reason.MODEL_DOWNLOAD_FAILED: Retry(1800, 1800, stalled=True, limit=5),
}
"""By reason. Any other failure is remembered until the spec changes.

Capacity, quota, permissions, weights and images belong to the account, not to the spec, and can be fixed without
changing the spec.
"""


_OF_A_CONTAINER = frozenset(
    {
        Reason.CONTAINER_NOT_HEALTHY,
        Reason.ENDPOINT_FAILED,
        Reason.MODEL_DOWNLOAD_FAILED,
        Reason.UPDATE_ROLLBACK_FAILED,
        Reason.UPDATE_ROLLED_BACK,
    }
)
"""Reasons that the logs of a container may explain."""

_QUOTA = re.compile(r"service limit '([^']+)'")
"""The name of a quota in ResourceLimitExceeded (docs: common errors)."""


def remembered(situation: Situation, revision: str) -> LastFailure | None:
    """Return the memory of `revision`'s last failure, or None if there was none or it is no longer remembered.

    A failure whose reason only another version knows is not remembered, because it has no effect.
    """
    failure = situation.status.last_failure
    if failure is None or failure.revision != revision or Reason.known(failure.reason) is None:
        return None
    return failure


def remember(situation: Situation, revision: str, reason: Reason, message: str) -> LastFailure:
    """Return the memory of a failure just observed."""
    before = remembered(situation, revision)
    return LastFailure(
        time=rfc3339(situation.now),
        revision=revision,
        reason=reason,
        message=message[:4096],
        attempts=before.attempts + 1 if before else 1,
    )


def may_be_retried(failure: LastFailure) -> bool:
    """Return whether the same revision may succeed later and has attempts left."""
    retry = RETRIES.get(failure.reason)
    return retry is not None and (retry.limit is None or failure.attempts < retry.limit)


def is_due(situation: Situation, failure: LastFailure) -> bool:
    """Return whether a failure is retried: the policy allows it, or a user requests it."""
    return situation.resource.requested or may_be_retried(failure)


def next_attempt(failure: LastFailure) -> datetime:
    """Return the time of the next retry of a failure that is retried."""
    return parse(failure.time) + timedelta(seconds=RETRIES[failure.reason].pause(failure.attempts))


def pause(situation: Situation, failure: LastFailure) -> float:
    """Return the seconds until a failure can be retried, or 0 if that is now."""
    if situation.resource.requested:
        return 0.0
    seconds = (next_attempt(failure) - situation.now).total_seconds()
    # A failure with a future time is not the operator's.
    return min(max(0.0, seconds), RETRIES[failure.reason].pause(failure.attempts))


def verdict(situation: Situation, failure: LastFailure) -> Verdict:
    """Return the verdict for a failed revision that is not tried now."""
    reason, available = Reason(failure.reason), situation.available
    if not may_be_retried(failure):
        # Not all AWS error messages end with a period.
        what = f"Revision {failure.revision} failed: {failure.message.removesuffix('.')}."
        how = f"To retry, change the spec or set the {REQUEST_ANNOTATION} annotation."
        message = f"{what} {how}{_advice(situation, failure)}"
        return stalled(reason, message, available=available)
    retry = RETRIES[failure.reason]
    of = f" of {retry.limit}" if retry.limit is not None else ""
    when = rfc3339(next_attempt(failure))
    advice = _advice(situation, failure)
    message = f"Attempt {failure.attempts}{of} failed; retrying at {when}: {failure.message}{advice}"
    return (stalled if retry.stalled else progressing)(reason, message, available=available)


def _advice(situation: Situation, failure: LastFailure) -> str:
    """Return what the AWS error message lacks: the location of the container's logs, or the quota's name."""
    place = situation.place
    if failure.reason in _OF_A_CONTAINER:
        return f" Logs: {place.logs}"
    if failure.reason == Reason.QUOTA_EXCEEDED:
        named = _QUOTA.search(failure.message)
        quota = named[1] if named else f"{situation.desired.instance_type} for endpoint usage"
        return (
            f" In AWS Service Quotas, request an increase for the Amazon SageMaker quota '{quota}' in {place.region}."
        )
    return ""


def blocked(situation: Situation) -> Plan[Step] | None:
    """Return the reason why the wanted revision, which failed, is not tried now, or None if it can be."""
    failure = remembered(situation, situation.desired.revision)
    if failure is None or situation.resource.requested:
        return None
    if not may_be_retried(failure):
        return collecting(situation, verdict(situation, failure))
    seconds = pause(situation, failure)
    if seconds == 0:
        return None
    return collecting(situation, verdict(situation, failure)).sooner(seconds)
