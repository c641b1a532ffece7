"""Remedies for errors: the status to show, and the time of the next attempt. Pure, except for the jitter of pauses."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tgi_operator.api import conditions
from tgi_operator.api.conditions import ConditionUpdate
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType, Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.base import Remedy
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.verdicts import (
    Verdict,
    progressing,
    serving,
    stalled,
    unreadable,
    was_available,
    with_verdict,
)
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.operations import OPERATIONS, Purpose
from tgi_operator.backends.sagemaker.decide import attempts, memory, sizing
from tgi_operator.backends.sagemaker.decide.situation import Situation

CONTINUE_SECONDS = 1.0
"""Seconds until the rules handle a failure that was just remembered."""

UNREAD_FAILURES = 6
"""Failed reads in a row, over more than a minute, before a status shows that the state is unknown."""

LONGEST_UNREAD_SECONDS = 30.0
LONGEST_DENIED_SECONDS = 45.0
"""A refused read costs nothing. Within a minute after the permission is restored, it shows the actual state."""

_COLLECTION_FIRST, _COLLECTION_LONGEST = 60.0, 3600.0
"""Seconds between attempts to delete the remains of old revisions, which cost only calls."""

_ANNOUNCED_SECONDS = 60.0
"""Seconds from which a message names the time of the next attempt. Otherwise, each attempt would change the status."""

_UNNAMED_POLICY = "A policy that this resource does not own already exists."

RESIZE = "UpdateEndpointWeightsAndCapacities"

_KEEPING = frozenset({Purpose.ROLLOUT, Purpose.UPKEEP, Purpose.SCALING})
"""Purposes of calls for an endpoint that runs the wanted revision."""

_PASSING = frozenset({Meaning.THROTTLED, Meaning.UNAVAILABLE, Meaning.CREDENTIALS_EXPIRED})

_REMEMBERED: Mapping[Meaning, Reason] = {
    Meaning.QUOTA_EXCEEDED: Reason.QUOTA_EXCEEDED,
    Meaning.NO_CAPACITY: Reason.INSUFFICIENT_CAPACITY,
    Meaning.INVALID_ROLE: Reason.INVALID_EXECUTION_ROLE,
    Meaning.ACCESS_DENIED: Reason.ACCESS_DENIED,
    Meaning.MODEL_DATA_NOT_READABLE: Reason.MODEL_DATA_NOT_READABLE,
    Meaning.IMAGE_NOT_FOUND: Reason.IMAGE_NOT_FOUND,
    Meaning.REJECTED: Reason.REJECTED_BY_AWS,
}
"""Refusals of a rollout that the status remembers as a failure of the revision, with the reason."""


@dataclass(frozen=True)
class Handling:
    """How an error is handled: the reason shown, whether a user must act, and the pause before the next attempt.

    Pauses are in seconds and double from `first` to `longest`. The first `patience` failures in a row leave the status
    unchanged, because they usually end before anyone reads it.
    """

    reason: Reason
    stalled: bool
    first: float
    longest: float
    patience: int = 0

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row."""
        return min(self.first * 2.0 ** (failures - 1), self.longest)


HANDLING: Mapping[Meaning, Handling] = {
    # Reads are eventually consistent: AWS may not find a new object for half a minute.
    Meaning.ENDPOINT_NOT_FOUND: Handling(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.CONFIG_NOT_FOUND: Handling(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.MODEL_NOT_FOUND: Handling(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.TARGET_NOT_FOUND: Handling(Reason.SCALING_FAILED, stalled=False, first=5, longest=120, patience=5),
    # botocore does not retry it, and it ends within two minutes.
    Meaning.CONCURRENT_UPDATE: Handling(Reason.SCALING_FAILED, stalled=False, first=15, longest=120, patience=3),
    Meaning.ALREADY_EXISTS: Handling(Reason.CREATING, stalled=False, first=0.5, longest=30, patience=3),
    Meaning.IN_PROGRESS: Handling(Reason.UPDATING, stalled=False, first=1, longest=60, patience=3),
    Meaning.CONFIG_IN_USE: Handling(Reason.UPDATING, stalled=False, first=1, longest=60, patience=3),
    Meaning.QUOTA_EXCEEDED: Handling(Reason.QUOTA_EXCEEDED, stalled=True, first=600, longest=1800),
    Meaning.NO_CAPACITY: Handling(Reason.INSUFFICIENT_CAPACITY, stalled=False, first=60, longest=1800),
    # SageMaker can assume a new role only after a minute or two.
    Meaning.INVALID_ROLE: Handling(Reason.INVALID_EXECUTION_ROLE, stalled=True, first=5, longest=600, patience=5),
    # Only another attempt shows whether the bucket, the role's policy or the registry has been corrected.
    Meaning.MODEL_DATA_NOT_READABLE: Handling(Reason.MODEL_DATA_NOT_READABLE, stalled=True, first=60, longest=1800),
    Meaning.IMAGE_NOT_FOUND: Handling(Reason.IMAGE_NOT_FOUND, stalled=True, first=60, longest=1800),
    # The policy of another owner has the same metric. A read is free and shows its removal: read every minute.
    Meaning.METRIC_TAKEN: Handling(Reason.SCALING_FAILED, stalled=False, first=30, longest=60),
    # AWS may still see a recently deregistered target for a while. A target of another owner stays.
    Meaning.TARGET_REGISTERED: Handling(Reason.UPDATING, stalled=False, first=5, longest=300, patience=3),
    Meaning.ACCESS_DENIED: Handling(Reason.ACCESS_DENIED, stalled=True, first=60, longest=300),
    Meaning.CREDENTIALS_EXPIRED: Handling(Reason.CREDENTIALS_EXPIRED, stalled=False, first=1, longest=60, patience=3),
    Meaning.THROTTLED: Handling(Reason.THROTTLED, stalled=False, first=1, longest=60, patience=3),
    Meaning.UNAVAILABLE: Handling(Reason.AWS_UNAVAILABLE, stalled=False, first=1, longest=60, patience=3),
    Meaning.NOT_OWNED: Handling(Reason.NOT_OWNED, stalled=True, first=2, longest=600, patience=3),
    Meaning.UNKNOWN: Handling(Reason.REJECTED_BY_AWS, stalled=True, first=60, longest=1800),
}
"""By meaning. REJECTED has no remedy: the operator does not send the same request again."""


_UNKNOWN = HANDLING[Meaning.UNKNOWN]


def remedy(resource: Resource, situation: Situation | None, error: AWSError, failures: int, now: datetime) -> Remedy:
    """Return the remedy for `error`, the `failures`th in a row.

    `resource` carries the status to build on. `situation` is None if observing failed.
    """
    operation = OPERATIONS[error.operation]
    if operation.purpose is Purpose.READ:
        return _unread(resource, error, failures, now)
    if operation.purpose is Purpose.SCALING:
        return _not_scaling(resource, situation, error, failures, now)
    if operation.purpose is Purpose.REMOVAL and operation.part is not None and not resource.deleting:
        return _not_collected(resource, error, failures, now)
    if error.operation == RESIZE and situation is not None and situation.rendered is not None:
        return _not_resized(resource, situation, error, failures, now)
    rollout = operation.purpose is Purpose.ROLLOUT and error.meaning in _REMEMBERED
    if rollout and situation is not None and situation.rendered is not None and not is_upkeep(situation, error):
        return _refused(resource, situation, error, failures, now)
    return _handled(resource, situation, error, failures, now)


def is_upkeep(situation: Situation | None, error: AWSError) -> bool:
    """Return whether the refused call was upkeep of the endpoint that serves."""
    if situation is None or situation.rendered is None or situation.endpoint is None:
        return False
    return situation.up_to_date and OPERATIONS[error.operation].purpose in _KEEPING


def _unread(resource: Resource, error: AWSError, failures: int, now: datetime) -> Remedy:
    """A read failed: the actual state is unknown, and the endpoint keeps serving if it did."""
    handling, message = HANDLING.get(error.meaning, _UNKNOWN), f"{error.operation}: {error.message}"
    if error.meaning in _PASSING:
        after = min(_jittered(handling.pause(failures)), LONGEST_UNREAD_SECONDS)
        if failures <= UNREAD_FAILURES:
            return Remedy(None, after)
        reason = Reason.AWS_UNAVAILABLE
        return Remedy(unreadable(resource.status, resource.generation, reason, message, rfc3339(now)), after)
    after = _jittered(min(handling.pause(failures), LONGEST_DENIED_SECONDS))
    if failures <= handling.patience:
        return Remedy(None, after)
    unknown = ConditionStatus.UNKNOWN
    verdict = Verdict(
        unknown,
        unknown,
        handling.reason,
        _announcing(message, now, after),
        reconciling=not handling.stalled,
        stalled=handling.stalled,
    )
    return Remedy(with_verdict(resource.status, resource.generation, verdict, rfc3339(now)), after)


def _handled(resource: Resource, situation: Situation | None, error: AWSError, failures: int, now: datetime) -> Remedy:
    handling = HANDLING.get(error.meaning, _UNKNOWN)
    after = _jittered(handling.pause(failures))
    if failures <= handling.patience:
        return Remedy(None, after)
    message = _announcing(f"{error.operation}: {error.message}", now, after)
    available = situation.available if situation is not None else was_available(resource.status)
    verdict = (stalled if handling.stalled else progressing)(handling.reason, message, available=available)
    status = _not_creating(resource.status, situation) if handling.stalled else resource.status
    return Remedy(with_verdict(status, resource.generation, verdict, rfc3339(now)), after)


def _refused(resource: Resource, situation: Situation, error: AWSError, failures: int, now: datetime) -> Remedy:
    """AWS refused a rollout: remember that the revision failed. The rules decide on the next attempt."""
    handling = HANDLING.get(error.meaning)
    if handling is not None and failures <= handling.patience:
        return Remedy(None, _jittered(handling.pause(failures)))
    situation = replace(situation, resource=resource, now=now)
    message = f"{error.operation}: {error.message}"
    failure = attempts.remember(situation, situation.desired.revision, _REMEMBERED[error.meaning], message)
    verdict = attempts.verdict(situation, failure)
    status = _not_creating(resource.status, situation)
    shown = with_verdict(status, resource.generation, verdict, rfc3339(now), last_failure=failure)
    return Remedy(shown, CONTINUE_SECONDS)


def _not_resized(resource: Resource, situation: Situation, error: AWSError, failures: int, now: datetime) -> Remedy:
    """AWS refused another instance count: remember that, so that only the rules decide on the next request."""
    if not situation.up_to_date:
        # The status reports why the successor is waiting, and the rules request the count again.
        return Remedy(None, _jittered(HANDLING.get(error.meaning, _UNKNOWN).pause(failures)))
    replicas = situation.desired.replicas
    reason = _REMEMBERED.get(error.meaning)
    if replicas is None or reason is None or reason not in attempts.RETRIES:
        return _handled(resource, situation, error, failures, now)
    situation = replace(situation, resource=resource, now=now)
    message = f"{error.operation}: {error.message}"
    failure = attempts.remember(situation, sizing.revision_of(situation, replicas), reason, message)
    verdict = attempts.verdict(situation, failure)
    shown = with_verdict(resource.status, resource.generation, verdict, rfc3339(now), last_failure=failure)
    return Remedy(shown, CONTINUE_SECONDS)


def _not_creating(status: Status, situation: Situation | None) -> Status:
    """Return a status that no longer reports the creation of an endpoint, because AWS refused it."""
    if status.sage_maker is None or situation is None or situation.endpoint is not None:
        return status
    return status.model_copy(update={"sage_maker": memory.refused(status.sage_maker)})


def _not_scaling(
    resource: Resource, situation: Situation | None, error: AWSError, failures: int, now: datetime
) -> Remedy:
    """Application Auto Scaling refused a call: the endpoint keeps serving with its current instance count."""
    handling = HANDLING.get(error.meaning, _UNKNOWN)
    after = _jittered(handling.pause(failures))
    if failures <= handling.patience:
        return Remedy(None, after)
    status, generation, at = resource.status, resource.generation, rfc3339(now)
    message = _announcing(f"{error.operation}: {error.message}", now, after)
    available = situation.available if situation is not None else was_available(status)
    reason = handling.reason
    if error.meaning is Meaning.METRIC_TAKEN:
        foreign = status.scaling.foreign_policies if status.scaling else None
        listed = _named(foreign) if foreign else _UNNAMED_POLICY
        message, reason = f"{message} {listed}", Reason.POLICY_CONFLICT
        ready = status.ready_replicas or 0
        verdict = serving(Reason.IN_SERVICE, f"{ready} {'instance' if ready == 1 else 'instances'} ready.")
    else:
        verdict = (stalled if handling.stalled else progressing)(reason, message, available=available)
    status = with_verdict(status, generation, verdict, at)
    if resource.spec is not None and resource.spec.autoscaling is not None:
        activity = scaling.Activity(active=False, reason=reason, message=message)
        status = scaling.with_activity(status, generation, activity, at)
    return Remedy(status, after)


def _named(policies: Sequence[str]) -> str:
    which = "Another policy" if len(policies) == 1 else "Other policies"
    return f"{which} on this target: {', '.join(policies)}."


def _not_collected(resource: Resource, error: AWSError, failures: int, now: datetime) -> Remedy:
    """The remains of old revisions could not be deleted. They cost nothing and do not affect serving."""
    after = _jittered(min(_COLLECTION_FIRST * 2.0 ** min(failures - 1, 32), _COLLECTION_LONGEST))
    message = f"Models or endpoint configurations from old revisions remain: {error.operation}: {error.message}"
    ready = conditions.get(resource.status.conditions, ConditionType.READY)
    if ready is None:
        return Remedy(resource.status, after)
    shown = _announcing(f"{ready.message} {message}", now, after)
    update = ConditionUpdate(ready.type, ready.status, ready.reason, shown)
    others = tuple(each for each in resource.status.conditions if each.type != ConditionType.READY)
    merged = conditions.merge([ready], [update], generation=resource.generation, now=rfc3339(now))
    status = resource.status.model_copy(update={"conditions": (*merged, *others)})
    return Remedy(status, after)


def _announcing(message: str, now: datetime, after: float) -> str:
    """Return `message`, with a sentence that names the time of the next attempt unless that comes soon."""
    if after < _ANNOUNCED_SECONDS * 0.8:
        return message
    # Not all AWS error messages end with a period.
    return f"{message.removesuffix('.')}. Retrying at {rfc3339(now + timedelta(seconds=after))}."


def _jittered(pause: float) -> float:
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - not secret
