"""Checks objects against the structural schema of a CRD, for the keywords in our schema."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

Schema = Mapping[str, Any]

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}

_LIMITS: Mapping[str, Callable[[Any, Any], bool]] = {
    "enum": lambda value, allowed: value in allowed,
    "maxLength": lambda value, limit: len(value) <= limit,
    "minLength": lambda value, limit: len(value) >= limit,
    "maxItems": lambda value, limit: len(value) <= limit,
    "minItems": lambda value, limit: len(value) >= limit,
    "maxProperties": lambda value, limit: len(value) <= limit,
    "minProperties": lambda value, limit: len(value) >= limit,
    "maximum": lambda value, limit: value <= limit,
    "minimum": lambda value, limit: value >= limit,
    "pattern": lambda value, pattern: re.search(pattern, value) is not None,
}

_INT32, _INT64 = 2**31, 2**63

_FORMATS: Mapping[str, Callable[[Any], bool]] = {
    "int32": lambda value: -_INT32 <= value < _INT32,
    "int64": lambda value: -_INT64 <= value < _INT64,
}


def errors(value: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """Yield the errors that the API server would return with 422, each with the field's path."""
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{path}: must be an integer or a string"
        return
    if "type" in schema and not _TYPES[schema["type"]](value):
        yield f"{path}: must be of type {schema['type']}: {value!r}"
        return
    yield from (
        f"{path}: {keyword} {schema[keyword]!r} does not allow {str(value)[:80]!r}"
        for keyword, holds in _LIMITS.items()
        if keyword in schema and not holds(value, schema[keyword])
    )
    if not _fits(schema.get("format"), value):
        yield f"{path}: is no {schema['format']}: {value!r}"
    if isinstance(value, dict):
        yield from _of_object(value, schema, path)
    if isinstance(value, list):
        yield from _of_list(value, schema, path)


def _of_object(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    yield from (f"{path}.{name}: is required" for name in schema.get("required", ()) if name not in value)
    for name, inner in value.items():
        known = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if isinstance(known, dict):
            yield from errors(inner, known, f"{path}.{name}")


def _of_list(value: list[Any], schema: Schema, path: str) -> Iterator[str]:
    for index, inner in enumerate(value):
        yield from errors(inner, schema.get("items", {}), f"{path}[{index}]")
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys", ())
    if kind == "set":
        members = [str(inner) for inner in value]
    elif kind == "map":
        members = [str([inner.get(key) for key in keys]) for inner in value]
    else:
        return
    if len(set(members)) != len(members):
        yield f"{path}: has duplicates"


def pruned(value: Any, schema: Schema) -> Any:
    """Return a value as it is stored, without the fields that are not in the schema."""
    if isinstance(value, list):
        return [pruned(inner, schema.get("items", {})) for inner in value]
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return value
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    if not properties and others is None:
        return value
    return {
        name: pruned(inner, properties.get(name, others or {}))
        for name, inner in value.items()
        if name in properties or isinstance(others, dict)
    }


def _fits(form: str | None, value: Any) -> bool:
    if form == "date-time":
        return _is_time(value)
    return form is None or _FORMATS[form](value)


def _is_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
