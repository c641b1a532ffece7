"""The engine: what the watch tells goes in here, and the workers bring every resource to where its spec wants it."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from tgi_operator.backends.base import Backend
from tgi_operator.backends.incluster.backend import InClusterBackend
from tgi_operator.backends.incluster.kinds import Kind
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.backend import SageMakerBackend
from tgi_operator.control.events import EventRecorder
from tgi_operator.control.reconciler import Reconciler
from tgi_operator.control.store import Store, item
from tgi_operator.control.workqueue import WorkQueue
from tgi_operator.kube import Kube
from tgi_operator.settings import Settings

logger = logging.getLogger(__name__)

STUCK_SECONDS = 600
"""With work waiting, a reconciliation ends within this time: every call it makes has a time limit far below."""


class Engine:
    """Store, queue, backends and workers of one operator. `guard` is asked before each write to AWS."""

    def __init__(self, settings: Settings, kube: Kube, cluster: str, guard: Callable[[], None]) -> None:
        self.store = Store()
        self.ready = asyncio.Event()
        self._queue: WorkQueue[Key] = WorkQueue()
        self._namespaces = settings.watch_namespaces
        self._in_cluster = InClusterBackend(kube, self._queue.add, settings.image, settings.prometheus_address)
        self._sagemaker = SageMakerBackend.build(settings, kube, self._queue.add, guard)
        events = EventRecorder(kube, f"{socket.gethostname()}-{os.getpid()}")
        self._reconciler = Reconciler(kube, self.store, self._queue, self._backends(), events, cluster)
        self._workers = settings.workers
        self._tasks: list[asyncio.Task[None]] = []

    def _backends(self) -> Mapping[str, Backend[Any, Any]]:
        """Return the backends by the field of the spec that chooses them."""
        return {"sageMaker": self._sagemaker, "inCluster": self._in_cluster}

    async def start(self) -> tuple[Kind, ...]:
        """Start the workers; return the kinds of objects to watch beside TGIEndpoints and Secrets."""
        kinds = await self._in_cluster.start(self._namespaces)
        work = [self._queue.run_timer(), *(self._reconciler.run_worker() for _ in range(self._workers))]
        self._tasks = [asyncio.create_task(coroutine) for coroutine in work]
        return kinds

    async def close(self) -> None:
        """Take no more keys, and wait for the AWS calls under way, which are bounded in time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sagemaker.close()
        await self._in_cluster.close()

    def is_alive(self) -> bool:
        """Return whether work gets done: all workers live, and nothing waits or something ended not long ago."""
        if any(task.done() for task in self._tasks):
            return False
        return len(self._queue) == 0 or time.monotonic() - self._reconciler.progress < STUCK_SECONDS

    def seen(self, body: Mapping[str, Any]) -> None:
        """Take note of a TGIEndpoint that was listed, added or changed."""
        new = item(body)
        if self.store.put(new):
            self._queue.add(new.key)

    def removed(self, namespace: str, name: str, uid: str) -> None:
        """Take note of a TGIEndpoint that is gone."""
        old = self.store.drop(Key(namespace, name), uid)
        if old is not None:
            self._reconciler.forget(old)

    def child_seen(self, body: Mapping[str, Any]) -> None:
        """Take note of an object of a resource that was listed, added or changed."""
        self._in_cluster.seen(body)

    def child_removed(self, body: Mapping[str, Any]) -> None:
        """Take note of an object of a resource that is gone."""
        self._in_cluster.gone(body)

    def secret_seen(self, namespace: str, name: str, version: str) -> None:
        """Take note of a Secret that changed, or is gone (no version)."""
        for key in self.store.secret_changed(namespace, name, version):
            self._queue.add(key)
