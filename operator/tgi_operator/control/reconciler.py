"""The level-triggered loop: look, plan, show, act. Nothing about progress is kept but in the status."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
from pydantic import ValidationError

from tgi_operator import metrics
from tgi_operator.api.names import FINALIZER
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import DeletionPolicy, Spec
from tgi_operator.api.status import Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.base import Backend
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict, progressing, stalled, was_available, with_verdict
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.control.events import EventRecorder, of_steps, transitions
from tgi_operator.control.store import Item, Store, item
from tgi_operator.control.workqueue import WorkQueue
from tgi_operator.kube import APIError, Kube
from tgi_operator.leadership.fence import NotLeadingError
from tgi_operator.schema import wording

logger = logging.getLogger(__name__)

QUIET_FAILURES = 3
"""Errors of our own in a row that are only logged; from the next on the status tells of them."""


class Reconciler:
    """Brings one resource at a time a step nearer to what its spec says."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        queue: WorkQueue[Key],
        backends: Mapping[str, Backend[Any, Any]],
        events: EventRecorder,
        cluster: str,
    ) -> None:
        self._kube = kube
        self._store = store
        self._queue = queue
        self._backends = backends
        self._events = events
        self._cluster = cluster
        self.progress = time.monotonic()
        """When a reconciliation ended last, by the monotonic clock."""

    def forget(self, known: Item) -> None:
        """Drop what is held of a resource that is gone."""
        self._queue.forget(known.key)
        try:
            resource = self._resource(known)
        except ValidationError:
            logger.debug("Nothing is held of a spec that was never read", extra={"object": str(known.key)})
        else:
            self._backend(resource).forget(known.key, resource)

    async def run_worker(self) -> None:
        """Work on one key after the other, for ever."""
        while True:
            key = await self._queue.get()
            started = time.monotonic()
            try:
                outcome = await self._reconcile_safely(key)
            finally:
                self._queue.done(key)
            self.progress = time.monotonic()
            metrics.RECONCILES.labels(outcome).inc()
            metrics.RECONCILE_SECONDS.observe(time.monotonic() - started)

    async def _reconcile_safely(self, key: Key) -> str:
        """Return the outcome: whatever happens to one resource, the others go on."""
        try:
            return await self.reconcile(key)
        except NotLeadingError as error:
            # The process is about to end.
            logger.warning("%s", error, extra={"object": str(key)})
            return "not-leading"
        except (APIError, aiohttp.ClientError, TimeoutError) as error:
            pause = self._queue.add_failed(key)
            conflict = isinstance(error, APIError) and error.status in (404, 409)
            level = logging.DEBUG if conflict else logging.WARNING
            logger.log(level, "Kubernetes: %s; again in %.1f s", error, pause, extra={"object": str(key)})
            return "conflict" if conflict else "kubernetes-error"
        except Exception:
            pause = self._queue.add_failed(key)
            logger.exception("Reconciliation failed; again in %.1f s", pause, extra={"object": str(key)})
            await self._show_own_error(key)
            return "error"

    async def reconcile(self, key: Key) -> str:
        """Take the next steps for one resource; return the outcome as a word for the metrics."""
        known = self._store.get(key)
        if known is None:
            self._queue.forget(key)
            return "gone"
        if known.deleting and not known.held:
            return "released"
        try:
            resource = self._resource(known)
        except ValidationError as error:
            return await self._show_unreadable(known, error)
        if resource.deleting and resource.spec.deletion_policy is DeletionPolicy.RETAIN:
            await self._events.tell(known, "Normal", Note(Reason.RETAINED, _retained(resource)))
            return await self._release(known, resource)
        if not known.held and not resource.deleting:
            known = self._keep(await self._kube.set_finalizers(*key, known.version, [*known.finalizers, FINALIZER]))
        return await self._step(known, resource)

    async def _step(self, known: Item, resource: Resource) -> str:
        """Look, plan, write the status when it must be known first, act, write it otherwise."""
        key, status, backend = known.key, resource.status, self._backend(resource)
        seen = plan = None
        try:
            seen = await backend.look(key, resource)
            if seen is None:
                self._queue.forget(key)
                return "unchanged"
            plan = backend.plan(seen)
            if plan.ahead:
                known = await self._show(known, plan.status)
                status = plan.status
            for step in plan.steps:
                await backend.apply(seen, step)
        except Exception as error:
            failures = self._queue.failed(key)
            retry = backend.explain(replace(resource, status=status), seen, error, failures)
            if retry is None:
                raise
            logger.warning("%s", error, extra={"object": str(key)})
            # Upkeep that fails takes nothing away from what serves.
            shown = plan.status if plan is not None and plan.is_upkeep else retry.status
            await self._tell(await self._show(known, shown), resource.status, shown)
            if retry.after is not None:
                self._queue.add_after(key, retry.after)
            return "retry" if retry.after is not None else "stalled"
        self._queue.forget(key)
        return await self._finish(known, resource, plan)

    async def _finish(self, known: Item, resource: Resource, plan: Plan[Any]) -> str:
        final = plan.done or plan.status
        for note in plan.notes:
            await self._events.tell(known, *of_steps(note))
        if plan.finished:
            return await self._release(known, resource)
        known = await self._show(known, final)
        await self._tell(known, resource.status, final)
        if plan.after is not None:
            self._queue.add_after(known.key, plan.after)
        return "acted" if plan.steps else "looked"

    async def _release(self, known: Item, resource: Resource) -> str:
        """Let Kubernetes delete the object: nothing that is ours is left."""
        finalizers = [name for name in known.finalizers if name != FINALIZER]
        self._backend(resource).forget(known.key, resource)
        try:
            await self._kube.set_finalizers(*known.key, known.version, finalizers)
        except APIError as error:
            if error.status != 404:
                raise
        return "released"

    def _backend(self, resource: Resource) -> Backend[Any, Any]:
        return self._backends[resource.spec.backend]

    def _resource(self, known: Item) -> Resource:
        """Return the item with its spec and status read. Raises ValidationError."""
        return Resource(
            owner=Owner(self._cluster, known.key.namespace, known.key.name, known.uid),
            generation=known.generation,
            deleting=known.deleting,
            spec=Spec.model_validate(known.spec),
            status=_read_status(known),
        )

    async def _show(self, known: Item, status: Status) -> Item:
        """Write the status if it changed, with what it no longer has removed; return the item with it."""
        new = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        change = merge_patch(known.status, new)
        if not change:
            return known
        self._store.expect(known.key, new)
        return self._keep(await self._kube.set_status(*known.key, change))

    async def _tell(self, known: Item, before: Status, after: Status) -> None:
        for event_type, note in transitions(before, after):
            await self._events.tell(known, event_type, note)

    def _keep(self, body: dict[str, Any]) -> Item:
        new = item(body)
        self._store.refresh(new)
        return new

    async def _show_unreadable(self, known: Item, error: ValidationError) -> str:
        """Say of a spec that the API server would not let in today that it must be changed, or the CRD upgraded."""
        found = "; ".join(wording.of_spec(error))
        message = f"{found}: change it, or install the CRD that belongs to this operator"
        verdict = stalled(Reason.INVALID_SPEC, message, available=False)
        await self._show(known, _say(known, verdict))
        return "stalled"

    async def _show_own_error(self, key: Key) -> None:
        """Say in the status that we are in trouble, once it is clear that it will not pass by itself."""
        known = self._store.get(key)
        if known is None or self._queue.failures(key) <= QUIET_FAILURES:
            return
        try:
            message = "The operator met an error of its own; see its log."
            available = was_available(_read_status(known))
            await self._show(known, _say(known, progressing(Reason.RECONCILE_ERROR, message, available=available)))
        except Exception as error:  # noqa: BLE001 - a worker must outlive everything
            logger.warning("The status could not be written either: %s", error, extra={"object": str(key)})


def _retained(resource: Resource) -> str:
    return "AWS was left alone." if resource.spec.backend == "sageMaker" else "The claim with the weights was kept."


def _read_status(known: Item) -> Status:
    """Return the status, empty where somebody wrote one that cannot be read: it is derived again."""
    try:
        return Status.model_validate(known.status)
    except ValidationError:
        logger.warning("The status cannot be read and is derived again", extra={"object": str(known.key)})
        return Status()


def _say(known: Item, verdict: Verdict) -> Status:
    return with_verdict(_read_status(known), known.generation, verdict, rfc3339(datetime.now(UTC)))


def merge_patch(old: Any, new: Any) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that makes the object `old` into `new`; empty where they are equal."""
    change: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if before == value:
            continue
        change[key] = merge_patch(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return change
