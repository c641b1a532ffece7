"""Observes one resource: the reports of the watch, and the inputs that a rule asks for."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import replace
from datetime import datetime
from functools import partial

import aiohttp

from tgi_operator.api.incluster import InCluster
from tgi_operator.api.problem import Problem
from tgi_operator.backends import allowed_use, secrets
from tgi_operator.backends.computing import compute
from tgi_operator.backends.incluster.cluster import Cluster
from tgi_operator.backends.incluster.decide.chain import decide
from tgi_operator.backends.incluster.decide.fetching import newest_fetcher
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.desired import living, names, references, volumes
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.kinds import (
    CLAIM,
    DEPLOYMENT,
    EVENT,
    JOB,
    POD,
    REPLICA_SET,
    Kind,
    Object,
    kind_of,
)
from tgi_operator.backends.incluster.optional_apis import OptionalAPIs
from tgi_operator.backends.incluster.refusals import Refusals
from tgi_operator.backends.incluster.seen import capacity, pods
from tgi_operator.backends.incluster.seen.capacity import Demand, Node, Room, Tenant
from tgi_operator.backends.incluster.seen.children import Children, slim
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Ask, Need
from tgi_operator.backends.quantities import count
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.secret_values import without_secrets
from tgi_operator.intake import PAGE
from tgi_operator.kube import APIError
from tgi_operator.settings import Settings

logger = logging.getLogger(__name__)

_MOST_ROUNDS = 3
"""How many times the rules can ask for more input before they must decide."""

_FEW_NODES = 10
"""Suitable nodes up to which the pods of each node are read without counting all pods first."""

_LONGEST_WARNING = 1024
_TEMPLATE_HASH = "pod-template-hash"
_MOST_CLAIMS = 10_000


class Observer:
    """Reads the inputs of a decision, and nothing else."""

    def __init__(
        self,
        cluster: Cluster,
        children: Children,
        optional: OptionalAPIs,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._optional = optional
        self._settings = settings
        self._refusals = Refusals(settings)
        self._require_labels = settings.require_labels == "on"
        self._children = children
        self._now = now
        self._modes: dict[tuple[str, str], tuple[str, ...]] = {}

    async def observe(self, key: Key, resource: Resource) -> Situation:
        """Return all input of the decision."""
        await self._optional.refresh(requested=resource.requested)
        children = self._children.of(key)
        situation = Situation(
            resource,
            None,
            resource.problem,
            children,
            self._now(),
            monitoring=self._optional.monitoring,
            means=self._optional.means,
            serving_pods_from=self._settings.serving_pods_from,
            node_wait_seconds=self._settings.node_wait_seconds,
        )
        if not resource.deleting and resource.problem is None:
            situation = await self._rendered(situation)
        for _ in range(_MOST_ROUNDS):
            answer = await compute(resource, decide, situation)
            if not isinstance(answer, Ask):
                break
            for need in sorted(answer.needs):
                situation = await self._read(need, situation)
        return situation

    async def _rendered(self, situation: Situation) -> Situation:
        """Return the situation with the desired objects, or with the problem of the spec."""
        resource, spec = situation.resource, situation.spec
        target = _target(resource)
        found = await compute(resource, self._refusals.problem, spec, target) or await secrets.values(
            self._cluster, resource, require_label=self._require_labels
        )
        if isinstance(found, Problem):
            return replace(situation, problem=found)
        # The rendering depends on the living Deployment, which the watch may not have reported yet.
        situation = await self._complete(situation, [(DEPLOYMENT, resource.owner.name)])
        deployment = situation.deployed.body if situation.deployed is not None else None
        jobs, servers = situation.all(JOB), situation.servers
        modes = await self._access_modes(resource, target)
        image = self._settings.image
        desired = await compute(
            resource, living.desired, resource, target, found, image, deployment, jobs, servers, modes
        )
        problem = await self._forbidden(situation, desired)
        if problem is not None:
            return replace(situation, problem=problem)
        situation = replace(situation, rendered=desired)
        if situation.foreign is not None:
            return situation
        beside = (situation.monitor, situation.autoscaler, situation.network_policy)
        made = (desired.service, desired.budget, desired.claim, desired.job, *beside)
        return await self._complete(
            situation, [(kind_of(each), each["metadata"]["name"]) for each in made if each is not None]
        )

    async def _access_modes(self, resource: Resource, target: InCluster) -> tuple[str, ...]:
        """Return the access modes of a PVC that the spec names, or none if it does not exist or the operator owns it.

        They are immutable, so the operator reads them once for each PVC, and again on request.
        """
        assert resource.spec is not None  # noqa: S101 - only called for a readable spec
        found = volumes.volume(resource.owner, resource.spec.model, target)
        if found is None or found.own:
            return ()
        name = (resource.owner.namespace, found.name)
        if name not in self._modes or resource.requested:
            claim = await self._cluster.get(CLAIM.path(*name))
            if claim is None:
                self._modes.pop(name, None)
                return ()
            if len(self._modes) >= _MOST_CLAIMS:
                self._modes.clear()
            self._modes[name] = tuple(claim["spec"].get("accessModes") or ())
        return self._modes[name]

    async def _forbidden(self, situation: Situation, desired: Desired) -> Problem | None:
        """Return the restricted fields that the pods request."""
        problem = self._refusals.rendered_problem(desired)
        if problem is not None or not self._require_labels:
            return problem
        named = references.references(desired, situation.spec)
        return await allowed_use.first_problem(self._cluster, situation.owner.namespace, named)

    async def _complete(self, situation: Situation, wanted: Iterable[tuple[Kind, str]]) -> Situation:
        """Return the situation with objects that the watch has not reported or, if others own them, cannot report."""
        owner, found = situation.owner, dict(situation.children)
        for kind, name in wanted:
            if (kind.name, name) in found and not situation.resource.requested:
                continue
            body = await self._cluster.get(kind.path(owner.namespace, name))
            if body is None:
                found.pop((kind.name, name), None)
                continue
            ours = names.is_ours(body["metadata"].get("labels", {}), owner)
            if not ours and situation.monitoring is not None and kind is situation.monitoring.kind:
                # Another user's monitor with this name also scrapes the pods, or a user chose not to.
                situation = replace(situation, monitoring=None)
                continue
            if not ours:
                foreign = (
                    f"{kind.name} {owner.namespace}/{name}: exists but is not owned by this resource; delete the "
                    f"{kind.name} or create a TGIEndpoint with another name"
                )
                return replace(situation, children=found, foreign=foreign)
            self._children.put(body)
            found[(kind.name, name)] = slim(body)
        return replace(situation, children=found)

    async def _read(self, need: Need, situation: Situation) -> Situation:
        """Return the situation with the inputs that a rule lacks."""
        if need is Need.ROOM:
            return replace(situation, room=await self._room(situation))
        if need is Need.LAST_GOOD:
            return replace(situation, last_good=await self._last_good(situation))
        if need is Need.PROGRESS:
            return replace(situation, progress=await self._progress(situation))
        if need is Need.WARNING:
            return replace(situation, warning=await self._warning(situation))
        if need is Need.CLAIMS:
            return await self._with_claims(situation)
        raise LookupError(f"pods have no {need}")

    async def _with_claims(self, situation: Situation) -> Situation:
        owner = situation.owner
        selector = f"{names.LABEL_NAME}={owner.name}"
        try:
            claims = await self._cluster.items(CLAIM.path(owner.namespace), labelSelector=selector)
        except APIError as error:
            if error.status != 403:
                raise
            return replace(situation, claims=(), claims_hidden=True)
        return replace(situation, claims=tuple(claims))

    async def _progress(self, situation: Situation) -> str:
        """Return the last line that the Job printed, or an empty string if there is none."""
        newest, owner = newest_fetcher(situation), situation.owner
        if newest is None or newest["status"].get("phase") != "Running":
            return ""
        try:
            log = await self._cluster.log(owner.namespace, newest["metadata"]["name"], pods.FETCHER, 1)
        except (APIError, aiohttp.ClientError, TimeoutError) as error:
            logger.debug("The Job's log cannot be read: %s", error, extra={"object": f"{owner.namespace}/{owner.name}"})
            return ""
        return without_secrets(log.strip(), situation.desired.secrets)[-256:]

    async def _last_good(self, situation: Situation) -> Object:
        """Return the pod template of the last revision that served requests from its ReplicaSet, or an empty one."""
        owner, revision = situation.owner, situation.status.current_revision
        deployment = situation.deployed.body["metadata"]["uid"] if situation.deployed is not None else None
        selector = f"{names.LABEL_NAME}={owner.name},{names.LABEL_REVISION}={revision}"
        all_sets = await self._cluster.items(REPLICA_SET.path(owner.namespace), labelSelector=selector)
        # An edit by another user creates another ReplicaSet with the same label. If a ReplicaSet is reused, its
        # revision number increases, so the highest one belongs to the pods that served last.
        for found in sorted(all_sets, key=_revision_number, reverse=True):
            if deployment not in [each["uid"] for each in found["metadata"].get("ownerReferences") or ()]:
                continue
            template: Object = found["spec"]["template"]
            labels = {name: value for name, value in template["metadata"]["labels"].items() if name != _TEMPLATE_HASH}
            metadata = {name: value for name, value in template["metadata"].items() if value is not None}
            template = template | {"metadata": metadata | {"labels": labels}}
            # The settings may have changed since, and other users can write ReplicaSets.
            if await self._forbidden(situation, replace(situation.desired, template=template)) is None:
                return template
        return {}

    async def _warning(self, situation: Situation) -> str:
        """Return the newest Warning Event about the pod of the Job, or about the Job if it has no pod."""
        newest, owner = newest_fetcher(situation), situation.owner
        about = newest if newest is not None else situation.job
        if about is None:
            return ""
        selector = f"type=Warning,involvedObject.uid={about['metadata']['uid']}"
        try:
            events = await self._cluster.items(EVENT.path(owner.namespace), fieldSelector=selector)
        except APIError as error:
            if error.status != 403:
                raise
            logger.debug("Events cannot be listed: %s", error, extra={"object": f"{owner.namespace}/{owner.name}"})
            return ""
        newest_event = max(
            events, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""), default={}
        )
        message = str(newest_event.get("message", ""))
        return without_secrets(message, situation.desired.secrets)[:_LONGEST_WARNING]

    async def _room(self, situation: Situation) -> Room:
        """Return the room for one more pod."""
        demand = Demand.of(situation.desired.template)
        old = {pod["metadata"]["uid"]: str(pod["spec"].get("nodeName")) for pod in situation.old_servers}
        selectors = {"labelSelector": demand.label_selector} if demand.label_selector else {}
        try:
            suitable = self._cluster.reduced("/api/v1/nodes", demand.suitable, **selectors)
            nodes = {str(node["metadata"]["name"]): Node.of(node) async for node in suitable}
            for each in [{}] if await self._one_list_is_cheaper(nodes) else _selectors(nodes):
                async for pod in self._cluster.reduced(POD.everywhere, partial(Tenant.reduce, nodes=nodes), **each):
                    nodes[pod["spec"]["nodeName"]].add(Tenant.of(pod), old)
        except APIError as error:
            # 400: an invalid node selector. The API server refuses the Deployment for it with a better message.
            if error.status not in (400, 403):
                raise
            logger.warning("Cannot determine whether nodes have room, so no pod is replaced in place: %s", error)
            return Room.UNREADABLE
        return capacity.room(demand, nodes, old, bound=situation.in_place_only)

    async def _one_list_is_cheaper(self, nodes: Sized) -> bool:
        """Return whether a list of all pods takes fewer requests than a list for each of the nodes."""
        if len(nodes) <= _FEW_NODES:
            return False
        first = await anext(self._cluster.pages(POD.everywhere, _nothing, limit="1"))
        # The API server omits the count if it does not know it.
        others = first["metadata"].get("remainingItemCount", 0 if "continue" not in first["metadata"] else None)
        return others is not None and (1 + others) / PAGE < len(nodes)


def _nothing(_: Object) -> None:
    """Drop an object that is only counted."""


def _selectors(nodes: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield the selectors of the pods on each of the nodes."""
    return ({"fieldSelector": f"spec.nodeName={name}"} for name in nodes)


def _revision_number(replica_set: Object) -> int:
    annotations = replica_set["metadata"].get("annotations") or {}
    return count(annotations.get("deployment.kubernetes.io/revision"), digits=19)


def _target(resource: Resource) -> InCluster:
    assert resource.spec is not None  # noqa: S101 - only called for a readable spec
    assert resource.spec.in_cluster is not None  # noqa: S101 - the controller chose this backend by it
    return resource.spec.in_cluster
