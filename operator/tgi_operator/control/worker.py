"""Workers: the only place that counts failures, backs off and requeues, and only after the reconciliation has ended."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic

from tgi_operator import metrics
from tgi_operator.backoff import backoff
from tgi_operator.control.outcome import After, Failed, Outcome
from tgi_operator.control.workqueue import K, Lane, WorkQueue

logger = logging.getLogger(__name__)

STUCK_SECONDS = 600
"""While keys are waiting, a reconciliation ends within this time, because all calls have much shorter timeouts."""


class Workers(Generic[K]):
    """Reconciles the keys of each lane in separate tasks, so that a lane that hangs delays no other.

    A lane has up to `size` tasks, of which the keys of one namespace use up to `limit`. `reconcile` gets a key and how
    often in a row the key has failed. A task starts when a key can be taken and ends when no key can.
    """

    def __init__(
        self,
        reconcile: Callable[[K, int], Awaitable[Outcome]],
        lane: Callable[[K], Lane],
        namespace: Callable[[K], str],
        *,
        size: int,
        limit: int,
    ) -> None:
        self.queue: WorkQueue[K] = WorkQueue(lane, namespace, self._start_worker, limit)
        self._reconcile = reconcile
        self._size = size
        self._failures: dict[K, int] = {}
        self._working: Counter[Lane] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_end = float("-inf")
        self._crashed = False
        self._closed = False

    def is_alive(self) -> bool:
        """Return whether no worker has crashed and, if keys are waiting, a reconciliation has ended recently."""
        since = self.queue.waiting_since
        if self._crashed or since is None:
            return not self._crashed
        return asyncio.get_running_loop().time() - max(since, self._last_end) <= STUCK_SECONDS

    def forget(self, key: K) -> None:
        """Drop the failures of a key, because its resource is gone or its spec has changed."""
        self._failures.pop(key, None)

    async def close(self) -> None:
        """Cancel reconciliations in progress and take no more keys."""
        self._closed = True
        self.queue.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start_worker(self, lane: Lane) -> None:
        if self._closed or self._working[lane] >= self._size:
            return
        self._working[lane] += 1
        task = asyncio.get_running_loop().create_task(self._work(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, lane: Lane) -> None:
        """Reconcile the keys of a lane until no key can be taken."""
        try:
            while not self._closed and (key := self.queue.take(lane)) is not None:
                await self._handle(key)
        except Exception:
            logger.exception("A worker has crashed; the liveness probe will fail from now on")
            self._crashed = True
        finally:
            # Before the task ends, so that a key that is queued in between starts another task.
            self._working[lane] -= 1
            if not self._working[lane]:
                del self._working[lane]

    async def _handle(self, key: K) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            outcome = await self._attempt(key)
            self._settle(key, outcome)
        finally:
            self.queue.done(key)
        self._last_end = clock()
        metrics.RECONCILES.labels(outcome.label).inc()
        metrics.RECONCILE_SECONDS.observe(self._last_end - started)

    async def _attempt(self, key: K) -> Outcome:
        try:
            return await self._reconcile(key, self._failures.get(key, 0))
        except Exception:
            # An error of one resource does not affect the others.
            logger.exception("The reconciliation failed", extra={"object": str(key)})
            return Failed("error")

    def _settle(self, key: K, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            seconds = outcome.seconds if outcome.seconds is not None else backoff(failures)
            logger.debug("Outcome: %s; retrying in %.1f s", outcome.label, seconds, extra={"object": str(key)})
            self.queue.add_after(key, seconds)
            return
        self._failures.pop(key, None)
        if isinstance(outcome, After):
            self.queue.add_after(key, outcome.seconds)
