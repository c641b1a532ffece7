"""Values over virtual time, so that the past can be evaluated when somebody asks."""

from __future__ import annotations

import itertools
from bisect import bisect_right

KEPT_SECONDS = 7200.0
"""What is older decides nothing any more."""


class Timeline:
    """A step function of time: the value set last counts until the next."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._values: list[float | None] = []

    def set(self, at: float, value: float | None) -> None:
        """From `at` on the value is this; None: there is none. Times never go back."""
        if self._times and self._times[-1] >= at:
            self._values[-1] = value
            return
        self._times.append(at)
        self._values.append(value)
        if self._times[0] < at - 2 * KEPT_SECONDS:
            keep = max(0, bisect_right(self._times, at - KEPT_SECONDS) - 1)
            self._times, self._values = self._times[keep:], self._values[keep:]

    def at(self, time: float) -> float | None:
        """Return the value at a time, None where there was none."""
        found = bisect_right(self._times, time) - 1
        return self._values[found] if found >= 0 else None

    def average(self, since: float, until: float) -> float | None:
        """Return the mean over a span; where there was no value it counts nothing."""
        marks = [since, *(time for time in self._times if since < time < until), until]
        weighed = covered = 0.0
        for begin, end in itertools.pairwise(marks):
            value = self.at(begin)
            if value is not None:
                weighed += value * (end - begin)
                covered += end - begin
        return weighed / covered if covered else None


class Counts:
    """Moments at which something happened."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def add(self, at: float) -> None:
        """Count one more."""
        self._times.append(at)
        if self._times[0] < at - 2 * KEPT_SECONDS:
            self._times = self._times[bisect_right(self._times, at - KEPT_SECONDS) :]

    def within(self, since: float, until: float) -> int:
        """Return how many there were after `since` and up to `until`."""
        return bisect_right(self._times, until) - bisect_right(self._times, since)
