"""A deduplicating, delaying work queue: one reconciliation at a time for each key, however often it is queued."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from tgi_operator import metrics
from tgi_operator.fair_queue import FairQueue

K = TypeVar("K", bound=Hashable)
Lane = Hashable


class WorkQueue(Generic[K]):
    """Keys that are waiting for reconciliation, in one queue for each lane, in which namespaces take turns.

    `lane` and `namespace` return the lane and the namespace of a key. `ready` is called with a lane when it gets a key
    that can be taken. A waiting key is not added twice, and a key that is added while it is being reconciled waits
    again afterwards. A delayed key is not added twice either: the earliest time wins. Delays are timers of the event
    loop, which drops cancelled ones. Keys that were added as `urgent` come before the other keys of their namespace. In
    each lane, up to `limit` keys of a namespace are reconciled at the same time.
    """

    def __init__(
        self, lane: Callable[[K], Lane], namespace: Callable[[K], str], ready: Callable[[Lane], None], limit: int
    ) -> None:
        self._lane = lane
        self._namespace = namespace
        self._ready = ready
        self._limit = limit
        self._lanes: dict[Lane, FairQueue[K]] = {}
        self._size = 0
        self._dirty: set[K] = set()
        self._urgent: set[K] = set()
        self._busy: dict[K, Lane] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self.waiting_since: float | None = None
        """When the queue became non-empty, by the loop's clock, or None while no key waits."""

    def __len__(self) -> int:
        """Return how many keys are waiting for reconciliation."""
        return self._size

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Queue `key` now, before the non-urgent keys of its namespace. A key that already waits keeps its place."""
        self._cancel(key)
        if key in self._dirty:
            return
        self._dirty.add(key)
        if urgent:
            self._urgent.add(key)
        if key not in self._busy:
            self._announce(self._hand_out(key))

    def add_after(self, key: K, seconds: float) -> None:
        """Queue `key` after this many seconds, unless it is due earlier."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due, timer = loop.time() + seconds, self._timers.get(key)
        if key in self._dirty or (timer is not None and timer.when() <= due):
            return
        self._cancel(key)
        self._timers[key] = loop.call_at(due, self.add, key)

    def take(self, lane: Lane) -> K | None:
        """Return the next key of a lane, or None if none can be taken. `done` must be called for it."""
        waiting = self._lanes.get(lane)
        key = waiting.take() if waiting is not None else None
        if key is None:
            return None
        self._resize(-1)
        self._dirty.discard(key)
        self._busy[key] = lane
        return key

    def done(self, key: K) -> None:
        """End the reconciliation of `key`. The caller then takes the next key of the lane.

        The lane is therefore not reported as ready, although another key of the namespace may have been waiting for
        this.
        """
        lane = self._busy.pop(key)
        self._lanes[lane].done(self._namespace(key))
        if key in self._dirty and (other := self._hand_out(key)) != lane:
            self._announce(other)
        if self._lanes[lane].idle:
            del self._lanes[lane]

    def close(self) -> None:
        """Cancel all delays."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _cancel(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _hand_out(self, key: K) -> Lane:
        """Queue a key in its lane. Return the lane."""
        lane = self._lane(key)
        self._lanes.setdefault(lane, FairQueue(self._limit)).add(self._namespace(key), key, urgent=key in self._urgent)
        self._urgent.discard(key)
        self._resize(1)
        return lane

    def _announce(self, lane: Lane) -> None:
        if self._lanes[lane]:
            self._ready(lane)

    def _resize(self, change: int) -> None:
        self._size += change
        if self._size == 0:
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = asyncio.get_running_loop().time()
        metrics.QUEUE_DEPTH.set(self._size)
