"""The few verdicts that a status can report, with the same reasons and conditions for every backend."""

from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from tgi_operator.api import conditions
from tgi_operator.api.conditions import ConditionUpdate
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import (
    ConditionStatus,
    ConditionType,
    InClusterStatus,
    LastFailure,
    SageMakerStatus,
    ScalingStatus,
    Status,
)

_SERVING = {
    ConditionStatus.TRUE: (Reason.SERVING, "The endpoint accepts requests."),
    ConditionStatus.FALSE: (Reason.NOT_SERVING, "The endpoint does not accept requests."),
    ConditionStatus.UNKNOWN: (
        Reason.SERVING_UNKNOWN,
        "The operator cannot determine whether the endpoint accepts requests.",
    ),
}


class StatusFields(TypedDict, total=False):
    """Fields of Status other than the conditions."""

    backend: str | None
    replicas: int | None
    ready_replicas: int | None
    desired_replicas: int | None
    selector: str | None
    url: str | None
    image: str | None
    current_revision: str | None
    update_revision: str | None
    sage_maker: SageMakerStatus | None
    in_cluster: InClusterStatus | None
    scaling: ScalingStatus | None
    last_failure: LastFailure | None
    last_handled_request: str | None


@dataclass(frozen=True)
class Verdict:
    """The state of a resource that its conditions report."""

    ready: ConditionStatus
    available: ConditionStatus
    reason: Reason
    message: str
    reconciling: bool = False
    stalled: bool = False


def serving(reason: Reason, message: str) -> Verdict:
    """This generation is rolled out and serves."""
    return Verdict(ConditionStatus.TRUE, ConditionStatus.TRUE, reason, message)


def progressing(reason: Reason, message: str, *, available: ConditionStatus | bool) -> Verdict:
    """The operator or AWS is working. No user needs to act."""
    return Verdict(ConditionStatus.FALSE, _status(available), reason, message, reconciling=True)


def stalled(reason: Reason, message: str, *, available: ConditionStatus | bool) -> Verdict:
    """A user must change something."""
    return Verdict(ConditionStatus.FALSE, _status(available), reason, message, stalled=True)


def overdue(verdict: Verdict, message: str) -> Verdict:
    """The work takes longer than it should, and a user must know."""
    return replace(verdict, reason=Reason.PROGRESS_DEADLINE_EXCEEDED, message=message, stalled=True)


def with_verdict(status: Status, generation: int, verdict: Verdict, now: str, **fields: Unpack[StatusFields]) -> Status:
    """Return `status` with the conditions of `verdict`, observed at `generation`, and other `fields` changed.

    ScalingActive stays the same: whether an endpoint serves and whether it follows the load are two questions.
    """
    reason, message = _SERVING[verdict.available]
    updates = [
        ConditionUpdate(ConditionType.READY, verdict.ready, verdict.reason, verdict.message),
        ConditionUpdate(ConditionType.AVAILABLE, verdict.available, reason, message),
    ]
    for kind, holds in ((ConditionType.STALLED, verdict.stalled), (ConditionType.RECONCILING, verdict.reconciling)):
        if holds:
            updates.append(ConditionUpdate(kind, ConditionStatus.TRUE, verdict.reason, verdict.message))
    updates += _kept(status, ConditionType.SCALING_ACTIVE)
    merged = conditions.merge(status.conditions, updates, generation=generation, now=now)
    return status.model_copy(update={"observed_generation": generation, "conditions": merged, **fields})


def as_reported(before: Status, status: Status) -> Status:
    """Return `status` with the conditions and generation of `before`, because steps for the new one can still fail."""
    return status.model_copy(
        update={"conditions": before.conditions, "observed_generation": before.observed_generation}
    )


def unreadable(status: Status, generation: int, reason: Reason, message: str, now: str) -> Status:
    """Return `status` with Ready and Available Unknown, because the actual state cannot be read.

    Stalled and Reconciling keep their values. A generation that no status has reported yet is Reconciling.
    """
    unknown = ConditionStatus.UNKNOWN
    updates = [
        ConditionUpdate(ConditionType.READY, unknown, reason, message),
        ConditionUpdate(ConditionType.AVAILABLE, unknown, reason, message),
        *_kept(status, ConditionType.STALLED, ConditionType.RECONCILING, ConditionType.SCALING_ACTIVE),
    ]
    reconciling = conditions.get(status.conditions, ConditionType.RECONCILING)
    if status.observed_generation != generation and reconciling is None:
        updates.append(ConditionUpdate(ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message))
    merged = conditions.merge(status.conditions, updates, generation=generation, now=now)
    return status.model_copy(update={"observed_generation": generation, "conditions": merged})


def _kept(status: Status, *kinds: ConditionType) -> list[ConditionUpdate]:
    found = (conditions.get(status.conditions, kind) for kind in kinds)
    return [ConditionUpdate(each.type, each.status, each.reason, each.message) for each in found if each is not None]


def _status(available: ConditionStatus | bool) -> ConditionStatus:
    if isinstance(available, ConditionStatus):
        return available
    return ConditionStatus.TRUE if available else ConditionStatus.FALSE


def was_available(status: Status) -> ConditionStatus:
    """Return the value of Available when the status was written, or False if it had none."""
    found = conditions.get(status.conditions, ConditionType.AVAILABLE)
    return found.status if found is not None else ConditionStatus.FALSE
