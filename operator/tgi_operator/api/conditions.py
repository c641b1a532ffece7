"""Conditions as a pure merge: times change only when a status changes, and abnormal conditions that end are removed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tgi_operator.api.status import MOST_MESSAGE, Condition, ConditionStatus, ConditionType


@dataclass(frozen=True)
class ConditionUpdate:
    """The content that one condition reports from now on."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def get(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """Return the condition of a type, or None if there is none."""
    return next((each for each in conditions if each.type == kind), None)


def is_true(conditions: Sequence[Condition], kind: ConditionType) -> bool:
    """Return whether the condition of a type exists and is True."""
    found = get(conditions, kind)
    return found is not None and found.status == ConditionStatus.TRUE


def merge(
    previous: Sequence[Condition], updates: Iterable[ConditionUpdate], *, generation: int, now: str
) -> tuple[Condition, ...]:
    """Return the conditions after `updates`. The updates are complete: a type that they do not name is removed.

    `now` is an RFC 3339 time. lastTransitionTime keeps its old value while the status stays the same. Messages are cut
    to the length that the CRD allows.
    """
    before = {condition.type: condition for condition in previous}
    merged = []
    for update in updates:
        old = before.get(update.type)
        same = old is not None and old.status == update.status
        merged.append(
            Condition(
                type=update.type,
                status=update.status,
                observed_generation=generation,
                last_transition_time=old.last_transition_time if old is not None and same else now,
                reason=update.reason,
                message=update.message[:MOST_MESSAGE],
            )
        )
    return tuple(merged)
