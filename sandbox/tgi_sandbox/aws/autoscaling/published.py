"""What reads show: the writes that have become visible."""

from __future__ import annotations

import heapq
from typing import Any

Key = tuple[str, ...]


class Published:
    """Descriptions by key; a write is shown from its time on, and never after one that was made later."""

    def __init__(self) -> None:
        self._shown: dict[Key, dict[str, Any]] = {}
        self._pending: list[tuple[float, int, Key, dict[str, Any] | None]] = []
        self._latest: dict[Key, int] = {}
        self._written = 0

    def write(self, key: Key, description: dict[str, Any] | None, visible_at: float) -> None:
        """Describe a thing anew; None: it is gone."""
        self._written += 1
        heapq.heappush(self._pending, (visible_at, self._written, key, description))

    def at(self, now: float) -> dict[Key, dict[str, Any]]:
        """Everything that is visible now."""
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
