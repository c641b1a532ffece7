"""Time as one machine sees it, also when the process or the machine was asleep in between."""

import time
from collections.abc import Callable
from typing import NamedTuple

# Goes on while the machine sleeps, which CLOCK_MONOTONIC does not. Both go on while only the process is stopped.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Moment(NamedTuple):
    """A moment by the steady clock of the machine, and by the clock on the wall, which may be set."""

    steady: float
    wall: float

    def surely_until(self, later: "Moment") -> float:
        """Return the seconds that have passed by then, at the least: a clock that was set ahead is no time."""
        return later.steady - self.steady

    def perhaps_until(self, later: "Moment") -> float:
        """Return the seconds that may have passed by then: a machine that was paused knows it from the wall only."""
        return max(later.steady - self.steady, later.wall - self.wall)


Clock = Callable[[], Moment]


def now() -> Moment:
    """Return this moment."""
    return Moment(time.clock_gettime(_STEADY), time.time())
