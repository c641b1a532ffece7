"""Server-side apply, with each list as one value: the owners of fields, and conflicts."""

from collections.abc import Iterator, Mapping
from typing import Any

from simulation.copying import copied

Object = dict[str, Any]
Field = tuple[str, ...]

_NOT_OWNED = frozenset({("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")})


def apply(present: Object, manifest: Object, manager: str, *, force: bool) -> tuple[Object, list[str]]:
    """Return the object after an apply of `manifest` by `manager`, and the fields that are in conflict."""
    wanted = {path: value for path, value in _leaves(manifest) if path not in _NOT_OWNED}
    owned = _owned(present)
    others = {path: name for name, paths in owned.items() if name != manager for path in paths}
    disputed = [path for path, value in wanted.items() if path in others and _at(present, path) != value]
    if disputed and not force:
        return present, [".".join(path) for path in disputed]
    result = copied(present)
    for path in owned.get(manager, set()) - wanted.keys() - others.keys():
        _remove(result, path)
    for path, value in wanted.items():
        _set(result, path, value)
    kept = {name: paths - set(disputed) for name, paths in owned.items() if name != manager}
    return _with_owners(result, kept | {manager: set(wanted)}), []


def without_fields(changed: Object, present: Object, patch: Mapping[str, Any]) -> Object:
    """Return an object whose appliers no longer own the fields that an update by another changed."""
    touched = {path for path, _ in _leaves(patch) if _at(changed, path) != _at(present, path)}
    owned = _owned(present)
    return _with_owners(changed, {name: paths - touched for name, paths in owned.items()}) if owned else changed


def _leaves(value: Mapping[str, Any], path: Field = ()) -> Iterator[tuple[Field, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, (*path, name))
        else:
            yield (*path, name), inner


def _owned(body: Object) -> dict[str, set[Field]]:
    """Return the fields by manager, from managedFields."""
    entries = body["metadata"].get("managedFields", ())
    return {entry["manager"]: {path for path, _ in _fields(entry["fieldsV1"])} for entry in entries}


def _fields(entry: Mapping[str, Any], path: Field = ()) -> Iterator[tuple[Field, None]]:
    for name, inner in entry.items():
        here = (*path, name.removeprefix("f:"))
        if inner:
            yield from _fields(inner, here)
        else:
            yield here, None


def _with_owners(body: Object, owned: Mapping[str, set[Field]]) -> Object:
    entries = []
    for name, paths in sorted(owned.items()):
        fields: Object = {}
        for path in sorted(paths):
            _set(fields, tuple(f"f:{part}" for part in path), {})
        if fields:
            entries.append({"manager": name, "operation": "Apply", "fieldsV1": fields})
    return {**body, "metadata": {**body["metadata"], "managedFields": entries}}


def _at(body: Mapping[str, Any], path: Field) -> Any:
    value: Any = body
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _set(body: Object, path: Field, value: Any) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, {})
    body[path[-1]] = copied(value)


def _remove(body: Object, path: Field) -> None:
    """Remove a field, and the parents that it leaves empty."""
    parents: list[Any] = [body]
    for part in path[:-1]:
        parents.append(parents[-1].get(part, {}))
    for parent, part in zip(reversed(parents), reversed(path), strict=True):
        parent.pop(part, None)
        if parent:
            return
