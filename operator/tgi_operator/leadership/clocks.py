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
        """Return the least number of seconds that have passed by then. Setting the wall clock ahead does not count."""
        return later.steady - self.steady

    def perhaps_until(self, later: "Moment") -> float:
        """Return the most seconds that may have passed by then: only the wall clock includes a pause of the machine."""
        return max(later.steady - self.steady, later.wall - self.wall)


Clock = Callable[[], Moment]


def now() -> Moment:
    """Return the present moment."""
    return Moment(time.clock_gettime(_STEADY), time.time())
