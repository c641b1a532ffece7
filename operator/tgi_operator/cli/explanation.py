"""The explanation of a resource's state, with the fix and the next attempt: a value, and its text for people."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from textwrap import fill

import click

from tgi_operator.api.identifiers import log_group
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.times import parse
from tgi_operator.cli import resource_fields as fields
from tgi_operator.cli.resource_fields import Object
from tgi_operator.cli.spec_warnings import ignored_nulls, spec_warnings

MOST_EVENTS = 10
"""Number of Events shown, the most recent ones."""

_RETRY = re.compile(r"\bretrying at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", re.IGNORECASE)
"""The operator's announcement of its next attempt in the messages of conditions."""

_UNSEEN = (
    "The operator has not reported on this resource yet. To see whether the operator is running, run `kubectl tgi "
    "version`. Also check whether the operator watches this namespace."
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_WIDTH = 100
"""Columns of the text that is the same for every resource with that reason."""

_COLORS = {"Ready": "green", "In progress": "yellow", "Deleting": "yellow", "Action required": "red"}


@dataclass(frozen=True)
class Surroundings:
    """Objects that are read besides the resource: its Events and pods, and the reason why they could not be read."""

    events: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    unreadable: tuple[str, ...] = ()


def explain(resource: Object, around: Surroundings, now: datetime) -> Object:
    """Return the explanation of a resource, in plain values for `-o json` and `-o yaml`."""
    meta, status = resource["metadata"], fields.status(resource)
    main = _main_condition(resource)
    return {
        "namespace": meta["namespace"],
        "name": meta["name"],
        "state": _state(resource),
        "backend": _backend(resource),
        "model": resource["spec"]["model"]["uri"],
        "reason": main["reason"] if main else None,
        "message": main["message"] if main else None,
        "meaning": known.means if main and (known := Reason.known(main["reason"])) else None,
        "acceptsRequests": _accepts_requests(resource),
        "action": _what_to_do(resource, main),
        "nextRetry": _next_retry(resource, now),
        "generation": {"spec": meta.get("generation"), "reported": status.get("observedGeneration", -1)},
        "replicas": {
            name: status.get(field)
            for name, field in (("ready", "readyReplicas"), ("existing", "replicas"), ("desired", "desiredReplicas"))
        },
        "url": status.get("url"),
        "conditions": [
            {name: each.get(name) for name in ("type", "status", "reason", "message", "lastTransitionTime")}
            for each in fields.conditions(resource)
        ],
        "lastFailure": status.get("lastFailure"),
        "aws": _aws(resource),
        "cluster": _cluster(resource, around.pods),
        "events": [event_record(each) for each in by_time(around.events)[-MOST_EVENTS:]],
        "unreadable": list(around.unreadable),
        "warnings": list(_warnings(resource)),
    }


def _warnings(resource: Object) -> Iterator[str]:
    """Yield the warnings of `plan`: about the spec, and about fields of it that kubectl and the API server dropped."""
    # Only this annotation of `kubectl apply` still has the fields that were null.
    written = (resource["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    # A stored spec can be older than the checks, and other users can write the annotation.
    with suppress(ValueError, RecursionError):
        yield from spec_warnings(Spec.model_validate(resource["spec"]))
    with suppress(ValueError, RecursionError):
        yield from ignored_nulls(json.loads(written) if written is not None else None)


def _state(resource: Object) -> str:
    if "deletionTimestamp" in resource["metadata"]:
        return "Deleting"
    if not fields.conditions(resource):
        return "Not observed"
    if fields.is_true(resource, "Stalled"):
        return "Action required"
    if not fields.is_current(resource) or fields.is_true(resource, "Reconciling"):
        return "In progress"
    ready = fields.condition(resource, "Ready")
    return "Ready" if ready and ready["status"] == "True" else "Unknown"


def _main_condition(resource: Object) -> Object | None:
    """Return the condition whose reason explains the state."""
    for kind in ("Stalled", "Ready", "Reconciling"):
        found = fields.condition(resource, kind)
        if found is not None and (kind == "Ready" or found["status"] == "True"):
            return found
    return None


def _accepts_requests(resource: Object) -> str:
    found = fields.condition(resource, "Available")
    return str(found["status"]) if found else "Unknown"


def _backend(resource: Object) -> str:
    spec = resource["spec"]
    if fields.is_in_cluster(resource):
        return "pods in the cluster"
    return f"SageMaker, {spec['sageMaker'].get('instanceType')} in {fields.region(resource)}"


def _what_to_do(resource: Object, main: Object | None) -> str:
    if main is None:
        return _UNSEEN
    if not fields.is_current(resource):
        return "Wait until the operator has reported on the latest change to the spec."
    reason = Reason.known(main["reason"])
    if reason is None:
        return f"This version of the client does not recognize the {main['reason']} reason. See the documentation."
    return reason.fix


def _next_retry(resource: Object, now: datetime) -> Object | None:
    """Return when the operator retries, according to the messages of the conditions, or None if none shows it."""
    found = (_RETRY.search(each.get("message") or "") for each in fields.conditions(resource))
    times = sorted({match[1] for match in found if match})
    if not times:
        return None
    return {"time": times[0], "inSeconds": max(0, round((parse(times[0]) - now).total_seconds()))}


def _aws(resource: Object) -> Object | None:
    """Return the names in AWS, and commands that show those objects."""
    endpoint = fields.endpoint_name(resource)
    if fields.is_in_cluster(resource) or endpoint is None:
        return None
    seen, region = fields.status(resource)["sageMaker"], fields.region(resource)
    return {
        "region": region,
        "endpoint": endpoint,
        "endpointStatus": seen.get("endpointStatus"),
        "endpointConfig": seen.get("endpointConfigName"),
        "model": seen.get("modelName"),
        "logGroup": log_group(endpoint),
        "command": f"aws sagemaker describe-endpoint --region {region} --endpoint-name {endpoint}",
    }


def _cluster(resource: Object, pods: Iterable[Object]) -> Object | None:
    """Return the objects in the cluster."""
    seen = fields.status(resource).get("inCluster")
    if not fields.is_in_cluster(resource) or seen is None:
        return None
    names = {"Deployment": "deploymentName", "Service": "serviceName", "PersistentVolumeClaim": "claimName"}
    return {
        "objects": [f"{kind}/{seen[field]}" for kind, field in names.items() if seen.get(field)],
        "pods": [_pod(each) for each in pods],
        "unhealthyPods": seen.get("unhealthyPods") or [],
    }


def _pod(pod: Object) -> Object:
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    return {
        "name": pod["metadata"]["name"],
        "phase": status.get("phase"),
        "ready": bool(containers) and all(each.get("ready") for each in containers),
        "restarts": sum(each.get("restartCount", 0) for each in containers),
        "node": (pod.get("spec") or {}).get("nodeName"),
    }


def by_time(events: Iterable[Object]) -> list[Object]:
    """Return the Events, oldest first."""
    return sorted(events, key=_time)


def event_record(event: Object) -> Object:
    """Return an Event of core/v1 in the form that people read."""
    about = event.get("involvedObject") or {}
    return {
        "time": _time(event),
        "type": event.get("type"),
        "reason": event.get("reason"),
        "object": f"{about.get('kind')}/{about.get('name')}",
        "count": (event.get("series") or {}).get("count") or event.get("count") or 1,
        "message": event.get("message"),
    }


def _time(event: Object) -> str:
    repeated = (event.get("series") or {}).get("lastObservedTime")
    return str(
        repeated or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    )


def text(explained: Object, now: datetime) -> str:
    """Return an explanation for people, with colors that are removed if the output is not a terminal."""
    return "\n".join(_lines(explained, now)) + "\n"


def _lines(explained: Object, now: datetime) -> Iterator[str]:
    state = click.style(explained["state"], fg=_COLORS.get(explained["state"]), bold=True)
    yield f"{explained['namespace']}/{explained['name']}: {state}"
    yield f"  {explained['model']} on {explained['backend']}"
    if explained["reason"]:
        yield f"\n{click.style(explained['reason'], bold=True)}: {explained['message']}"
    yield ""
    if explained["meaning"]:
        yield fill(f"Meaning: {explained['meaning']}", _WIDTH, subsequent_indent="  ")
    yield fill(f"Action: {explained['action']}", _WIDTH, subsequent_indent="  ")
    yield f"  {_about(explained['reason'])}"
    yield from (fill(f"Warning: {each}", _WIDTH, subsequent_indent="  ") for each in explained["warnings"])
    retry = explained["nextRetry"]
    if retry:
        when = f"in {duration(retry['inSeconds'])}" if retry["inSeconds"] else "due now"
        yield f"Next retry: {retry['time']} ({when}). To retry now: kubectl tgi retry {_arguments(explained)}"
    yield f"Accepts requests: {explained['acceptsRequests']}{_counted(explained['replicas'])}"
    if explained["url"]:
        yield f"URL: {explained['url']}"
    yield from _table("Conditions", explained["conditions"], now)
    if explained["aws"]:
        yield "\nAWS:"
        yield from (f"  {_label(name)}: {value}" for name, value in explained["aws"].items() if value)
    if explained["cluster"]:
        yield from _objects(explained["cluster"])
    yield from _events(explained["events"], now)
    yield from (f"\nNot shown: {each}" for each in explained["unreadable"])


def _label(name: str) -> str:
    """Return the name of a field as words, such as Log group."""
    return re.sub(r"[A-Z]", lambda match: f" {match[0].lower()}", name).capitalize()


def _about(reason: str | None) -> str:
    return f"docs/troubleshooting.md#{reason.lower()}" if reason else "docs/troubleshooting.md"


def _arguments(explained: Object) -> str:
    return f"{explained['name']} -n {explained['namespace']}"


def _counted(replicas: Object) -> str:
    if replicas["ready"] is None or replicas["desired"] is None:
        return ""
    return f", {replicas['ready']}/{replicas['desired']} replicas ready"


def _table(title: str, conditions: Iterable[Object], now: datetime) -> Iterator[str]:
    yield f"\n{title}:"
    rows = [(each["type"], each["status"], each["reason"], age(each["lastTransitionTime"], now)) for each in conditions]
    yield from aligned(rows) if rows else ["  none"]


def _objects(cluster: Object) -> Iterator[str]:
    yield f"\nObjects: {', '.join(cluster['objects'])}"
    yield "\nPods:"
    rows = [
        (
            each["name"],
            str(each["phase"]),
            "ready" if each["ready"] else "not ready",
            f"{each['restarts']} {'restart' if each['restarts'] == 1 else 'restarts'}",
            each["node"] or "not scheduled",
        )
        for each in cluster["pods"]
    ]
    yield from aligned(rows) if rows else ["  none"]
    yield from (f"  {each['name']}: {each['reason']}: {each['message']}" for each in cluster["unhealthyPods"])


def _events(events: Iterable[Object], now: datetime) -> Iterator[str]:
    yield "\nEvents:"
    rows = event_rows(events, now)
    yield from aligned(rows) if rows else ["  none; the cluster keeps Events for a limited time"]


def event_rows(events: Iterable[Object], now: datetime) -> list[tuple[str, ...]]:
    """Return the Events as rows of a table."""
    return [
        (
            age(each["time"], now),
            str(each["type"]),
            str(each["reason"]),
            str(each["object"]),
            f"{each['message']}" + (f" (x{each['count']})" if each["count"] > 1 else ""),
        )
        for each in events
    ]


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows of a table, indented, with columns as wide as needed."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def age(time: str | None, now: datetime) -> str:
    """Return the age of a time, such as 4m."""
    return duration(max(0, round((now - parse(time)).total_seconds()))) if time else "-"


def duration(seconds: int) -> str:
    """Return a duration in its largest unit, as kubectl shows ages."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size or (unit == "d" and seconds >= size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
