"""The two alarms of a target tracking policy, which evaluate one datapoint at a time. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

HIGH_DATAPOINTS: Final = 3
LOW_SECONDS: Final = 900.0
LOW_FRACTION: Final = 0.9
"""AlarmHigh: above the target for 3 datapoints. AlarmLow: below nine tenths of it for 15 datapoints of a minute or 90

of ten seconds.
"""

_ROUNDING: Final = 6


@dataclass
class Tracking:
    """How many datapoints in a row were beyond each threshold, and the latest one with its instance count."""

    above: int = 0
    below: int = 0
    value: float | None = None
    instances: int = 0

    def take(self, value: float | None, instances: int, target: float) -> None:
        """Count a datapoint; a missing one ends both rows."""
        # assumed: a missing datapoint breaks the row; CloudWatch may look back further.
        self.value, self.instances = value, instances
        self.above = self.above + 1 if value is not None and value > target else 0
        self.below = self.below + 1 if value is not None and value < LOW_FRACTION * target else 0

    @property
    def is_high(self) -> bool:
        """Whether AlarmHigh is in state ALARM."""
        return self.above >= HIGH_DATAPOINTS

    def is_low(self, period: float) -> bool:
        """Whether AlarmLow is in state ALARM; `period` is the seconds between datapoints."""
        return self.below * period >= LOW_SECONDS

    def wanted(self, target: float) -> int:
        """The instances at which the latest datapoint would be at the target."""
        # Rounded, as 7 x (29 / 7) is more than 29. The instance count is that of the datapoint: with the current count,
        # the last datapoint before the end of a scaling would count its new instances twice.
        return math.ceil(round(self.instances * (self.value or 0.0) / target, _ROUNDING))
