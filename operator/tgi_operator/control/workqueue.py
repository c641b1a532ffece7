"""A deduplicating, delaying work queue: one reconciliation at a time for each key, however often it was asked for."""

import asyncio
import heapq
import random
import time
from collections.abc import Hashable
from typing import Generic, TypeVar

from tgi_operator import metrics

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF = 0.2
LONGEST_BACKOFF = 300.0


class WorkQueue(Generic[K]):
    """Keys to be worked on.

    A key that is added while it is being worked on is handed out once more afterwards; one that waits is not added
    twice. A delayed key counts once too: the earliest time wins.
    """

    def __init__(self) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._dirty: set[K] = set()
        self._busy: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._failures: dict[K, int] = {}
        self._sequence = 0
        self._timer = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys wait to be worked on now."""
        return self._ready.qsize()

    def add(self, key: K) -> None:
        """Have `key` worked on."""
        self._due.pop(key, None)
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._busy:
            self._hand_out(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have `key` worked on in so many seconds, or earlier if that was asked for already."""
        if seconds <= 0:
            self.add(key)
            return
        due = time.monotonic() + seconds
        if key in self._dirty or self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))
        self._timer.set()

    def add_failed(self, key: K) -> float:
        """Have `key` worked on again after its backoff; return that in seconds."""
        failures = self.failed(key)
        pause = min(FIRST_BACKOFF * 2.0 ** (failures - 1), LONGEST_BACKOFF) * random.uniform(0.8, 1.2)  # noqa: S311
        self.add_after(key, pause)
        return pause

    def failed(self, key: K) -> int:
        """Count a failure of `key`; return how many there were in a row."""
        self._failures[key] = min(self._failures.get(key, 0) + 1, 32)
        return self._failures[key]

    def failures(self, key: K) -> int:
        """Return how often `key` failed in a row."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """Take the failures of `key` for over."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Return the next key; `done` must be called for it."""
        key = await self._ready.get()
        self._dirty.discard(key)
        self._busy.add(key)
        metrics.QUEUE_DEPTH.set(len(self))
        return key

    def done(self, key: K) -> None:
        """Take the work on `key` for finished."""
        self._busy.discard(key)
        if key in self._dirty:
            self._hand_out(key)

    async def run_timer(self) -> None:
        """Hand out delayed keys when they are due, for ever."""
        while True:
            self._timer.clear()
            now = time.monotonic()
            while self._heap and self._heap[0][0] <= now:
                due, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == due:
                    self.add(key)
            pause = self._heap[0][0] - now if self._heap else None
            try:
                await asyncio.wait_for(self._timer.wait(), pause)
            except TimeoutError:
                continue

    def _hand_out(self, key: K) -> None:
        self._ready.put_nowait(key)
        metrics.QUEUE_DEPTH.set(len(self))
