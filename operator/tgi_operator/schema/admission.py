"""The errors with which the API server refuses to create a resource, found without an API server.

The shapes are those of the types, read as strictly as JSON. Names, lists and the CRD's own rules are checked here. A
rule about a change (`oldSelf`) needs the stored object, which only the API server knows.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from tgi_operator.api.spec import Spec
from tgi_operator.schema import crd, expressions, wording

Object = Mapping[str, Any]

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 253
_RULES = "x-kubernetes-validations"


class NotAdmittedError(ValueError):
    """The API server would refuse the resource. `problems` has a line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def admitted(manifest: Object) -> Spec:
    """Return the spec of a manifest that the API server would admit. Raises NotAdmittedError."""
    schema = _schema()
    unknown = [name for name in manifest if name not in schema["properties"]]
    problems = [wording.unknown_field(name, wording.close(name, schema["properties"])) for name in unknown]
    problems += _of_names(manifest.get("metadata"))
    spec = None
    whole = _without_nulls(schema, {name: manifest[name] for name in ("metadata", "spec") if name in manifest})
    if "spec" not in whole:
        problems += [] if unknown else ["spec is required"]
    else:
        try:
            spec = _read(whole["spec"])
        except ValidationError as error:
            problems += wording.of_spec(error)
    if not problems:
        # As in the API server, rules are evaluated only for values that have the right shape.
        problems += _of_values(schema, _completed(schema, whole), ())
    if spec is None or problems:
        raise NotAdmittedError(problems)
    return spec


def _read(spec: object) -> Spec:
    """Return the spec as the API server reads it: fields by their own names, and no text in place of a number."""
    return Spec.model_validate_json(json.dumps(spec, default=str), strict=True, by_alias=True, by_name=False)


def _of_names(metadata: object) -> list[str]:
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        return ["metadata.name is required"]
    problems = []
    name, namespace = metadata["name"], metadata.get("namespace") or "default"
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _SUBDOMAIN.fullmatch(name):
        problems.append(
            f"metadata.name: must be up to {_LONGEST_NAME} lowercase letters, digits, '-' and '.', starting and "
            f"ending with a letter or digit, not {wording.quoted(name)}"
        )
    if not isinstance(namespace, str) or not re.fullmatch(_LABEL, namespace):
        problems.append(
            "metadata.namespace: must be up to 63 lowercase letters, digits and '-', starting and ending with a "
            f"letter or digit, not {wording.quoted(namespace)}"
        )
    return problems


def _of_values(schema: Object, value: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """Yield the problems that the types do not find: duplicates, and violated rules."""
    where = wording.dotted(*path)
    if isinstance(value, list):
        yield from _repeated(schema, value, where)
        for index, item in enumerate(value):
            yield from _of_values(schema["items"], item, (*path, index))
    elif isinstance(value, dict):
        most = schema.get("maxProperties", len(value))
        if len(value) > most:
            fields = "field" if most == 1 else "fields"
            yield f"{where}: must have at most {most} {fields}, not {len(value)}: {', '.join(value)}"
        for name, child in value.items():
            known = _of_field(schema, name)
            if known is not None:
                yield from _of_values(known, child, (*path, name))
    for rule in schema.get(_RULES, ()):
        if "oldSelf" not in rule["rule"] and not _parsed(rule["rule"])({"self": value}):
            yield f"{where}: {rule['message']}" if where else rule["message"]


def _repeated(schema: Object, items: list[Any], where: str) -> Iterator[str]:
    kind = schema["x-kubernetes-list-type"]
    if kind == "atomic":
        return
    keys = schema.get("x-kubernetes-list-map-keys")
    seen: set[str] = set()
    for index, item in enumerate(items):
        identity = {key: item[key] for key in keys} if keys else item
        text = json.dumps(identity, sort_keys=True, default=str)
        if text in seen:
            yield f"{where}[{index}]: must not repeat {wording.quoted(identity)}"
        seen.add(text)


def _without_nulls(schema: Object, value: Any) -> Any:
    """Return the value as the API server stores it: a field that is null does not exist."""
    if isinstance(value, list):
        return [_without_nulls(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    known = {name: _of_field(schema, name) for name in value}
    return {
        name: _without_nulls(known[name] or {}, child)
        for name, child in value.items()
        if child is not None or known[name] is None
    }


def _of_field(schema: Object, name: str) -> Object | None:
    """Return the schema of a field or of a map's value, or None for an unknown field."""
    found: Object | None = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
    return found


def _completed(schema: Object, value: Any) -> Any:
    """Return the value with the defaults that the API server sets before it evaluates the rules."""
    if isinstance(value, list):
        return [_completed(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    present = {name: _completed(fields.get(name, {}), child) for name, child in value.items()}
    absent = {name: field["default"] for name, field in fields.items() if name not in value and "default" in field}
    return present | absent


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = crd.crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@cache
def _parsed(rule: str) -> expressions.Node:
    return expressions.parse(rule)
