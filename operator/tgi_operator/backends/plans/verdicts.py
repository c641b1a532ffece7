"""The handful of things a status can say, in the same words for every backend."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tgi_operator.api.conditions import Say, merge
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType, Status
from tgi_operator.api.times import parse


@dataclass(frozen=True)
class Verdict:
    """How a resource is: what its four conditions say."""

    ready: ConditionStatus
    available: bool
    reason: Reason
    message: str
    reconciling: bool = False
    stalled: bool = False


def serving(reason: Reason, message: str) -> Verdict:
    """This generation is rolled out and serves."""
    return Verdict(ConditionStatus.TRUE, available=True, reason=reason, message=message)


def progressing(reason: Reason, message: str, *, available: bool) -> Verdict:
    """The operator or AWS is at work; nobody needs to do anything."""
    return Verdict(ConditionStatus.FALSE, available=available, reason=reason, message=message, reconciling=True)


def stalled(reason: Reason, message: str, *, available: bool) -> Verdict:
    """A person must change something."""
    return Verdict(ConditionStatus.FALSE, available=available, reason=reason, message=message, stalled=True)


def overdue(verdict: Verdict, message: str) -> Verdict:
    """The work goes on for longer than it should: a person must know."""
    return replace(verdict, reason=Reason.PROGRESS_DEADLINE_EXCEEDED, message=message, stalled=True)


def with_verdict(status: Status, generation: int, verdict: Verdict, now: str, **fields: Any) -> Status:
    """Return `status` with the conditions of `verdict`, said of `generation`, and other `fields` changed.

    ScalingActive stays as it was: whether something serves and whether it follows the load are two questions.
    """
    said = [
        Say(ConditionType.READY, verdict.ready, verdict.reason, verdict.message),
        Say(
            ConditionType.AVAILABLE,
            ConditionStatus.TRUE if verdict.available else ConditionStatus.FALSE,
            verdict.reason,
            "The endpoint answers requests." if verdict.available else "The endpoint does not answer requests.",
        ),
    ]
    if verdict.stalled:
        said.append(Say(ConditionType.STALLED, ConditionStatus.TRUE, verdict.reason, verdict.message))
    if verdict.reconciling:
        said.append(Say(ConditionType.RECONCILING, ConditionStatus.TRUE, verdict.reason, verdict.message))
    said += [
        Say(each.type, each.status, each.reason, each.message)
        for each in status.conditions
        if each.type == ConditionType.SCALING_ACTIVE
    ]
    return status.model_copy(
        update={
            "observed_generation": generation,
            "conditions": merge(status.conditions, said, generation=generation, now=now),
            **fields,
        }
    )


def was_available(status: Status) -> bool:
    """Return whether requests were answered when the status was written."""
    return any(c.type == ConditionType.AVAILABLE and c.status == ConditionStatus.TRUE for c in status.conditions)


def reconciling_seconds(status: Status, now: datetime) -> float:
    """Return how long the resource has been Reconciling; 0 where it is not."""
    since = [c.last_transition_time for c in status.conditions if c.type == ConditionType.RECONCILING]
    return (now - parse(since[0])).total_seconds() if since else 0.0
