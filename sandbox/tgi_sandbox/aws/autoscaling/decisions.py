"""Whether the policies of a scalable target, combined, scale it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Alarm(StrEnum):
    """The alarm of a policy."""

    HIGH = "AlarmHigh"
    LOW = "AlarmLow"


@dataclass(frozen=True, slots=True)
class Reading:
    """The current result of one target tracking policy: its alarms, and the instance count that it wants."""

    policy: str
    high: bool
    low: bool
    wanted: int
    out_cooldown: float
    in_cooldown: float
    scales_in: bool = True


@dataclass(frozen=True, slots=True)
class Situation:
    """The current state of a scalable target. Times are those of the last scaling operations caused by policies."""

    now: float
    current: int
    least: int
    most: int
    out_suspended: bool = False
    in_suspended: bool = False
    scaled_out_at: float = 0.0
    scaled_out_by: int = 0
    scaled_in_at: float = 0.0

    def clamp(self, capacity: int) -> int:
        """Return the nearest instance count within the bounds."""
        return max(self.least, min(self.most, capacity))


@dataclass(frozen=True, slots=True)
class Decision:
    """The new instance count, and the alarm that causes it."""

    policy: str
    alarm: Alarm
    capacity: int


def decide(readings: Sequence[Reading], at: Situation) -> Decision | None:
    """Return the scaling decision; None if nothing is to be done now."""
    return _out(readings, at) or _in(readings, at)


def _out(readings: Sequence[Reading], at: Situation) -> Decision | None:
    """Any policy can scale out, and the one that wants the most instances decides."""
    wanted = [
        (at.clamp(reading.wanted), reading.policy)
        for reading in readings
        if reading.high and _may_grow(reading, at.clamp(reading.wanted), at)
    ]
    if not wanted or at.out_suspended:
        return None
    capacity, policy = max(wanted, key=lambda each: each[0])
    return Decision(policy, Alarm.HIGH, capacity)


def _may_grow(reading: Reading, capacity: int, at: Situation) -> bool:
    # assumed: the "larger scale out" that does not wait for the cooldown is one by more instances than the last one.
    cooled = at.now >= at.scaled_out_at + reading.out_cooldown or capacity - at.current > at.scaled_out_by
    return capacity > at.current and cooled


def _in(readings: Sequence[Reading], at: Situation) -> Decision | None:
    """All policies that scale in have to agree, and the one that keeps the most instances decides."""
    asked = [reading for reading in readings if reading.scales_in]
    agreed = asked and all(reading.low for reading in asked) and not any(reading.high for reading in readings)
    cooled = all(at.now >= at.scaled_in_at + reading.in_cooldown for reading in asked)
    if not agreed or not cooled or at.in_suspended:
        return None
    decisive = max(asked, key=lambda reading: reading.wanted)
    capacity = at.clamp(decisive.wanted)
    return Decision(decisive.policy, Alarm.LOW, capacity) if capacity < at.current else None
