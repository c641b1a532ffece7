"""Values over virtual time, so that requests can evaluate the past."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEPT_SECONDS: Final = 7200.0
"""Older values no longer affect any decision."""
NEVER: Final = float("-inf")


class Timeline:
    """A step function of time: a value counts until the next one is set; `listeners` are called on every change."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []
        self._times: list[float] = []
        self._values: list[float | None] = []

    @property
    def last(self) -> float:
        """When the value last changed."""
        return self._times[-1] if self._times else NEVER

    @property
    def value(self) -> float | None:
        """The latest value."""
        return self._values[-1] if self._values else None

    def set(self, at: float, value: float | None) -> None:
        """Set the value from `at` on; None: no value. Times never decrease."""
        if value == self.value:
            return
        if self._times and self._times[-1] >= at:
            self._values[-1] = value
        else:
            self._times.append(at)
            self._values.append(value)
            self._forget(at)
        for listener in self.listeners:
            listener()

    def average(self, since: float, until: float) -> float | None:
        """Return the mean from `since` until just before `until`, over the time in which there was a value."""
        weighed = covered = 0.0
        for seconds, value in self._pieces(since, until):
            if value is not None:
                weighed += value * seconds
                covered += seconds
        return weighed / covered if covered else None

    def total(self, since: float, until: float) -> float:
        """Return the mean from `since` until just before `until`, where no value counts as 0."""
        pieces = self._pieces(since, until)
        return sum((value or 0.0) * seconds for seconds, value in pieces) / (until - since)

    def _pieces(self, since: float, until: float) -> Iterator[tuple[float, float | None]]:
        at = bisect_right(self._times, since) - 1
        begin = since
        while begin < until:
            end = min(until, self._times[at + 1]) if at + 1 < len(self._times) else until
            yield end - begin, self._values[at] if at >= 0 else None
            begin, at = end, at + 1

    def _forget(self, now: float) -> None:
        if self._times[0] < now - 2 * KEPT_SECONDS:
            keep = max(0, bisect_right(self._times, now - KEPT_SECONDS) - 1)
            self._times, self._values = self._times[keep:], self._values[keep:]


class Counts:
    """The times at which an event happened."""

    def __init__(self) -> None:
        self._times: list[float] = []

    @property
    def last(self) -> float:
        """When the event last happened."""
        return self._times[-1] if self._times else NEVER

    def add(self, at: float) -> None:
        """Count one more event."""
        self._times.append(at)
        if self._times[0] < at - 2 * KEPT_SECONDS:
            self._times = self._times[bisect_left(self._times, at - KEPT_SECONDS) :]

    def within(self, since: float, until: float) -> int:
        """Return the number of events from `since` until just before `until`."""
        return bisect_left(self._times, until) - bisect_left(self._times, since)
