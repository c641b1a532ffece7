"""Objects of all resources as the watch reported them, by resource, and reduced, so that thousands fit in memory."""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    NETWORK_POLICY,
    POD,
    POD_MONITOR,
    POD_MONITORING,
    SCALED_OBJECT,
    SERVICE,
    Object,
)
from tgi_operator.backends.keys import Key
from tgi_operator.intake import our_annotations

Child = tuple[str, str]
"""Kind and name."""

Versions = dict[tuple[Key, Child], int]
"""resourceVersion by resource and object."""

_METADATA = ("name", "namespace", "uid", "labels", "ownerReferences", "deletionTimestamp", "generation")
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
    POD_MONITOR.name: (),
    POD_MONITORING.name: (),
    HPA.name: ("conditions",),
    SCALED_OBJECT.name: (),
    NETWORK_POLICY.name: (),
}
"""Relevant fields of the status. A change of any other field starts no reconciliation."""

_POD_METADATA = ("name", "namespace", "uid", "labels", "deletionTimestamp", "creationTimestamp")
_CONDITION = ("type", "status", "reason", "message")
_TIMED_CONDITION = (*_CONDITION, "lastTransitionTime")
"""The time shows whether a pod was ready before, and when a Job failed. It changes only with the status."""

MOST = 1000
"""Objects that are stored for one resource. Further pods add no information."""


class Children:
    """Objects by the resource named on their label, while that resource exists.

    `known` returns whether it exists. For skipped objects, a hash of the resource's name is stored, so that they can be
    listed if the resource is created later.
    """

    def __init__(self, known: Callable[[Key], bool]) -> None:
        self._known = known
        self._by_key: dict[Key, dict[Child, tuple[int, bytes]]] = {}
        self._keys: dict[tuple[str, Child], Key] = {}
        self._overridden: dict[tuple[str, Child], tuple[str, str]] = {}
        self._passed_over: set[int] = set()
        self._passed_over_before: set[int] = set()

    def wants(self, body: Mapping[str, Any]) -> bool:
        """Return whether an object is stored. If its resource does not exist, remember the name of the resource."""
        key, child = _key(body), _child(body)
        if key is None or (key.namespace, child) in self._keys:
            return key is not None
        if not self._known(key):
            self._passed_over.add(hash(key))
            return False
        return len(self._by_key.get(key, ())) < MOST

    def lacks(self, key: Key) -> bool:
        """Return whether objects of a resource may have been skipped."""
        return hash(key) in self._passed_over or hash(key) in self._passed_over_before

    def completed(self, key: Key) -> None:
        """Record that all objects of a resource were stored."""
        self._passed_over.discard(hash(key))
        self._passed_over_before.discard(hash(key))

    def listing(self, *, over: bool) -> None:
        """Record that a list of all objects begins or ends. The skipped objects are then only those of that list."""
        self._passed_over_before = set() if over else self._passed_over | self._passed_over_before
        if not over:
            self._passed_over = set()

    def of(self, key: Key) -> dict[Child, Object]:
        """Return the objects of a resource.

        `overridden` of an object is the digest of the manifest whose apply would change nothing, although they differ.
        """
        found = {}
        for child, (version, kept) in self._by_key.get(key, {}).items():
            body = json.loads(zlib.decompress(kept))
            content, manifest = self._overridden.get((key.namespace, child), ("", ""))
            if content == _content(body, version):
                body["overridden"] = manifest
            found[child] = body
        return found

    def applied(self, body: Mapping[str, Any], manifest: str) -> Key | None:
        """Store an object as an apply returned it. Return the resource to reconcile, or None.

        `manifest` is the digest of what was applied. If the apply changes nothing, although the object differs from the
        manifest, another controller overrides it, such as an admission webhook that rewrites images. Another apply of
        the same manifest would do the same, until the object changes.
        """
        key, child = _key(body), _child(body)
        version = int(body["metadata"]["resourceVersion"])
        if key is not None:
            before = self._by_key.get(key, {}).get(child)
            if before is not None and before[0] == version:
                self._overridden[key.namespace, child] = _content(body, version), manifest
            else:
                self._overridden.pop((key.namespace, child), None)
        return self.put(body)

    def put(self, body: Mapping[str, Any]) -> Key | None:
        """Store an object, unless it is older than the known one. Return the resource to reconcile, or None.

        An object whose label was changed still belongs to its first resource, which has to restore the label.
        """
        key, child = _key(body), _child(body)
        if key is None or not self.wants(body):
            return None
        version = int(body["metadata"]["resourceVersion"])
        first = self._keys.get((key.namespace, child), key)
        before = self._by_key.get(first, {}).get(child)
        if before is not None and version <= before[0]:
            return None
        if first != key:
            self._forget(first, child)
            if not self.wants(body):
                return first
        kept = _packed(body)
        self._by_key.setdefault(key, {})[child] = (version, kept)
        self._keys[key.namespace, child] = key
        return first if first != key or before is None or before[1] != kept else None

    def drop(self, body: Mapping[str, Any]) -> Key | None:
        """Drop an object that is gone. Return its resource."""
        key = _key(body)
        return key if key is not None and self._forget(key, _child(body)) else None

    def forget(self, key: Key) -> None:
        """Drop all objects of a resource that is gone."""
        for child in self._by_key.pop(key, {}):
            self._keys.pop((key.namespace, child), None)
            self._overridden.pop((key.namespace, child), None)

    def resources(self) -> tuple[Key, ...]:
        """Return the resources that have objects."""
        return tuple(self._by_key)

    def versions(self, kind: str) -> Versions:
        """Return the versions of all known objects of a kind, before it is listed again."""
        return {
            (key, child): version
            for key, children in self._by_key.items()
            for child, (version, _) in children.items()
            if child[0] == kind
        }

    def drop_missing(self, missing: Versions) -> set[Key]:
        """Drop objects that were known before a list and are not in it. Return their resources.

        A watch does not report objects that were deleted while it was broken. Objects that it reported meanwhile are
        newer than the list.
        """
        gone = [
            (key, child)
            for (key, child), version in missing.items()
            if self._by_key.get(key, {}).get(child, (None,))[0] == version
        ]
        return {key for key, child in gone if self._forget(key, child)}

    def _forget(self, key: Key, child: Child) -> bool:
        children = self._by_key.get(key, {})
        found = children.pop(child, None) is not None
        self._keys.pop((key.namespace, child), None)
        self._overridden.pop((key.namespace, child), None)
        if not children:
            self._by_key.pop(key, None)
        return found


def identity(body: Mapping[str, Any]) -> tuple[Key | None, Child]:
    """Return the resource on the label of an object, or None if there is none, and the kind and name of the object."""
    return _key(body), _child(body)


def _key(body: Mapping[str, Any]) -> Key | None:
    meta = body["metadata"]
    name = meta.get("labels", {}).get(LABEL_NAME)
    return Key(meta["namespace"], name) if name else None


def _child(body: Mapping[str, Any]) -> Child:
    return str(body["kind"]), str(body["metadata"]["name"])


def _content(body: Mapping[str, Any], version: int) -> str:
    """Return a text that changes with the content of an object and, if it has a generation, not with its status."""
    return f"{body['metadata']['uid']} {body['metadata'].get('generation', version)}"


def _packed(body: Mapping[str, Any]) -> bytes:
    """Return the relevant parts of an object. Equal parts give equal bytes."""
    return zlib.compress(json.dumps(slim(body), sort_keys=True).encode(), 1)


def slim(body: Mapping[str, Any]) -> Object:
    """Return an object with only its relevant parts."""
    kind, status = str(body["kind"]), body.get("status") or {}
    kept = {name: status[name] for name in _STATUS[kind] if name in status}
    if "conditions" in kept:
        fields = _TIMED_CONDITION if kind in (POD.name, JOB.name) else _CONDITION
        kept["conditions"] = [_only(condition, fields) for condition in kept["conditions"]]
    if kind == POD.name:
        spec = _only(body["spec"], ("nodeName",))
        containers = body["spec"].get("containers", ())
        spec["containers"] = [
            _only(each, ("name", "image", "resources") if each["name"] == CONTAINER else ("name", "resources"))
            for each in containers
        ]
        return {"kind": kind, "metadata": _only(body["metadata"], _POD_METADATA), "spec": spec, "status": kept}
    rest = {name: value for name, value in body.items() if name not in ("metadata", "status")}
    if kind == DEPLOYMENT.name:
        rest.setdefault("ownsReplicas", _owns_replicas(body["metadata"]))
    annotations = our_annotations(body["metadata"])
    if kind == SERVICE.name:
        annotations |= _applied_annotations(body["metadata"])
    own = (*_METADATA, "creationTimestamp") if kind == JOB.name else _METADATA
    metadata = _only(body["metadata"], own) | ({"annotations": annotations} if annotations else {})
    return {**rest, "metadata": metadata, "status": kept}


def reduced(body: Object) -> Object:
    """Return an object with only its relevant parts and the version that the watch needs."""
    found = slim(body)
    found["metadata"]["resourceVersion"] = body["metadata"]["resourceVersion"]
    return found


def _owns_replicas(metadata: Mapping[str, Any]) -> bool:
    """Return whether the operator applies the field with the replica count."""
    return any("f:replicas" in fields.get("f:spec", {}) for fields in _applied_fields(metadata))


def _applied_annotations(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations that the operator applies. Those of cloud controllers change often and do not matter.

    An object without managedFields has only these annotations, because it has been reduced before.
    """
    found: dict[str, str] = metadata.get("annotations") or {}
    if "managedFields" not in metadata:
        return found
    applied = [fields.get("f:metadata", {}).get("f:annotations", {}) for fields in _applied_fields(metadata)]
    return {name: value for name, value in found.items() if any(f"f:{name}" in each for each in applied)}


def _applied_fields(metadata: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the fields that the operator applies."""
    for entry in metadata.get("managedFields", ()):
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            yield entry.get("fieldsV1", {})


def _only(body: Mapping[str, Any], fields: Iterable[str]) -> Object:
    return {name: body[name] for name in fields if name in body}


STORED = tuple(KINDS[kind] for kind in _STATUS)
"""Kinds whose objects are stored."""
