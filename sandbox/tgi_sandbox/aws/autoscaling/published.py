"""The writes that have become visible to reads."""

from __future__ import annotations

import heapq
from typing import Any

Key = tuple[str, ...]


class Published:
    """Descriptions by key; a write is visible from its time on, and never after a later one."""

    def __init__(self) -> None:
        self._shown: dict[Key, dict[str, Any]] = {}
        self._pending: list[tuple[float, int, Key, dict[str, Any] | None]] = []
        self._latest: dict[Key, int] = {}
        self._written = 0

    def write(self, key: Key, description: dict[str, Any] | None, visible_at: float) -> None:
        """Replace the description of a resource; None: it is deleted."""
        self._written += 1
        heapq.heappush(self._pending, (visible_at, self._written, key, description))

    def at(self, now: float) -> dict[Key, dict[str, Any]]:
        """Return every description that is visible now."""
        while self._pending and self._pending[0][0] <= now:
            _, number, key, description = heapq.heappop(self._pending)
            if number < self._latest.get(key, 0):
                continue
            self._latest[key] = number
            if description is None:
                self._shown.pop(key, None)
            else:
                self._shown[key] = description
        return self._shown
