"""Lists the objects of all resources: at the start, soon after it, and every hour."""

import asyncio
import logging
from collections.abc import Callable, Iterable

import aiohttp

from tgi_operator.backends.incluster.cluster import Cluster
from tgi_operator.backends.incluster.desired.names import LABEL_NAME
from tgi_operator.backends.incluster.kinds import Kind
from tgi_operator.backends.incluster.seen.children import Children, identity, reduced
from tgi_operator.backends.keys import Key
from tgi_operator.kube import APIError

logger = logging.getLogger(__name__)

RELIST_SECONDS = 3600
"""Interval between lists of all objects. A watch does not report objects that were deleted while it was broken."""

_FIRST_RELIST_SECONDS = 60
"""Neither the list nor the watch reports objects that were deleted between the first list and the watch."""

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_ATTEMPTS = 5


class Listing:
    """Keeps `children` complete."""

    def __init__(self, cluster: Cluster, children: Children, changed: Callable[[Key], None]) -> None:
        self._cluster = cluster
        self._children = children
        self._changed = changed
        self._kinds: tuple[Kind, ...] = ()
        self._task: asyncio.Task[None] | None = None

    async def start(self, kinds: tuple[Kind, ...], namespaces: tuple[str, ...]) -> None:
        """List all objects, and periodically after that. The API server may still be preparing a kind (429)."""
        self._kinds = kinds
        for attempt in range(_ATTEMPTS):
            try:
                await self._list(namespaces)
                break
            except APIError as error:
                if error.status not in _TRANSIENT or attempt == _ATTEMPTS - 1:
                    raise
                logger.warning("The objects in the cluster cannot be listed yet: %s", error)
            await asyncio.sleep(2.0**attempt)
        self._task = asyncio.create_task(self._relist(namespaces), name="relist")

    async def close(self) -> None:
        """Stop listing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _relist(self, namespaces: tuple[str, ...]) -> None:
        pause = _FIRST_RELIST_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                await self._list(namespaces)
            except (APIError, aiohttp.ClientError, TimeoutError) as error:
                logger.warning("The objects in the cluster could not be listed: %s", error)
            pause = RELIST_SECONDS

    async def complete(self, key: Key, optional: Iterable[Kind]) -> None:
        """List the objects of a resource that is newer than some of them, which were therefore skipped.

        `optional` are kinds that this class does not list otherwise.
        """
        if not self._children.lacks(key):
            return
        for kind in (*self._kinds, *optional):
            selector = f"{LABEL_NAME}={key.name}"
            async for body in self._cluster.reduced(kind.path(key.namespace), reduced, labelSelector=selector):
                self._children.put(body)
        self._children.completed(key)

    async def _list(self, namespaces: tuple[str, ...]) -> None:
        self._children.listing(over=False)
        for kind in self._kinds:
            paths = [kind.path(namespace) for namespace in namespaces] or [kind.everywhere]
            missing = self._children.versions(kind.name)
            for path in paths:
                # Objects without a resource are not stored, however many there are.
                async for body in self._cluster.reduced(path, reduced, labelSelector=LABEL_NAME):
                    key, child = identity(body)
                    if key is not None:
                        missing.pop((key, child), None)
                    self._queue(self._children.put(body))
            for key in self._children.drop_missing(missing):
                self._changed(key)
        self._children.listing(over=True)

    def _queue(self, key: Key | None) -> None:
        if key is not None:
            self._changed(key)
