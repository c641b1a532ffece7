"""Kubernetes Events, one for each relevant change. A repeated Event increments the count of the first one."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from tgi_operator.api import conditions
from tgi_operator.api.identifiers import API_VERSION, FIELD_MANAGER, GROUP, KIND
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType, ScalingStatus, Status
from tgi_operator.backends.plans.planning import Note
from tgi_operator.control.store import Item
from tgi_operator.kube import APIError

logger = logging.getLogger(__name__)

_MESSAGE_LIMIT = 1024
"""Longest note of an events.k8s.io/v1 Event."""

_MOST_COUNTS = 4096
"""Events whose repetitions are counted. The least recent one is dropped and counts from 2 if it occurs again."""

_ACTION = "Reconcile"

_WARNINGS = frozenset(
    {
        Reason.AWS_UNAVAILABLE,
        Reason.COLLECTION_FAILED,
        Reason.CRASH_LOOP_BACK_OFF,
        Reason.CREDENTIALS_EXPIRED,
        Reason.IMAGE_NOT_FOUND,
        Reason.IMAGE_PULL_FAILED,
        Reason.INSUFFICIENT_CAPACITY,
        Reason.INTERNAL_FAILURE,
        Reason.KUBERNETES_ERROR,
        Reason.LEFT_ALONE,
        Reason.MODEL_DATA_NOT_READABLE,
        Reason.MODEL_DOWNLOAD_FAILED,
        Reason.OOM_KILLED,
        Reason.OUT_OF_GPU_MEMORY,
        Reason.PROBE_FAILED,
        Reason.RECONCILE_ERROR,
        Reason.ROLLING_BACK,
        Reason.STATUS_REFUSED,
        Reason.THROTTLED,
        Reason.UNKNOWN_ENDPOINT_STATUS,
        Reason.UNSCHEDULABLE,
    }
)
"""Reasons that are Warnings although the operator continues automatically."""

_QUIET = frozenset({Reason.ENDPOINT_NOT_IN_SERVICE, Reason.NO_METRICS})
"""Reasons for not following the load that every new endpoint has for a while."""

Event = tuple[str, Note]
"""Type, Normal or Warning, and the reason and message of the Event."""


class EventsAPI(Protocol):
    """The interface for Events of the API server."""

    async def create_event(self, namespace: str, event: dict[str, Any]) -> None:
        """Create an Event. Raises APIError 409 if its name exists."""

    async def repeat_event(self, namespace: str, name: str, change: dict[str, Any]) -> None:
        """Patch an Event that occurred again."""


def of_note(note: Note) -> Event:
    """Return the Event for the steps of a plan."""
    return "Warning" if note.reason in _WARNINGS else "Normal", note


def transitions(before: Status, after: Status) -> tuple[Event, ...]:
    """Return the Events for the changes between two statuses.

    The changes are a new reason for being ready, unreadable, in progress or stalled, a new replica count, new bounds,
    and a change in whether the replica count follows the load.
    """
    changes: list[Event] = []
    for kind in (ConditionType.STALLED, ConditionType.RECONCILING):
        old, new = conditions.get(before.conditions, kind), conditions.get(after.conditions, kind)
        if new is None or new.status != ConditionStatus.TRUE:
            continue
        if old is None or (old.status, old.reason) != (new.status, new.reason):
            warns = kind == ConditionType.STALLED or new.reason in _WARNINGS
            changes.append(("Warning" if warns else "Normal", Note(Reason(new.reason), new.message)))
    changes += _ready(before, after)
    # Stalled, Reconciling and Ready can have the same note. The first one wins, which is the Warning if there is one.
    unique: dict[Note, Event] = {}
    for event in changes:
        unique.setdefault(event[1], event)
    return (*unique.values(), *_scaling(before.scaling or ScalingStatus(), after.scaling), *_activity(before, after))


def _ready(before: Status, after: Status) -> tuple[Event, ...]:
    """Return the Event for Ready if it became True or Unknown, or is known again."""
    kind, unknown = ConditionType.READY, ConditionStatus.UNKNOWN
    old, new = conditions.get(before.conditions, kind), conditions.get(after.conditions, kind)
    was = old.status if old is not None else None
    if new is None or new.status == was or (new.status == ConditionStatus.FALSE and was != unknown):
        return ()
    return (("Warning" if new.status == unknown else "Normal", Note(Reason(new.reason), new.message)),)


def _scaling(before: ScalingStatus, after: ScalingStatus | None) -> tuple[Event, ...]:
    if after is None:
        return ()
    changes = []
    newest = after.history[0] if after.history else None
    known = {(each.time, each.to) for each in before.history or ()}
    if newest is not None and (newest.time, newest.to) not in known:
        # Some causes from AWS and Kubernetes end with a period.
        cause = newest.reason.removesuffix(".")
        changes.append(("Normal", Note(Reason.SCALED, f"Scaled from {newest.before} to {newest.to} ({cause}).")))
    bounds = (after.min_replicas, after.max_replicas)
    if after.scaler is not None and bounds != (before.min_replicas, before.max_replicas):
        schedule = f" (schedule {after.active_schedule})" if after.active_schedule else ""
        message = f"Scaling bounds are now {bounds[0]} to {bounds[1]}{schedule}."
        changes.append(("Normal", Note(Reason.BOUNDS_CHANGED, message)))
    return tuple(changes)


def _activity(before: Status, after: Status) -> tuple[Event, ...]:
    """Return the Event for ScalingActive if it became True, or if it is False for a new reason."""
    kind = ConditionType.SCALING_ACTIVE
    old, new = conditions.get(before.conditions, kind), conditions.get(after.conditions, kind)
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return ()
    if new.reason in _QUIET:
        return ()
    active = new.status == ConditionStatus.TRUE
    return (("Normal" if active else "Warning", Note(Reason(new.reason), new.message)),)


class EventRecorder:
    """Posts Events. A failure to post one is only logged, because the status reports the same information."""

    def __init__(self, kube: EventsAPI, instance: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._kube = kube
        self._instance = instance
        self._now = now
        self._counts: OrderedDict[str, int] = OrderedDict()

    async def post(self, item: Item, event_type: str, note: Note) -> None:
        """Post an Event about a resource. If it repeats an earlier Event, increment that Event's count instead."""
        time = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        digest = hashlib.sha256(f"{item.uid}/{note.reason}/{note.message}".encode()).hexdigest()[:12]
        name = f"{item.key.name[:240]}.{digest}"
        logger.info("%s: %s", note.reason, note.message, extra={"object": str(item.key)})
        try:
            try:
                await self._kube.create_event(item.key.namespace, self._event(item, name, event_type, note, time))
                self._count(name, 1)
            except APIError as error:
                if error.status != 409:
                    raise
                count = self._counts.get(name, 1) + 1
                series = {"count": count, "lastObservedTime": time}
                await self._kube.repeat_event(item.key.namespace, name, {"series": series})
                self._count(name, count)
        except (APIError, aiohttp.ClientError, TimeoutError) as error:
            logger.warning("The Event %s could not be posted: %s", note.reason, error, extra={"object": str(item.key)})

    def _count(self, name: str, count: int) -> None:
        self._counts[name] = count
        self._counts.move_to_end(name)
        if len(self._counts) > _MOST_COUNTS:
            self._counts.popitem(last=False)

    def _event(self, item: Item, name: str, event_type: str, note: Note, time: str) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": item.key.namespace},
            "eventTime": time,
            "reportingController": f"{GROUP}/{FIELD_MANAGER}",
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": item.key.namespace,
                "name": item.key.name,
                "uid": item.uid,
                "resourceVersion": item.version,
            },
            "action": _ACTION,
            "type": event_type,
            "reason": note.reason,
            "note": note.message[:_MESSAGE_LIMIT],
        }
