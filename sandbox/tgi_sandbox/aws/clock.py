"""The virtual time on which every life cycle of the emulator runs."""

from __future__ import annotations

import time


class Clock:
    """Virtual time that is `speed` times faster than the wall clock, or stands still if `speed` is 0.

    `advance` moves it forward in both cases; it never moves back.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if speed < 0:
            raise ValueError(f"speed must not be negative, got {speed}")
        self.speed = speed
        self._origin = time.time()
        self._started = time.monotonic()
        self._advanced = 0.0

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return self._origin + (time.monotonic() - self._started) * self.speed + self._advanced

    def advance(self, seconds: float) -> None:
        """Jump `seconds` ahead; raises ValueError if negative."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards, got {seconds}")
        self._advanced += seconds
