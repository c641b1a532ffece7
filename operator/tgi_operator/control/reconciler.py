"""One reconciliation of one resource: observe, plan, apply, report. Only the worker uses the queue."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
from pydantic import ValidationError

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.api.summary import with_summary
from tgi_operator.api.times import rfc3339
from tgi_operator.backends import served
from tgi_operator.backends.base import Backend, Remedy
from tgi_operator.backends.computing import compute
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict, as_reported, progressing, stalled, was_available, with_verdict
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.control.events import EventRecorder, of_note, transitions
from tgi_operator.control.outcome import After, Done, Failed, Outcome
from tgi_operator.control.store import Item, Store
from tgi_operator.control.writes import GoneError, StatusRefusedError, Writes
from tgi_operator.kube import APIError, describe
from tgi_operator.leadership.fence import NotLeadingError
from tgi_operator.schema import wording

logger = logging.getLogger(__name__)

Backends = Mapping[str, Backend[Any, Any]]
"""Backends by the field of the spec that selects them."""

QUIET_FAILURES = 3
"""Failures in a row that are only logged. The next one is reported on the resource."""

_REMINDER = 64
"""Failures after which an Event about them is posted again: about every 45 minutes, before the first Event expires."""

_QUIET_CONFLICTS = 8
"""Conflicts in a row, over about 50 seconds. They end when the watch delivers the other write."""

_NOT_LEADING_SECONDS = 30
_CONFLICTS = frozenset({404, 409})
_KUBERNETES_ERRORS = (APIError, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True)
class _Attempt:
    """A reconciliation in progress: the `number`th since the last success, and the resource at its start.

    `seen` is the item that the resource was built from.
    """

    backend: Backend[Any, Any]
    item: Item
    resource: Resource
    number: int
    seen: Item

    @property
    def is_repeated(self) -> bool:
        """Whether an attempt at this generation has failed. A lasting failure has then been reported."""
        return self.number > 1 and self.resource.status.observed_generation == self.resource.generation


class Reconciler:
    """Brings one resource at a time one step closer to its spec."""

    def __init__(
        self,
        store: Store,
        backends: Backends,
        writes: Writes,
        events: EventRecorder,
        cluster: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._backends = backends
        self._writes = writes
        self._events = events
        self._cluster = cluster
        self._now = now

    async def reconcile(self, key: Key, failures: int) -> Outcome:
        """Take the next steps for one resource, after this many failures in a row. Return the outcome."""
        item = self._store.get(key)
        if item is None:
            return Done("gone")
        if item.deleting and not item.held:
            return Done("released")
        try:
            return await self._reconcile(item, failures + 1)
        except NotLeadingError as error:
            # The process is about to end.
            logger.warning("%s", error, extra={"object": str(key)})
            return After("not-leading", _NOT_LEADING_SECONDS)
        except GoneError:
            return Done("gone")
        except StatusRefusedError as error:
            return await self._status_refused(key, error, failures + 1)
        except _KUBERNETES_ERRORS as error:
            return await self._kubernetes_failed(key, error, failures + 1)
        except Exception:
            logger.exception("The reconciliation failed", extra={"object": str(key)})
            message = (
                "Internal error; the operator retries automatically. Report the error as a bug, and include the "
                "traceback from the operator's log."
            )
            await self._report(key, Reason.RECONCILE_ERROR, message, failures)
            return Failed("error")

    async def _reconcile(self, item: Item, number: int) -> Outcome:
        resource = self._resource(item)
        backend = choose(self._backends, item)
        if backend is None:
            return await self._without_backend(item, resource)
        seen = item
        if not item.held and not item.deleting:
            item = await self._writes.hold(item)
        return await self._attempt(_Attempt(backend, item, resource, number, seen))

    async def _attempt(self, attempt: _Attempt) -> Outcome:
        """Observe, plan, write the status first if the plan requires it, and apply."""
        backend, resource = attempt.backend, attempt.resource
        situation = None
        try:
            situation = await backend.observe(attempt.item.key, resource)
            if situation is None:
                return Done("waiting")
            plan = await compute(resource, backend.plan, situation)
        except Exception as error:
            remedy = _remedy(attempt, resource.status, situation, error)
            if remedy is None:
                raise
            return await self._mend(attempt, remedy, error)
        status = plan.status
        if attempt.is_repeated or not plan.ahead:
            # Conditions that change back and forth with each attempt are of no use.
            status = as_reported(resource.status, status)
        if plan.ahead:
            attempt = replace(attempt, item=await self._write_status(attempt, status))
        try:
            for step in plan.steps:
                await backend.apply(situation, step)
        except Exception as error:
            remedy = _remedy(attempt, status, situation, error)
            if remedy is None:
                raise
            return await self._mend(attempt, remedy, error)
        return await self._finish(attempt, situation, plan)

    async def _finish(self, attempt: _Attempt, situation: Any, plan: Plan[Any]) -> Outcome:
        """Release a deleted resource, or post Events, collect old revisions and write the status."""
        if plan.finished:
            attempt.backend.forget(attempt.item.key)
            await self._writes.release(attempt.item)
            # Only now, because everything above is repeated if another write makes the release fail.
            await self._post(attempt.item, plan.notes)
            return Done("released")
        await self._post(attempt.item, plan.notes)
        try:
            for step in plan.collection:
                await attempt.backend.apply(situation, step)
        except NotLeadingError:
            raise
        except Exception as error:
            await self._collection_failed(attempt, error)
            remedy = _remedy(attempt, plan.reached, situation, error)
            if remedy is None:
                await self._report_status(attempt, plan.reached)
                raise
            return await self._mend(attempt, remedy.no_later_than(plan.after), error)
        await self._post(attempt.item, () if plan.collected is None else (plan.collected,))
        await self._report_status(attempt, plan.clean or plan.reached)
        self._store.compared(attempt.seen)
        label = "acted" if plan.steps or plan.collection else "observed"
        return Done(label) if plan.after is None else After(label, plan.after)

    async def _mend(self, attempt: _Attempt, remedy: Remedy, error: Exception) -> Outcome:
        """Report an error that the backend knows, and continue as its remedy describes."""
        logger.warning("%s", error, extra={"object": str(attempt.item.key)})
        if remedy.status is not None:
            await self._report_status(attempt, remedy.status)
        return Done("stalled") if remedy.after is None else Failed("retry", remedy.after)

    async def _collection_failed(self, attempt: _Attempt, error: Exception) -> None:
        if not _is_worth_an_event(attempt.number - 1):
            return
        message = f"Objects from old revisions remain: {describe(error)}; the operator retries automatically"
        await self._events.post(attempt.item, *of_note(Note(Reason.COLLECTION_FAILED, message)))

    async def _report_status(self, attempt: _Attempt, status: Status) -> None:
        """Write a status, and post Events for the changes since the resource's last one."""
        item = await self._write_status(attempt, status)
        for event_type, note in transitions(attempt.resource.status, status):
            await self._events.post(item, event_type, note)

    async def _write_status(self, attempt: _Attempt, status: Status) -> Item:
        item = attempt.item
        try:
            return await self._writes.status(item, with_summary(status, attempt.resource.spec))
        except (StatusRefusedError, *_KUBERNETES_ERRORS) as error:
            if not item.deleting:
                raise
            # Deletion needs no status: in a namespace that is being deleted, the permission may be gone already.
            logger.warning("The deletion status could not be written: %s", error, extra={"object": str(item.key)})
            return item

    async def _post(self, item: Item, notes: Iterable[Note]) -> None:
        for note in notes:
            await self._events.post(item, *of_note(note))

    async def _without_backend(self, item: Item, resource: Resource) -> Outcome:
        """Report a spec that names no backend, or one that is off.

        Without a backend, no object was ever created, so deletion needs no steps. The objects of a backend that is now
        off are left to an operator that serves this backend, unless the deletion policy is Retain.
        """
        off = served.problem(self._backends, item.outline)
        if item.deleting and (off is None or resource.retains or not item.status.get("backend")):
            await self._writes.release(item)
            return Done("released")
        message = (
            resource.problem.message if resource.problem else "spec: no backend is set; add sageMaker or inCluster"
        )
        problem = off or Problem(Reason.INVALID_SPEC, message)
        status = self._with(item, stalled(problem.reason, problem.message, available=was_available(resource.status)))
        written = await self._writes.status(item, with_summary(status, resource.spec))
        for event_type, note in transitions(resource.status, status):
            await self._events.post(written, event_type, note)
        return Done("stalled")

    async def _kubernetes_failed(self, key: Key, error: Exception, number: int) -> Outcome:
        conflict = isinstance(error, APIError) and error.status in _CONFLICTS
        if conflict and number <= _QUIET_CONFLICTS:
            # Another write came first. The watch will deliver it.
            logger.debug("%s", describe(error), extra={"object": str(key)})
            return Failed("conflict")
        logger.warning("%s", describe(error), extra={"object": str(key)})
        message = f"{describe(error)}; check the operator's Role, the quotas and the admission webhooks"
        await self._report(key, Reason.KUBERNETES_ERROR, message, number - 1)
        return Failed("conflict" if conflict else "kubernetes-error")

    async def _status_refused(self, key: Key, error: StatusRefusedError, number: int) -> Outcome:
        logger.warning("%s", error, extra={"object": str(key)})
        item = self._store.get(key)
        if item is not None and _is_worth_an_event(number - 1):
            message = (
                f"{error}; install the CRD for this version of the operator, and check the admission webhooks "
                "and the operator's Role"
            )
            await self._events.post(item, *of_note(Note(Reason.STATUS_REFUSED, message)))
        return Failed("status-refused")

    async def _report(self, key: Key, reason: Reason, message: str, failures: int) -> None:
        """Report a lasting error in the status, or as an Event if the status cannot be written either."""
        item = self._store.get(key)
        if item is None or failures < QUIET_FAILURES:
            return
        try:
            before = _read_status(item)
            status = self._with(item, progressing(reason, message, available=was_available(before)))
            written = await self._writes.status(item, with_summary(status, None))
            for event_type, note in transitions(before, status):
                await self._events.post(written, event_type, note)
        except GoneError:
            return
        except Exception as error:  # noqa: BLE001 - a worker must survive every error
            logger.warning("The status could not be written either: %s", describe(error), extra={"object": str(key)})
            if _is_worth_an_event(failures - QUIET_FAILURES):
                await self._events.post(item, *of_note(Note(reason, message)))

    def _with(self, item: Item, verdict: Verdict) -> Status:
        return with_verdict(_read_status(item), item.generation, verdict, rfc3339(self._now()))

    def _resource(self, item: Item) -> Resource:
        """Return the item with its spec and status parsed. A spec that the types reject becomes a problem."""
        spec = problem = None
        fields = item.spec
        try:
            if item.refused:
                problem = Problem(Reason.INVALID_SPEC, item.refused)
            else:
                spec = Spec.model_validate(fields)
        except ValidationError as error:
            found = "; ".join(wording.of_spec(error))
            message = f"{found}; change the spec, or install the CRD for this version of the operator"
            problem = Problem(Reason.INVALID_SPEC, message)
        return Resource(
            owner=Owner(self._cluster, item.key.namespace, item.key.name, item.uid),
            generation=item.generation,
            deleting=item.deleting,
            spec=spec,
            status=_read_status(item),
            fields=fields,
            problem=problem,
            render_request=item.render_request,
            request=item.request,
            created=item.created,
            rewritten=self._store.is_rewritten(item.key),
            rivals=self._store.rivals(item),
            large=item.packed is not None or _has_schedules(spec),
        )


def _remedy(attempt: _Attempt, status: Status, situation: Any, error: Exception) -> Remedy | None:
    """Return the backend's remedy for an error, built on `status`, or None if the error is not the backend's."""
    if isinstance(error, NotLeadingError):
        return None
    return attempt.backend.remedy(replace(attempt.resource, status=status), situation, error, attempt.number)


def _has_schedules(spec: Spec | None) -> bool:
    """Return whether the spec has schedules. Computing the times of one takes up to five milliseconds."""
    return spec is not None and spec.autoscaling is not None and bool(spec.autoscaling.schedules)


def _is_worth_an_event(repetitions: int) -> bool:
    return repetitions % _REMINDER == 0


def choose(backends: Backends, item: Item) -> Backend[Any, Any] | None:
    """Return the backend that the spec names, else the one that the status names, or None if neither names one."""
    for name, backend in backends.items():
        if name in item.outline:
            return backend
    shown = str(item.status.get("backend", "")).casefold()
    return next((backend for name, backend in backends.items() if name.casefold() == shown), None)


def _read_status(item: Item) -> Status:
    """Return the status, or an empty one if another user's write made it unreadable, because it can be derived again.

    Fields that only another version of the operator knows are omitted.
    """
    try:
        return Status.model_validate(item.status, extra="ignore")
    except ValidationError:
        logger.warning("The status cannot be read; the operator is deriving it again", extra={"object": str(item.key)})
        return Status()
