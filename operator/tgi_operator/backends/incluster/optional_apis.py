"""APIs that a cluster can lack. They appear and disappear while the operator runs, as other software is installed."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import aiohttp

from tgi_operator.api.autoscaling import MetricType
from tgi_operator.backends.incluster.cluster import Cluster
from tgi_operator.backends.incluster.desired.autoscaler import Means
from tgi_operator.backends.incluster.desired.monitor import KINDS, Monitoring
from tgi_operator.backends.incluster.desired.names import LABEL_NAME
from tgi_operator.backends.incluster.kinds import SCALED_OBJECT, Kind
from tgi_operator.backends.incluster.seen.children import Children, Versions, identity, reduced
from tgi_operator.backends.keys import Key
from tgi_operator.following import Body, Follower, Source
from tgi_operator.kube import APIError
from tgi_operator.settings import Settings

logger = logging.getLogger(__name__)

DISCOVERY_SECONDS = 600
"""Interval between two reads of the served APIs while no resource is reconciled."""

_SOONEST_SECONDS = 20
"""Shortest time between two reads of the served APIs."""

_LIST_SECONDS = 30
"""Longest wait for the first list. Without it, the objects are read one by one."""

_CUSTOM_METRICS = "/apis/custom.metrics.k8s.io"


class OptionalAPIs:
    """Knows the optional APIs that the cluster serves, and keeps their objects in `children`.

    `changed` is called with all resources that have objects when an API appears or disappears.
    """

    def __init__(
        self, cluster: Cluster, children: Children, changed: Callable[[Key], None], settings: Settings
    ) -> None:
        self._cluster = cluster
        self._children = children
        self._changed = changed
        self._monitoring = _monitoring(settings)
        self._means = _means(settings)
        self._namespaces: tuple[str, ...] = ()
        self._watches: dict[Kind, list[asyncio.Task[None]]] = {}
        self._objects: list[_Objects] = []
        self._custom_metrics = False
        self._read_at: float | None = None
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def served(self) -> frozenset[Kind]:
        """The optional kinds that the cluster serves."""
        return frozenset(self._watches)

    @property
    def means(self) -> Means:
        """The scaling facilities of the cluster."""
        keda = SCALED_OBJECT in self._watches
        return replace(self._means, custom_metrics=self._custom_metrics, keda=keda)

    @property
    def monitoring(self) -> Monitoring | None:
        """How Prometheus finds pods, or None if the cluster does not serve that API."""
        known = self._monitoring
        return known if known is not None and known.kind in self._watches else None

    @property
    def _kinds(self) -> tuple[Kind, ...]:
        return (SCALED_OBJECT,) if self._monitoring is None else (SCALED_OBJECT, self._monitoring.kind)

    async def start(self, namespaces: tuple[str, ...]) -> None:
        """Read the served APIs, now and periodically. Raises APIError."""
        self._namespaces = namespaces
        self._read_at = asyncio.get_running_loop().time()
        await self._discover()
        # Otherwise, each object that is not listed yet would be read on its own.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LIST_SECONDS):
                for objects in self._objects:
                    await objects.listed.wait()
        self._task = asyncio.create_task(self._keep(), name="optional APIs")

    async def refresh(self, *, requested: bool = False) -> None:
        """Read the served APIs again, unless they were read a moment ago and no user requests it.

        If that fails, they stay the same.
        """
        # Under a lock: a second reader must not decide by what the first one has not read yet.
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if not requested and self._read_at is not None and now - self._read_at < _SOONEST_SECONDS:
                return
            self._read_at = now
            try:
                await self._discover()
            except (APIError, aiohttp.ClientError, TimeoutError) as error:
                logger.warning("Cannot discover the APIs that the cluster serves: %s", error)

    async def close(self) -> None:
        """Stop all watches."""
        tasks = [task for watch in self._watches.values() for task in watch]
        if self._task is not None:
            tasks.append(self._task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(DISCOVERY_SECONDS)
            await self.refresh()

    async def _discover(self) -> None:
        # All requests come first: after one that fails, everything stays the same.
        served = frozenset([kind for kind in self._kinds if await self._serves(kind)])
        custom_metrics = await self._cluster.get(_CUSTOM_METRICS) is not None
        if (served, custom_metrics) == (self.served, self._custom_metrics):
            return
        for kind in self.served - served:
            self._end(kind)
        for kind in served - self.served:
            self._watches[kind] = self._watch(kind)
        self._custom_metrics = custom_metrics
        for key in self._children.resources():
            self._changed(key)

    async def _serves(self, kind: Kind) -> bool:
        found: Mapping[str, object] = await self._cluster.get(kind.group) or {}
        resources = found.get("resources")
        return isinstance(resources, list) and any(each["name"] == kind.plural for each in resources)

    def _watch(self, kind: Kind) -> list[asyncio.Task[None]]:
        paths = {namespace: kind.path(namespace) for namespace in self._namespaces} or {"": kind.everywhere}
        return [
            asyncio.create_task(self._follower(kind, namespace, path).run(), name=f"watch {path}")
            for namespace, path in paths.items()
        ]

    def _follower(self, kind: Kind, namespace: str, path: str) -> Follower:
        source = Source(
            lambda: self._cluster.pages(path, reduced, labelSelector=LABEL_NAME),
            lambda version: self._cluster.watch(path, version, reduced, labelSelector=LABEL_NAME),
        )
        objects = _Objects(kind, namespace, self._children, self._changed)
        self._objects.append(objects)
        return Follower(source, objects, f"Cannot watch {kind.plural}: %s; check the operator's Role")

    def _end(self, kind: Kind) -> None:
        """Forget the objects of a kind that is no longer served. They no longer exist."""
        for task in self._watches.pop(kind):
            task.cancel()
        self._objects = [each for each in self._objects if each.kind is not kind]
        self._children.drop_missing(self._children.versions(kind.name))


def _monitoring(settings: Settings) -> Monitoring | None:
    kind = KINDS.get(settings.monitor_kind)
    return Monitoring(kind, settings.monitor_labels) if kind is not None else None


def _means(settings: Settings) -> Means:
    return Means(
        prometheus=settings.prometheus_address,
        authentication=settings.keda_authentication,
        trigger_metadata=settings.keda_trigger_metadata,
        names={
            MetricType.QUEUE_DEPTH: settings.queue_size_metric,
            MetricType.CONCURRENT_REQUESTS: settings.concurrent_requests_metric,
        },
    )


class _Objects:
    """Keeps the objects of a kind in `children`. Implements following.Sink."""

    def __init__(self, kind: Kind, namespace: str, children: Children, changed: Callable[[Key], None]) -> None:
        self.kind = kind
        self._namespace = namespace
        self._children = children
        self._changed = changed
        self._missing: Versions = {}
        self.listed = asyncio.Event()
        """Set once the objects have been listed."""

    def begin(self) -> None:
        """Expect the known objects."""
        known = self._children.versions(self.kind.name)
        self._missing = {
            (key, child): version for (key, child), version in known.items() if self._namespace in ("", key.namespace)
        }

    def seen(self, body: Body) -> None:
        """Store an object."""
        key, child = identity(body)
        if key is not None:
            self._missing.pop((key, child), None)
        self._queue(self._children.put(body))

    def gone(self, body: Body) -> None:
        """Drop an object."""
        self._queue(self._children.drop(body))

    def end(self) -> None:
        """Drop the objects that were not listed."""
        for key in self._children.drop_missing(self._missing):
            self._changed(key)
        self._missing = {}
        self.listed.set()

    def _queue(self, key: Key | None) -> None:
        if key is not None:
            self._changed(key)
