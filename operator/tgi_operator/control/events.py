"""Kubernetes Events: one for each change worth telling, repeats counted instead of posted anew."""

import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp

from tgi_operator.api.names import API_VERSION, FIELD_MANAGER, GROUP, KIND
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Condition, ConditionStatus, ConditionType, ScalingStatus, Status
from tgi_operator.backends.plans.planning import Note
from tgi_operator.control.store import Item
from tgi_operator.kube import APIError, Kube

logger = logging.getLogger(__name__)

_MESSAGE_LIMIT = 1024
"""Longest note of an events.k8s.io/v1 Event."""

_ACTION = "Reconcile"

_BAD_NEWS = frozenset(
    {
        Reason.AWS_UNAVAILABLE,
        Reason.CRASH_LOOP_BACK_OFF,
        Reason.CREDENTIALS_EXPIRED,
        Reason.IMAGE_PULL_FAILED,
        Reason.INSUFFICIENT_CAPACITY,
        Reason.INTERNAL_FAILURE,
        Reason.LEFT_ALONE,
        Reason.MODEL_DOWNLOAD_FAILED,
        Reason.OOM_KILLED,
        Reason.OUT_OF_GPU_MEMORY,
        Reason.PROBE_FAILED,
        Reason.RECONCILE_ERROR,
        Reason.ROLLING_BACK,
        Reason.THROTTLED,
    }
)
"""Reasons that are a warning though the operator goes on by itself."""

_QUIET = frozenset({Reason.ENDPOINT_NOT_IN_SERVICE, Reason.NO_METRICS})
"""Reasons not to follow the load that every new endpoint has for a while."""


def of_steps(note: Note) -> tuple[str, Note]:
    """Return (type, note) for what the steps of a plan did."""
    return "Warning" if note.reason in _BAD_NEWS else "Normal", note


def transitions(before: Status, after: Status) -> tuple[tuple[str, Note], ...]:
    """Return (type, note) for what changed between two statuses.

    That is a new reason to be ready, at work or stalled; another number wanted, other bounds, and whether the number
    follows the load.
    """
    told = []
    for kind in (ConditionType.READY, ConditionType.STALLED, ConditionType.RECONCILING):
        old, new = _find(before.conditions, kind), _find(after.conditions, kind)
        if new is None or new.status != ConditionStatus.TRUE:
            continue
        if old is None or old.status != new.status or (kind != ConditionType.READY and old.reason != new.reason):
            bad = kind == ConditionType.STALLED or new.reason in _BAD_NEWS
            told.append(("Warning" if bad else "Normal", Note(Reason(new.reason), new.message)))
    return (*told, *_scaling(before.scaling or ScalingStatus(), after.scaling), *_activity(before, after))


def _scaling(before: ScalingStatus, after: ScalingStatus | None) -> tuple[tuple[str, Note], ...]:
    if after is None:
        return ()
    told = []
    newest = after.history[0] if after.history else None
    known = {(each.time, each.to) for each in before.history or ()}
    if newest is not None and (newest.time, newest.to) not in known:
        told.append(("Normal", Note(Reason.SCALED, f"From {newest.before} to {newest.to}: {newest.reason}")))
    bounds = (after.min_replicas, after.max_replicas)
    if after.scaler is not None and bounds != (before.min_replicas, before.max_replicas):
        by = f", by schedule {after.active_schedule}" if after.active_schedule else ""
        told.append(("Normal", Note(Reason.BOUNDS_CHANGED, f"{bounds[0]} to {bounds[1]} are in force{by}.")))
    return tuple(told)


def _activity(before: Status, after: Status) -> tuple[tuple[str, Note], ...]:
    """Return what is to be told of ScalingActive: that it is so now, or what keeps it from being so."""
    kind = ConditionType.SCALING_ACTIVE
    old, new = _find(before.conditions, kind), _find(after.conditions, kind)
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return ()
    if new.reason in _QUIET:
        return ()
    active = new.status == ConditionStatus.TRUE
    return (("Normal" if active else "Warning", Note(Reason(new.reason), new.message)),)


def _find(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


class EventRecorder:
    """Posts Events. One that cannot be posted is logged and not missed: the status tells the same."""

    def __init__(self, kube: Kube, instance: str) -> None:
        self._kube = kube
        self._instance = instance

    async def tell(self, about: Item, event_type: str, note: Note) -> None:
        """Post an Event about a resource; the same event again counts up the first."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        digest = hashlib.sha256(f"{about.uid}/{note.reason}/{note.message}".encode()).hexdigest()[:12]
        name = f"{about.key.name[:240]}.{digest}"
        logger.info("%s: %s", note.reason, note.message, extra={"object": str(about.key)})
        try:
            try:
                await self._kube.create_event(about.key.namespace, self._event(about, name, event_type, note, now))
            except APIError as error:
                if error.status != 409:
                    raise
                await self._kube.repeat_event(
                    about.key.namespace, name, {"series": {"count": 2, "lastObservedTime": now}}
                )
        except (APIError, aiohttp.ClientError, TimeoutError) as error:
            logger.warning("The Event %s could not be posted: %s", note.reason, error, extra={"object": str(about.key)})

    def _event(self, about: Item, name: str, event_type: str, note: Note, now: str) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": about.key.namespace},
            "eventTime": now,
            "reportingController": f"{GROUP}/{FIELD_MANAGER}",
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": about.key.namespace,
                "name": about.key.name,
                "uid": about.uid,
                "resourceVersion": about.version,
            },
            "action": _ACTION,
            "type": event_type,
            "reason": note.reason,
            "note": note.message[:_MESSAGE_LIMIT],
        }
