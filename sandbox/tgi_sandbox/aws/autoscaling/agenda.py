"""The future events of scalable targets."""

from __future__ import annotations

import heapq
from typing import NamedTuple


class Event(NamedTuple):
    """An event of a target: its scheduled action `action` is due or, without one, its alarms get datapoints."""

    at: float
    is_tick: bool
    target: str
    action: str


class Agenda:
    """Events ordered by time; at the same time, scheduled actions come before datapoints."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def add(self, event: Event) -> None:
        """Add an event."""
        heapq.heappush(self._events, event)

    @property
    def next(self) -> float | None:
        """The time of the next event."""
        return self._events[0].at if self._events else None

    def pop(self) -> Event:
        """Remove and return the next event."""
        return heapq.heappop(self._events)
