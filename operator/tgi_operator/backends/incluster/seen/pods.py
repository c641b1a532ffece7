"""The problem that keeps a pod from serving, as the scheduler, the kubelet and the container report it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.api.times import parse
from tgi_operator.backends.incluster.kinds import Object, condition, is_true
from tgi_operator.backends.secret_values import SecretValues, without_secrets
from tgi_operator.engines.tgi import failure_texts

MESSAGE_LIMIT = 1024

_TAIL_CHARACTERS = 600
"""Length of the end of a log that is quoted, because the error is in its last lines."""

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")

_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
"""Waiting reasons of the kubelet for images (kubernetes pkg/kubelet/images/types.go)."""

_PULL_REFUSED = re.compile(
    r"not found|manifest unknown|does not exist|unauthorized|denied|forbidden|couldn't parse image|InvalidImageName",
    re.IGNORECASE,
)
"""Messages of a registry that will also refuse the next attempt."""

_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
"""Message of the scheduler about a missing PVC (kubernetes pkg/scheduler/framework/plugins/volumebinding)."""

_SHORTAGE = re.compile(r"Insufficient \S+|Too many pods")
"""Messages of the scheduler about resources (kubernetes pkg/scheduler/framework/plugins/noderesources)."""

_OTHER_NODE = "didn't match pod affinity rules"
"""Message of the scheduler about a required pod affinity (kubernetes .../plugins/interpodaffinity)."""

_NOT_STARTED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

FETCHER = "fetch"
"""Name of the container that fetches weights."""

_CRASHES = 3
"""Restarts after which an unknown failure is treated as one that a user must fix."""


@dataclass(frozen=True)
class Trouble:
    """The reason why a pod does not serve. `stalled` means that a user must change something."""

    pod: str
    reason: Reason
    message: str
    stalled: bool = False
    container: str | None = None
    exit_code: int | None = None


def trouble(pod: Object, secrets: SecretValues | None = None) -> Trouble | None:
    """Return the problem that keeps a pod from serving, or None if it serves, is ending or has just started.

    The problem does not contain secret values.
    """
    if "deletionTimestamp" in pod["metadata"] or is_ready(pod):
        return None
    found = next((found for check in _CHECKS if (found := check(pod)) is not None), None)
    # Truncate last, because a truncated value might not be recognized.
    return replace(found, message=_cut(without_secrets(found.message, secrets))) if found is not None else None


def is_over(pod: Object) -> bool:
    """Return whether the pod has ended permanently. Its controller has created, or is creating, another pod."""
    return pod["status"].get("phase") in ("Failed", "Succeeded")


def is_ready(pod: Object) -> bool:
    """Return whether the pod serves."""
    return is_true(pod, "Ready")


def worst(found: Iterable[Trouble]) -> Trouble | None:
    """Return the trouble to report first: one that a user must fix, then any other, each by the name of the pod."""
    return min(found, key=lambda each: (not each.stalled, each.pod), default=None)


def unschedulable_since(pod: Object) -> datetime | None:
    """Return since when the pod has not fit on any node, or None if it fits or is being deleted."""
    scheduled = condition(pod, "PodScheduled")
    if "deletionTimestamp" in pod["metadata"] or not _is_unschedulable(scheduled):
        return None
    return parse(str(scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]))


def lacks_room(pod: Object, *, bound: bool) -> bool:
    """Return whether a pod is unschedulable for lack of resources or, if its volume is `bound`, because of its node."""
    scheduled = condition(pod, "PodScheduled")
    message = str(scheduled.get("message", ""))
    wanting = _SHORTAGE.search(message) is not None or (bound and _OTHER_NODE in message)
    return _is_unschedulable(scheduled) and _NO_CLAIM.search(message) is None and wanting


def _is_unschedulable(scheduled: Mapping[str, Any]) -> bool:
    return (scheduled.get("status"), scheduled.get("reason")) == ("False", "Unschedulable")


def _unschedulable(pod: Object) -> Trouble | None:
    scheduled = condition(pod, "PodScheduled")
    if not _is_unschedulable(scheduled):
        return None
    message = str(scheduled.get("message", ""))
    missing = _NO_CLAIM.search(message)
    if missing is None:
        return Trouble(_name(pod), Reason.UNSCHEDULABLE, message)
    claim = f"{pod['metadata']['namespace']}/{missing[1]}"
    return Trouble(
        _name(pod),
        Reason.PVC_NOT_FOUND,
        f"PersistentVolumeClaim {claim}: does not exist; create the PVC or specify another one in the spec, and the "
        "pod starts automatically",
        stalled=True,
    )


def _evicted(pod: Object) -> Trouble | None:
    status = pod["status"]
    if status.get("phase") != "Failed" or _containers(pod):
        return None
    return Trouble(
        _name(pod), Reason.CRASH_LOOP_BACK_OFF, f"{status.get('reason', 'Failed')}: {status.get('message', '')}"
    )


def _image(pod: Object) -> Trouble | None:
    for container in _containers(pod):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _PULLING:
            message = f"{waiting['reason']}: {waiting.get('message', '')}"
            refused = bool(_PULL_REFUSED.search(message))
            return Trouble(_name(pod), Reason.IMAGE_PULL_FAILED, message, refused, container["name"])
    return None


def _not_started(pod: Object) -> Trouble | None:
    for container in _containers(pod):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _NOT_STARTED:
            message = f"{waiting['reason']}: {waiting.get('message', '')}"
            return Trouble(_name(pod), Reason.CRASH_LOOP_BACK_OFF, message, stalled=True, container=container["name"])
    return None


def _ended(pod: Object) -> Trouble | None:
    """A container ended, and was or will be restarted."""
    for container in _containers(pod):
        if container.get("started") and _was_ready(pod, container):
            # It has served since, so the reason why it ended long ago does not matter.
            continue
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
        if ended is None or (ended.get("exitCode") == 0 and ended.get("reason") == "Completed"):
            continue
        return _crash(pod, container, ended)
    return None


def _crash(pod: Object, container: Mapping[str, Any], ended: Mapping[str, Any]) -> Trouble:
    code, log = int(ended.get("exitCode", 0)), str(ended.get("message", ""))
    tail, temporary = _tail(log), False
    if container["name"] == FETCHER:
        # The message of the program contains the fix.
        reason, advice = Reason.MODEL_DOWNLOAD_FAILED, "the weights were not fetched"
    elif ended.get("reason") == "OOMKilled":
        reason, advice = Reason.OOM_KILLED, "raise spec.inCluster.resources.limits.memory"
    elif (known := failure_texts.recognised(log)) is not None:
        reason, advice, temporary = known.reason, known.advice, known.temporary
    else:
        reason, advice = Reason.CRASH_LOOP_BACK_OFF, f"read the container's log with `kubectl logs -p {_name(pod)}`"
    message = f"container {container['name']} exited with code {code}; {advice}"
    patience = _CRASHES if reason in (Reason.CRASH_LOOP_BACK_OFF, Reason.OOM_KILLED) else 1
    return Trouble(
        _name(pod),
        reason,
        f"{message}. Last log lines: {tail}" if tail else message,
        # Not by the state, which changes back and forth between waiting and running, but by the number of restarts.
        stalled=not temporary and int(container.get("restartCount", 0)) >= patience,
        container=container["name"],
        exit_code=code,
    )


def _unhealthy(pod: Object) -> Trouble | None:
    """A container that had started does not answer its readiness probe."""
    for container in _containers(pod):
        running = container.get("state", {}).get("running")
        # A container that has not been ready since it began has just started and will answer in a moment.
        if (
            running is not None
            and container.get("started")
            and not container.get("ready")
            and _was_ready(pod, container)
        ):
            message = f"container {container['name']} is running but does not pass its health check"
            return Trouble(_name(pod), Reason.PROBE_FAILED, message, container=container["name"])
    return None


def _was_ready(pod: Object, container: Mapping[str, Any]) -> bool:
    """Return whether a running container has been ready since it began. If no times show that, assume that it has."""
    running = container.get("state", {}).get("running")
    if running is None:
        return False
    began, unready_since = running.get("startedAt"), condition(pod, "Ready").get("lastTransitionTime")
    return began is None or unready_since is None or unready_since > began


_CHECKS: tuple[Callable[[Object], Trouble | None], ...] = (
    _unschedulable,
    _evicted,
    _image,
    _not_started,
    _ended,
    _unhealthy,
)


def _containers(pod: Object) -> list[Mapping[str, Any]]:
    status = pod["status"]
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _tail(log: str) -> str:
    """Return the end of a log on one line, from the beginning of a line if it is truncated."""
    lines = [line.strip() for line in _ESCAPES.sub("", log).splitlines() if line.strip()]
    kept: list[str] = []
    for line in reversed(lines):
        if kept and sum(map(len, kept)) + len(line) > _TAIL_CHARACTERS:
            break
        kept.insert(0, line[-_TAIL_CHARACTERS:])
    return " | ".join(kept)


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"
