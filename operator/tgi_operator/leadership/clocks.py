"""Time as one machine sees it, even if the process or the machine was asleep in between."""

import time
from collections.abc import Callable
from typing import NamedTuple

# Continues while the machine sleeps, unlike CLOCK_MONOTONIC. Both continue while only the process is stopped.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Moment(NamedTuple):
    """A moment by the steady clock of the machine, and by the wall clock, which can be set."""

    steady: float
    wall: float

    def surely_until(self, later: "Moment") -> float:
        """Return the shortest time in seconds that can have passed. Setting the wall clock ahead has no effect."""
        return later.steady - self.steady

    def perhaps_until(self, later: "Moment") -> float:
        """Return the longest time in seconds that can have passed. Only the wall clock includes a machine's pause."""
        return max(later.steady - self.steady, later.wall - self.wall)


Clock = Callable[[], Moment]


def now() -> Moment:
    """Return the current moment."""
    return Moment(time.clock_gettime(_STEADY), time.time())
