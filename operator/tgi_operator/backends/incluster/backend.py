"""The in-cluster backend: looks at what the watch told, and carries out the steps of a plan."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from tgi_operator.api.incluster import InCluster
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.backends import secrets
from tgi_operator.backends.base import Retry
from tgi_operator.backends.incluster.decide.chain import plan
from tgi_operator.backends.incluster.decide.fetching import fetchers, is_condition
from tgi_operator.backends.incluster.decide.situation import Situation, Wanted
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import checks, names, render, strategy
from tgi_operator.backends.incluster.desired.autoscaler import Means
from tgi_operator.backends.incluster.desired.placement import tolerations
from tgi_operator.backends.incluster.kinds import CLAIM, DEPLOYMENT, MONITOR, POD, SCALED_OBJECT, Kind, Object, kind_of
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.incluster.seen.capacity import Demand
from tgi_operator.backends.incluster.seen.children import WATCHED, Child, Children
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import stalled, was_available, with_verdict
from tgi_operator.backends.resource import Resource
from tgi_operator.kube import APIError

logger = logging.getLogger(__name__)

RELIST_SECONDS = 3600
"""How often all objects are listed anew: a watch does not tell what vanished while it was broken."""

_REFUSALS = frozenset({400, 403, 422})
_REFUSED_SECONDS = 300
_PASSING = frozenset({429, 500, 502, 503, 504})
_LIST_ATTEMPTS = 5
_MOST_NODES = 100
_CUSTOM_METRICS = "/apis/custom.metrics.k8s.io"
_MEANS_SECONDS = 60
_LABELLED = names.LABEL_NAME


class Cluster(Protocol):
    """What the backend needs of the API server."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the data of a Secret, None where there is none."""

    async def get(self, path: str) -> Object | None:
        """Return an object, None where there is none."""

    async def items(self, path: str, **selectors: str) -> list[Object]:
        """Return the objects of a list."""

    async def apply(self, path: str, manifest: Object, manager: str) -> Object:
        """Return the object after a server-side apply of `manifest` by `manager`."""

    async def delete(self, path: str, uid: str) -> None:
        """Delete the object that has the uid; nothing where it is gone."""

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """Return the last lines of a container's log."""


class RefusedError(Exception):
    """The API server refused a step for good."""


class InClusterBackend:
    """Implements backends.base.Backend for `spec.inCluster`."""

    watched = WATCHED

    def __init__(
        self,
        cluster: Cluster,
        changed: Callable[[Key], None],
        fetcher: str,
        prometheus: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._changed = changed
        self._fetcher = fetcher
        self._now = now
        self._children = Children()
        self._monitored = False
        self._means = Means(prometheus=prometheus)
        self._means_read_at = -math.inf
        self._task: asyncio.Task[None] | None = None

    async def start(self, namespaces: tuple[str, ...]) -> tuple[Kind, ...]:
        """List what there is, now and each hour; return the kinds to watch: those the cluster serves."""
        self._monitored = await self._serves(MONITOR)
        self._means = replace(self._means, keda=await self._serves(SCALED_OBJECT))
        served = {MONITOR: self._monitored, SCALED_OBJECT: self._means.keda}
        kinds = tuple(kind for kind in WATCHED if served.get(kind, True))
        await self._list_patiently(kinds, namespaces)
        self._task = asyncio.create_task(self._relist(kinds, namespaces), name="relist")
        return kinds

    def seen(self, body: Mapping[str, Any]) -> None:
        """Take note of an object that was listed, added or changed."""
        self._tell(self._children.put(body))

    def gone(self, body: Mapping[str, Any]) -> None:
        """Take note of an object that is gone."""
        self._tell(self._children.drop(body))

    async def look(self, key: Key, resource: Resource) -> Situation | None:
        """Return what there is."""
        target, now = _target(resource), self._now()
        children = self._children.of(key)
        means = await self._scaling_means() if resource.spec.autoscaling is not None else self._means
        situation = Situation(resource, None, None, children, now, monitored=self._monitored, means=means)
        if resource.deleting:
            return replace(situation, children=children | await self._claims(key))
        problem = checks.first_problem(resource.spec, target)
        token: str | Problem | None = None
        if problem is None:
            token = await secrets.token(self._cluster, resource)
        if problem is None and isinstance(token, Problem):
            problem, token = token, None
        if problem is not None:
            return replace(situation, problem=problem)
        assert not isinstance(token, Problem)  # noqa: S101 - it is the problem then
        desired = render.desired(resource, target, token, self._fetcher)
        wanted = Wanted(resource, desired, None, children, now, monitored=self._monitored, means=means)
        return await self._look_closer(key, wanted, target)

    async def _look_closer(self, key: Key, at: Wanted, target: InCluster) -> Situation:
        """Return the situation with what the watch does not tell, where that is about to matter."""
        found, foreign = await self._missing(key, at)
        if found:
            at = replace(at, children=dict(at.children) | found)
        if foreign is not None:
            return replace(at, foreign=foreign)
        if at.job is not None and not at.up_to_date and not is_condition(at.job, "Complete"):
            at = replace(at, progress=await self._progress(at))
        if at.deployed is not None and not at.up_to_date and strategy.asked(at.desired.rollout) is None:
            at = replace(at, room=await self._has_room(target))
        return at

    def plan(self, seen: Situation) -> Plan[Step]:
        """Return what to do next and what to show."""
        autoscaling = seen.spec.autoscaling if seen.desired is not None else None
        return scaling.at_next_event(plan(seen), autoscaling, seen.now)

    async def apply(self, seen: Situation, step: Step) -> None:
        """Make one request. Raises RefusedError for what would be refused again, APIError for what may pass."""
        body = step.manifest if isinstance(step, Apply) else step.body
        name = body["metadata"]["name"]
        path = kind_of(body).path(seen.owner.namespace, name)
        try:
            if isinstance(step, Apply):
                # Our own write is no news: the watch repeats it.
                self._children.put(await self._cluster.apply(path, step.manifest, step.manager))
            else:
                await self._cluster.delete(path, body["metadata"]["uid"])
        except APIError as error:
            # A field that no schema has is answered with 500.
            if error.status not in _REFUSALS and "failed to create typed patch object" not in str(error):
                raise
            words = pods.redacted(str(error), seen.desired.token if seen.desired else None)
            raise RefusedError(f"{body['kind']} {name}: {words}") from None

    def explain(self, resource: Resource, seen: Situation | None, error: Exception, failures: int) -> Retry | None:
        """Return how to go on after a refusal: the spec, the operator's rights or a policy must change."""
        if not isinstance(error, RefusedError):
            return None
        available = seen.available if seen else was_available(resource.status)
        verdict = stalled(Reason.REJECTED_BY_KUBERNETES, str(error)[:4096], available=available)
        now = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return Retry(with_verdict(resource.status, resource.generation, verdict, now), _REFUSED_SECONDS)

    def forget(self, key: Key, resource: Resource) -> None:
        """Nothing is held but what the watch told, and it tells when that is gone."""

    async def close(self) -> None:
        """Stop listing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _tell(self, key: Key | None) -> None:
        if key is not None:
            self._changed(key)

    async def _missing(self, key: Key, at: Wanted) -> tuple[dict[Child, Object], str | None]:
        """Return what the watch has not told yet, and the first object of a wanted name that is somebody else's."""
        found: dict[Child, Object] = {}
        desired = at.desired
        made = (desired.service, desired.budget, desired.claim, desired.job, at.autoscaler)
        named = (*made, desired.monitor if at.monitored else None)
        wanted = [(kind_of(each), each["metadata"]["name"]) for each in named if each is not None]
        for kind, name in [(DEPLOYMENT, at.owner.name), *wanted]:
            if (kind.name, name) in at.children:
                continue
            body = await self._cluster.get(kind.path(key.namespace, name))
            if body is None:
                continue
            if not names.is_ours(body["metadata"].get("labels", {}), at.owner):
                return found, f"{kind.name} {key.namespace}/{name}"
            self._children.put(body)
            found[(kind.name, name)] = body
        return found, None

    async def _claims(self, key: Key) -> dict[Child, Object]:
        """Return the claims of a resource as they are now: nothing is left behind because the watch was late."""
        listed = await self._cluster.items(CLAIM.path(key.namespace), labelSelector=f"{_LABELLED}={key.name}")
        return {(CLAIM.name, body["metadata"]["name"]): body for body in listed}

    async def _progress(self, at: Wanted) -> str:
        """Return the last line that the job printed, empty where there is none."""
        newest = fetchers(at)[:1]
        if not newest or newest[0]["status"].get("phase") != "Running":
            return ""
        try:
            log = await self._cluster.log(at.owner.namespace, newest[0]["metadata"]["name"], pods.FETCHER, 1)
        except (APIError, aiohttp.ClientError, TimeoutError) as error:
            logger.debug("No progress of the job: %s", error, extra={"object": f"{at.owner.namespace}/{at.owner.name}"})
            return ""
        return pods.redacted(log.strip()[-256:], at.desired.token)

    async def _has_room(self, target: InCluster) -> bool:
        """Return whether a node has GPUs free for one more pod; where the operator may not see that, it has none."""
        tolerated = frozenset(each.get("key") for each in tolerations(target))
        gpu = target.gpu
        demand = Demand(gpu.resource_name, gpu.count, target.node_selector, gpu.products, tolerated)
        try:
            nodes = [node for node in await self._cluster.items("/api/v1/nodes") if demand.suits(node)]
            for node in nodes[:_MOST_NODES]:
                selector = f"spec.nodeName={node['metadata']['name']}"
                if demand.fits(node, await self._cluster.items(POD.everywhere, fieldSelector=selector)):
                    return True
        except APIError as error:
            if error.status != 403:
                raise
            logger.warning("Free GPUs cannot be seen, so pods are replaced in place: %s", error)
        return False

    async def _scaling_means(self) -> Means:
        """Return what the cluster has for scaling. A custom metrics API may come later; KEDA has to be watched."""
        if not self._means.custom_metrics and time.monotonic() - self._means_read_at > _MEANS_SECONDS:
            self._means_read_at = time.monotonic()
            self._means = replace(self._means, custom_metrics=await self._cluster.get(_CUSTOM_METRICS) is not None)
        return self._means

    async def _serves(self, kind: Kind) -> bool:
        found = await self._cluster.get(kind.group)
        return any(each["name"] == kind.plural for each in (found or {}).get("resources", ()))

    async def _relist(self, kinds: Iterable[Kind], namespaces: tuple[str, ...]) -> None:
        # The first soon: what vanished between the list at the start and the watch is told by neither.
        pause = 60.0
        while True:
            await asyncio.sleep(pause)
            try:
                await self._list(kinds, namespaces)
            except (APIError, aiohttp.ClientError, TimeoutError) as error:
                logger.warning("The objects in the cluster could not be listed: %s", error)
            pause = RELIST_SECONDS

    async def _list_patiently(self, kinds: Iterable[Kind], namespaces: tuple[str, ...]) -> None:
        """List all objects, although the API server may just be setting up the storage of a kind (429)."""
        for attempt in range(_LIST_ATTEMPTS):
            try:
                return await self._list(kinds, namespaces)
            except APIError as error:
                if error.status not in _PASSING or attempt == _LIST_ATTEMPTS - 1:
                    raise
                logger.warning("The objects in the cluster cannot be listed yet: %s", error)
            await asyncio.sleep(2.0**attempt)
        return None

    async def _list(self, kinds: Iterable[Kind], namespaces: tuple[str, ...]) -> None:
        for kind in kinds:
            paths = [kind.path(namespace) for namespace in namespaces] or [kind.everywhere]
            before = self._children.versions(kind.name)
            listed = [body for path in paths for body in await self._cluster.items(path, labelSelector=_LABELLED)]
            for key in self._children.replace(before, listed):
                self._changed(key)


def _target(resource: Resource) -> InCluster:
    target = resource.spec.in_cluster
    assert target is not None  # noqa: S101 - the engine chose this backend by it
    return target
