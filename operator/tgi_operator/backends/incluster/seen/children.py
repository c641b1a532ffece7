"""Objects of all resources as the watch reported them, by resource: slim, so that thousands fit into memory."""

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from tgi_operator.api.identifiers import FIELD_MANAGER
from tgi_operator.backends.incluster.desired.names import CONTAINER, LABEL_NAME
from tgi_operator.backends.incluster.kinds import (
    BUDGET,
    CLAIM,
    DEPLOYMENT,
    HPA,
    JOB,
    KINDS,
    MONITOR,
    POD,
    SCALED_OBJECT,
    SERVICE,
    Object,
)
from tgi_operator.backends.keys import Key

Child = tuple[str, str]
"""Kind and name."""

Versions = Mapping[tuple[Key, Child], int]
"""resourceVersion by resource and object."""

_METADATA = ("name", "namespace", "uid", "labels", "annotations", "ownerReferences", "deletionTimestamp", "generation")
_STATUS: Mapping[str, tuple[str, ...]] = {
    DEPLOYMENT.name: (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "conditions",
    ),
    JOB.name: ("active", "failed", "conditions"),
    POD.name: ("phase", "reason", "message", "conditions", "containerStatuses", "initContainerStatuses"),
    CLAIM.name: ("phase",),
    SERVICE.name: (),
    BUDGET.name: (),
    MONITOR.name: (),
    HPA.name: ("conditions",),
    SCALED_OBJECT.name: (),
}
"""Fields of the status that decide something; a change of any other is no news."""

_POD_METADATA = ("name", "namespace", "uid", "labels", "deletionTimestamp", "creationTimestamp")
_CONDITION = ("type", "status", "reason", "message")
_POD_CONDITION = (*_CONDITION, "lastTransitionTime")
"""For a pod, the time shows whether it was ready before; it changes with the status only."""


class Children:
    """Objects by the resource whose name is on their label."""

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[Child, tuple[int, bytes]]] = {}
        self._keys: dict[tuple[str, Child], Key] = {}

    def of(self, key: Key) -> dict[Child, Object]:
        """Return the objects of a resource."""
        return {child: json.loads(zlib.decompress(kept)) for child, (_, kept) in self._by_key.get(key, {}).items()}

    def put(self, body: Mapping[str, Any]) -> Key | None:
        """Keep an object, unless it is older than the known one; return the resource to reconcile, None where none is.

        An object whose label was changed still belongs to its first resource, which has to restore it.
        """
        key, child = _key(body), _child(body)
        if key is None:
            return None
        version, kept = int(body["metadata"]["resourceVersion"]), _packed(body)
        first = self._keys.get((key.namespace, child), key)
        before = self._by_key.get(first, {}).get(child)
        if before is not None and version <= before[0]:
            return None
        if first != key:
            self._forget(first, child)
        self._by_key.setdefault(key, {})[child] = (version, kept)
        self._keys[key.namespace, child] = key
        return first if first != key or before is None or before[1] != kept else None

    def drop(self, body: Mapping[str, Any]) -> Key | None:
        """Drop an object that is gone; return its resource."""
        key = _key(body)
        return key if key is not None and self._forget(key, _child(body)) else None

    def forget(self, key: Key) -> None:
        """Drop all objects of a resource that is gone."""
        for child in self._by_key.pop(key, {}):
            self._keys.pop((key.namespace, child), None)

    def versions(self, kind: str) -> Versions:
        """Return the versions of all known objects of a kind, before it is listed again."""
        return {
            (key, child): version
            for key, children in self._by_key.items()
            for child, (version, _) in children.items()
            if child[0] == kind
        }

    def replace(self, before: Versions, bodies: Iterable[Mapping[str, Any]]) -> set[Key]:
        """Drop objects known `before` that are not among the listed `bodies`; return the resources to reconcile.

        A watch does not report what vanished while it was broken. What it reported meanwhile is newer than the list.
        """
        listed = list(bodies)
        there = {(_key(body), _child(body)) for body in listed}
        gone = [
            (key, child)
            for (key, child), version in before.items()
            if (key, child) not in there and self._by_key.get(key, {}).get(child, (None,))[0] == version
        ]
        changed = {key for key, child in gone if self._forget(key, child)}
        return changed | {key for body in listed if (key := self.put(body)) is not None}

    def _forget(self, key: Key, child: Child) -> bool:
        children = self._by_key.get(key, {})
        found = children.pop(child, None) is not None
        self._keys.pop((key.namespace, child), None)
        if not children:
            self._by_key.pop(key, None)
        return found


def _key(body: Mapping[str, Any]) -> Key | None:
    meta = body["metadata"]
    name = meta.get("labels", {}).get(LABEL_NAME)
    return Key(meta["namespace"], name) if name else None


def _child(body: Mapping[str, Any]) -> Child:
    return str(body["kind"]), str(body["metadata"]["name"])


def _packed(body: Mapping[str, Any]) -> bytes:
    """Return the parts that decide something; equal parts give equal bytes."""
    return zlib.compress(json.dumps(slim(body), sort_keys=True).encode(), 1)


def slim(body: Mapping[str, Any]) -> Object:
    """Return an object with only what decides something."""
    kind, status = str(body["kind"]), body.get("status") or {}
    kept = {name: status[name] for name in _STATUS[kind] if name in status}
    if "conditions" in kept:
        fields = _POD_CONDITION if kind == POD.name else _CONDITION
        kept["conditions"] = [_only(condition, fields) for condition in kept["conditions"]]
    if kind == POD.name:
        spec = _only(body["spec"], ("nodeName",))
        containers = body["spec"].get("containers", ())
        spec["containers"] = [_only(each, ("name", "image")) for each in containers if each["name"] == CONTAINER]
        return {"kind": kind, "metadata": _only(body["metadata"], _POD_METADATA), "spec": spec, "status": kept}
    rest = {name: value for name, value in body.items() if name not in ("metadata", "status")}
    if kind == DEPLOYMENT.name:
        rest["ownsReplicas"] = _owns_replicas(body["metadata"])
    return {**rest, "metadata": _only(body["metadata"], _METADATA), "status": kept}


def _owns_replicas(metadata: Mapping[str, Any]) -> bool:
    """Return whether the number of pods is a field that we apply."""
    return any(
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in metadata.get("managedFields", ())
    )


def _only(body: Mapping[str, Any], fields: Iterable[str]) -> Object:
    return {name: body[name] for name in fields if name in body}


WATCHED = tuple(KINDS[kind] for kind in _STATUS)
"""Kinds that are watched."""
