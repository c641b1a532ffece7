"""Conditions as a pure merge: times move only when a status flips, abnormal ones vanish when they are over."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tgi_operator.api.status import Condition, ConditionStatus


@dataclass(frozen=True)
class Say:
    """What is to be said of one condition."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def merge(previous: Sequence[Condition], said: Iterable[Say], *, generation: int, now: str) -> tuple[Condition, ...]:
    """Return the conditions after `said`, which is complete: what it does not name is gone.

    `now` is an RFC 3339 time; lastTransitionTime keeps its old value while the status stays.
    """
    before = {condition.type: condition for condition in previous}
    merged = []
    for say in said:
        old = before.get(say.type)
        same = old is not None and old.status == say.status
        merged.append(
            Condition(
                type=say.type,
                status=say.status,
                observed_generation=generation,
                last_transition_time=old.last_transition_time if old is not None and same else now,
                reason=say.reason,
                message=say.message,
            )
        )
    return tuple(merged)
