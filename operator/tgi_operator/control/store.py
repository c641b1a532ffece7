"""The TGIEndpoints last seen, reduced to the parts that a reconciliation needs."""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tgi_operator.api.identifiers import FINALIZER, MOST_ANNOTATION, RENDER_ANNOTATION, REQUEST_ANNOTATION
from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Rival
from tgi_operator.backends.sagemaker.desired import places
from tgi_operator.backends.sagemaker.desired.places import Place
from tgi_operator.intake import LARGEST_SPEC, Object, our_annotations

_SMALL_SPEC = 8 * 1024
"""Bytes of a spec that is stored as it is. A larger one is packed, because it is up to ten times larger when parsed."""

_SMALL_FIELD = 1024

_METADATA = (
    "namespace",
    "name",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
)


@dataclass(frozen=True, slots=True)
class Item:
    """One TGIEndpoint as last seen.

    `outline` is the spec without its large fields. A large spec itself is `packed`. `refused` is the problem of a spec
    that is too large to be parsed at all. `place` is the place of its endpoint on SageMaker.
    """

    key: Key
    uid: str
    version: str
    generation: int
    deleting: bool
    finalizers: tuple[str, ...]
    outline: Mapping[str, Any]
    status: Mapping[str, Any]
    render_request: str = ""
    request: str = ""
    created: str = ""
    place: Place | None = None
    packed: bytes | None = None
    refused: str = ""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec, or for a refused one only the outline, from which deletion takes the fields that it needs."""
        if self.packed is None:
            return self.outline
        spec: Mapping[str, Any] = json.loads(zlib.decompress(self.packed))
        return spec

    @property
    def held(self) -> bool:
        """Whether the resource has our finalizer."""
        return FINALIZER in self.finalizers

    @property
    def secret(self) -> tuple[str, str] | None:
        """Namespace and name of the Secret that it refers to."""
        reference = self.outline.get("model", {}).get("tokenSecretRef")
        return (self.key.namespace, reference["name"]) if reference else None

    @property
    def as_rival(self) -> Rival:
        """The facts about it that another TGIEndpoint with the same endpoint needs to know."""
        shown = self.status.get("sageMaker") or {}
        return Rival(self.key, self.created, owned=bool(shown.get("endpointARN") or shown.get("endpointStatus")))


def item(body: Mapping[str, Any]) -> Item:
    """Return the stored parts of an object from the API server."""
    meta, spec = body["metadata"], body["spec"]
    annotations = meta.get("annotations", {})
    key, status = Key(meta["namespace"], meta["name"]), body.get("status") or {}
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":")).encode()
    large, refused = len(text) > _SMALL_SPEC, ""
    if len(text) > LARGEST_SPEC:
        refused = f"spec: is {len(text)} bytes long, but the limit is {LARGEST_SPEC} bytes; make the spec smaller"
    outline = _outline(spec) if large else spec
    return Item(
        key=key,
        uid=meta["uid"],
        version=meta["resourceVersion"],
        generation=meta["generation"],
        deleting="deletionTimestamp" in meta,
        finalizers=tuple(meta.get("finalizers", ())),
        outline=outline,
        status=status,
        render_request=annotations.get(RENDER_ANNOTATION, "")[:MOST_ANNOTATION],
        request=annotations.get(REQUEST_ANNOTATION, "")[:MOST_ANNOTATION],
        created=meta.get("creationTimestamp", ""),
        place=places.shown(key, outline, status),
        packed=zlib.compress(text, 1) if large and not refused else None,
        refused=refused,
    )


def reduced(body: Object) -> Object:
    """Return a TGIEndpoint with only the fields that `item` and the informer need."""
    meta = body["metadata"]
    kept = {name: meta[name] for name in _METADATA if name in meta}
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {**kept, "annotations": our_annotations(meta)},
        "spec": body["spec"],
        "status": body.get("status") or {},
    }


def _outline(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec without its large fields. In objects such as sageMaker, each field is measured separately."""
    outline: dict[str, Any] = {}
    for name, value in spec.items():
        if isinstance(value, dict):
            outline[name] = {each: inner for each, inner in value.items() if _is_small(inner)}
        elif _is_small(value):
            outline[name] = value
    return outline


def _is_small(value: Any) -> bool:
    return len(json.dumps(value)) <= _SMALL_FIELD


class Store:
    """Items by key, and keys by the Secret that they refer to and by their endpoint on SageMaker.

    `complete` means that all objects that the API server listed at startup have been seen.
    """

    def __init__(self) -> None:
        self.complete = False
        self._items: dict[Key, Item] = {}
        self._by_secret: dict[tuple[str, str], set[Key]] = {}
        self._secrets: dict[tuple[str, str], str] = {}
        self._by_place: dict[Place, tuple[Key, ...]] = {}
        self._rewritten: dict[Key, str] = {}
        self._expected: dict[Key, Mapping[str, Any]] = {}

    def get(self, key: Key) -> Item | None:
        """Return the item, or None if there is none."""
        return self._items.get(key)

    def items(self) -> Iterable[Item]:
        """Return all items."""
        return self._items.values()

    def put(self, new: Item) -> bool:
        """Store an item, unless it is older than the known one. Return whether it needs a reconciliation.

        The operator's own writes need none. The watch repeats them, before or after the API server's response.
        """
        old = self._items.get(new.key)
        if old is not None and old.uid == new.uid and int(new.version) <= int(old.version):
            return False
        if old is not None:
            self._unlink(old)
        self._items[new.key] = new
        if new.secret is not None:
            self._by_secret.setdefault(new.secret, set()).add(new.key)
        if new.place is not None:
            self._by_place[new.place] = (*self._by_place.get(new.place, ()), new.key)
        if old is None:
            return True
        rewritten = new.status not in (old.status, self._expected.get(new.key))
        if rewritten:
            self._rewritten[new.key] = new.version
        return rewritten or _differs(old, new)

    def rivals(self, known: Item) -> tuple[Rival, ...] | None:
        """Return the other items with the same endpoint, or None until all items have been seen."""
        if known.place is None or not self.complete:
            return () if known.place is None else None
        others = (self._items[key] for key in self._by_place.get(known.place, ()) if key != known.key)
        return tuple(other.as_rival for other in others)

    def is_rewritten(self, key: Key) -> bool:
        """Return whether another user wrote the status, and it has not been compared with the actual state since."""
        return key in self._rewritten

    def compared(self, known: Item) -> None:
        """Record that the status of an item has been compared with the actual state."""
        version = self._rewritten.get(known.key)
        if version is not None and int(version) <= int(known.version):
            del self._rewritten[known.key]

    def refresh(self, new: Item) -> None:
        """Store the item that a write returned, unless the object is gone or has been replaced."""
        old = self._items.get(new.key)
        if old is not None and old.uid == new.uid:
            self.put(new)

    def expect(self, key: Key, status: Mapping[str, Any]) -> None:
        """Remember a status that is about to be written, so that its echo from the watch needs no reconciliation."""
        self._expected[key] = status

    def drop(self, key: Key, uid: str | None = None) -> Item | None:
        """Remove an item and return it. If there is a `uid`, remove only the object with that uid."""
        if uid is not None and key in self._items and self._items[key].uid != uid:
            return None
        self._expected.pop(key, None)
        self._rewritten.pop(key, None)
        old = self._items.pop(key, None)
        if old is not None:
            self._unlink(old)
        return old

    def secrets(self) -> set[tuple[str, str]]:
        """Return namespace and name of each Secret that an item refers to."""
        return set(self._by_secret)

    def secret_changed(self, namespace: str, name: str, version: str) -> set[Key]:
        """Return the keys that refer to a Secret with a new resourceVersion. An empty version means that it is gone."""
        secret = (namespace, name)
        keys = self._by_secret.get(secret)
        if not keys or self._secrets.get(secret) == version:
            return set()
        self._secrets[secret] = version
        return set(keys)

    def _unlink(self, old: Item) -> None:
        if old.place is not None:
            keys_left = tuple(key for key in self._by_place.get(old.place, ()) if key != old.key)
            self._by_place[old.place] = keys_left
            if not keys_left:
                del self._by_place[old.place]
        if old.secret is None:
            return
        keys = self._by_secret.get(old.secret, set())
        keys.discard(old.key)
        if not keys:
            self._by_secret.pop(old.secret, None)
            self._secrets.pop(old.secret, None)


def _differs(old: Item, new: Item) -> bool:
    """Return whether another user or controller changed something other than the status."""
    before = (old.uid, old.generation, old.deleting, old.render_request, old.request)
    after = (new.uid, new.generation, new.deleting, new.render_request, new.request)
    return before != after or (old.held and not new.held)
