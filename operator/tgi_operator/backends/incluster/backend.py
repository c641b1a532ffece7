"""The backend for `spec.inCluster`: TGI in pods of the cluster. Wiring only."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tgi_operator.backends.base import Remedy
from tgi_operator.backends.incluster.apply import apply
from tgi_operator.backends.incluster.cluster import Cluster
from tgi_operator.backends.incluster.decide.chain import decide
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Step
from tgi_operator.backends.incluster.kinds import NETWORK_POLICY, OPTIONAL, Kind
from tgi_operator.backends.incluster.listing import Listing
from tgi_operator.backends.incluster.observe import Observer
from tgi_operator.backends.incluster.optional_apis import OptionalAPIs
from tgi_operator.backends.incluster.remedies import remedy
from tgi_operator.backends.incluster.seen.children import STORED, Children
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.resource import Resource
from tgi_operator.settings import Settings

_LANE = "pods"


class InClusterBackend:
    """Implements backends.base.Backend."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        changed: Callable[[Key], None],
        known: Callable[[Key], bool],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`changed` is called with keys to reconcile. `known` returns whether a TGIEndpoint with that name exists."""
        self._cluster = cluster
        self._changed = changed
        self._now = now
        self._children = Children(known)
        self._settings = settings
        self._optional = OptionalAPIs(cluster, self._children, changed, settings)
        self._observer = Observer(cluster, self._children, self._optional, settings, now)
        self._listing = Listing(cluster, self._children, changed)

    async def start(self, namespaces: tuple[str, ...]) -> tuple[Kind, ...]:
        """List the existing objects, now and every hour. Return the kinds to watch, except optional ones."""
        await self._optional.start(namespaces)
        kinds = tuple(kind for kind in STORED if self._watches(kind))
        await self._listing.start(kinds, namespaces)
        return kinds

    def _watches(self, kind: Kind) -> bool:
        if kind is NETWORK_POLICY:
            return self._settings.serving_pods_from is not None
        return kind not in OPTIONAL

    def wants(self, body: Mapping[str, Any]) -> bool:
        """Return whether the backend stores any part of an object, which requires a resource that it belongs to."""
        return self._children.wants(body)

    def seen(self, body: Mapping[str, Any]) -> None:
        """Store an object that was listed, added or changed."""
        self._queue(self._children.put(body))

    def gone(self, body: Mapping[str, Any]) -> None:
        """Drop an object that was deleted."""
        self._queue(self._children.drop(body))

    def lane(self, fields: Mapping[str, Any]) -> str:
        """Return the lane of all pods."""
        return _LANE

    async def observe(self, key: Key, resource: Resource) -> Situation:
        """Return all inputs to the decision."""
        await self._listing.complete(key, self._optional.served)
        return await self._observer.observe(key, resource)

    def plan(self, situation: Situation) -> Plan[Step]:
        """Return the next steps and the status to show."""
        answer = decide(situation)
        if isinstance(answer, Plan):
            return answer
        raise LookupError(f"the rules still need {', '.join(sorted(answer.needs))}")

    async def apply(self, situation: Situation, step: Step) -> None:
        """Make one request. Raises RefusedError if the refusal is permanent, and APIError if it may be temporary."""
        await apply(self._cluster, self._children, situation, step)

    def remedy(self, resource: Resource, situation: Situation | None, error: Exception, failures: int) -> Remedy | None:
        """Return the remedy for a refusal."""
        return remedy(resource, situation, error, self._now())

    def forget(self, key: Key) -> None:
        """Drop the objects of a resource that is gone."""
        self._children.forget(key)

    async def close(self) -> None:
        """Stop listing and watching."""
        await self._optional.close()
        await self._listing.close()

    def _queue(self, key: Key | None) -> None:
        if key is not None:
            self._changed(key)
