"""The controller: receives watch events, and its workers bring every resource to its spec."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from tgi_operator.api.identifiers import KIND
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.base import Backend
from tgi_operator.backends.incluster.kinds import Kind
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Note
from tgi_operator.control.events import EventRecorder, EventsAPI, of_note
from tgi_operator.control.reconciler import Reconciler, choose
from tgi_operator.control.store import Item, Store, item
from tgi_operator.control.worker import Workers
from tgi_operator.control.writes import Writes, WritesAPI
from tgi_operator.kube import APIError, describe
from tgi_operator.settings import Settings

logger = logging.getLogger(__name__)

RELIST_SECONDS = 3600
"""Pause between two lists of all TGIEndpoints. A watch does not report deletions that happened while it was broken."""

_FIRST_RELIST_SECONDS = 60
"""Neither the list nor the watch reports objects that were deleted between the first list and the watch's start."""

_RETRY_SECONDS = 5
_NO_BACKEND = ""
"""Lane of the keys whose resource is gone or names no backend."""


class ControllerAPI(WritesAPI, EventsAPI, Protocol):
    """The controller's interface to the API server."""

    async def endpoint_uids(self, namespaces: Sequence[str]) -> dict[tuple[str, str], str]:
        """Return the uids of the TGIEndpoints by namespace and name, in these namespaces or in all if none is given."""


class Children(Protocol):
    """The backend that watches the objects that it creates in the cluster."""

    async def start(self, namespaces: tuple[str, ...]) -> tuple[Kind, ...]:
        """List the objects. Return the kinds to watch."""

    def wants(self, body: Mapping[str, Any]) -> bool:
        """Return whether the backend stores any part of an object."""

    def seen(self, body: Mapping[str, Any]) -> None:
        """Record an object that was listed, added or changed."""

    def gone(self, body: Mapping[str, Any]) -> None:
        """Record that an object is gone."""


class Controller:
    """Store, workers and backends of one operator.

    `backends` are keyed by the spec field that selects them. A backend that is off is None, and `in_cluster` can be
    None for the same reason.
    """

    def __init__(
        self,
        settings: Settings,
        kube: ControllerAPI,
        cluster: str,
        backends: Mapping[str, Backend[Any, Any] | None],
        in_cluster: Children | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = Store()
        self.ready = asyncio.Event()
        """Set once the controller has seen all objects that the API server listed at the start."""
        self._kube = kube
        self._namespaces = settings.watch_namespaces
        self._backends = {name: each for name, each in backends.items() if each is not None}
        self._in_cluster = in_cluster
        self._events = EventRecorder(kube, f"{socket.gethostname()}-{os.getpid()}", now)
        self._writes = Writes(kube, self.store, self._vanished)
        reconciler = Reconciler(self.store, self._backends, self._writes, self._events, cluster, now)
        self._workers: Workers[Key] = Workers(
            reconciler.reconcile,
            self._lane,
            lambda key: key.namespace,
            size=settings.lane_workers,
            limit=settings.workers,
        )
        self._unseen: set[Key] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._crashed = False

    async def start(self) -> tuple[Kind, ...]:
        """Start the background work. Return the kinds of objects to watch besides TGIEndpoints and Secrets."""
        # List the names first, because objects without a resource are not stored.
        while True:
            if await self._listed():
                break
            await asyncio.sleep(_RETRY_SECONDS)
        kinds = await self._in_cluster.start(self._namespaces) if self._in_cluster is not None else ()
        self._spawn(self._relist())
        return kinds

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run background work until `close`. The liveness probe fails once it has crashed."""
        self._spawn(work)

    async def close(self) -> None:
        """Accept no more keys and wait for the AWS calls in progress, which all have a timeout."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._workers.close()
        for backend in self._backends.values():
            await backend.close()

    def is_alive(self) -> bool:
        """Return whether work makes progress: no task has crashed, and reconciliations end while keys are waiting."""
        return not self._crashed and self._workers.is_alive()

    def changed(self, key: Key) -> None:
        """Queue a resource that a backend has news about, ahead of new and changed resources in its namespace.

        Started work is finished first: an endpoint in service must not wait behind a thousand new ones.
        """
        self._workers.queue.add(key, urgent=True)

    def knows(self, key: Key) -> bool:
        """Return whether a TGIEndpoint with this name exists, according to lists and watches."""
        return self.store.get(key) is not None or (self._unseen is not None and key in self._unseen)

    def wants(self, body: Mapping[str, Any]) -> bool:
        """Return whether any part of an object from a watch should be stored."""
        return body.get("kind") == KIND or (self._in_cluster is not None and self._in_cluster.wants(body))

    def seen(self, body: Mapping[str, Any]) -> None:
        """Record a TGIEndpoint that was listed, added or changed."""
        new = item(body)
        known = self.store.get(new.key)
        if known is not None and (known.generation < new.generation or known.request != new.request):
            # Long pauses after old failures do not apply to a user's request.
            self._workers.forget(new.key)
        if self.store.put(new):
            self._workers.queue.add(new.key)
        self._no_longer_unseen({new.key})

    def removed(self, namespace: str, name: str, uid: str) -> None:
        """Record that a TGIEndpoint is gone."""
        old = self.store.drop(Key(namespace, name), uid)
        if old is not None:
            self._forget(old)
        self._no_longer_unseen({Key(namespace, name)})

    def child_seen(self, body: Mapping[str, Any]) -> None:
        """Record that an object of a resource was listed, added or changed."""
        if self._in_cluster is not None:
            self._in_cluster.seen(body)

    def child_removed(self, body: Mapping[str, Any]) -> None:
        """Record that an object of a resource is gone."""
        if self._in_cluster is not None:
            self._in_cluster.gone(body)

    def secret_seen(self, namespace: str, name: str, version: str) -> None:
        """Record that a Secret changed, or that it is gone (no version)."""
        for key in self.store.secret_changed(namespace, name, version):
            self.changed(key)

    def _lane(self, key: Key) -> str:
        known = self.store.get(key)
        backend = choose(self._backends, known) if known is not None else None
        return backend.lane(known.outline) if known is not None and backend is not None else _NO_BACKEND

    def _vanished(self, known: Item) -> None:
        self.removed(*known.key, known.uid)

    def _forget(self, old: Item) -> None:
        """Drop the state of a resource that is gone and report an endpoint that it left behind."""
        self._workers.forget(old.key)
        for backend in self._backends.values():
            backend.forget(old.key)
        shown = old.status.get("sageMaker") or {}
        endpoint = shown.get("endpointName") if shown.keys() & {"endpointARN", "requestTime"} else None
        if self._writes.was_released(old) or not endpoint:
            return
        message = (
            f'Endpoint "{endpoint}": another user removed the finalizer of the TGIEndpoint, so the endpoint might '
            "still exist and be billed; if the endpoint exists, delete it in AWS"
        )
        logger.warning("%s", message, extra={"object": str(old.key)})
        self._spawn(self._events.post(old, *of_note(Note(Reason.LEFT_ALONE, message))))

    async def _relist(self) -> None:
        """List all TGIEndpoints again soon and then hourly, to drop deleted ones and to detect the end of startup."""
        pause = _FIRST_RELIST_SECONDS
        while True:
            await asyncio.sleep(pause)
            if await self._listed():
                pause = RELIST_SECONDS

    async def _listed(self) -> bool:
        """List all TGIEndpoints. Return whether that succeeded."""
        try:
            await self._list()
        except (APIError, aiohttp.ClientError, TimeoutError) as error:
            logger.warning("The TGIEndpoints could not be listed: %s", describe(error))
            return False
        return True

    async def _list(self) -> None:
        before = {known.key: known.uid for known in self.store.items()}
        listed = {Key(*name): uid for name, uid in (await self._kube.endpoint_uids(self._namespaces)).items()}
        for key, uid in before.items():
            if listed.get(key) != uid:
                self.removed(*key, uid)
        seen = {known.key for known in self.store.items()}
        self._unseen = (set(listed) if self._unseen is None else self._unseen & set(listed)) - seen
        self._no_longer_unseen(set())

    def _no_longer_unseen(self, keys: set[Key]) -> None:
        if self._unseen is None:
            return
        self._unseen -= keys
        if not self._unseen:
            self.store.complete = True
            self.ready.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "A background task has crashed; the liveness probe will fail from now on", exc_info=task.exception()
            )
            self._crashed = True
