"""Request validation from botocore's service model, with the error messages of AWS.

Each input shape is compiled once into nested functions; validating a call then costs microseconds. AWS reports every
violation of a request in one message: `2 validation errors detected: Value '…' at '…' failed to satisfy constraint: …`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from tgi_sandbox.aws.errors import AwsError, validation

Check = Callable[[Any, str, list[str]], None]
"""Appends the violations of a value at a path to a list; raises AwsError for a wrong JSON type."""
Constraint = tuple[Callable[[Any], bool], str]
"""A predicate for valid values, and the text of AWS for it."""

_UNICODE_CLASSES: Final = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Print}": r"[\x20-\x7e]",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
_ANYTHING: Final = frozenset({r"[\S\s]*", r"[\s\S]*"})
_JSON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}
_JAVA_TYPES: Final = {"string": "String", "boolean": "Boolean", "integer": "Integer", "long": "Long", "float": "Float"}


@cache
def sagemaker_model() -> ServiceModel:
    """Return botocore's description of the SageMaker API."""
    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


@cache
def autoscaling_model() -> ServiceModel:
    """Return botocore's description of the Application Auto Scaling API."""
    name = "application-autoscaling"
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


@cache
def operation_model(operation: str) -> OperationModel:
    """Return botocore's description of one operation; the two services share no operation names."""
    model = sagemaker_model() if operation in sagemaker_model().operation_names else autoscaling_model()
    return model.operation_model(operation)


def validate(operation: str, request: Mapping[str, Any]) -> None:
    """Check a request against its operation's input shape.

    Raises AwsError: `ValidationException` with every violation, or `SerializationException` for a wrong JSON type.
    """
    violations: list[str] = []
    _checker(operation)(request, "", violations)
    if violations:
        plural = "s" if len(violations) > 1 else ""
        raise validation(f"{len(violations)} validation error{plural} detected: " + "; ".join(violations))


@cache
def _checker(operation: str) -> Check:
    return _compile(operation_model(operation).input_shape)


def _compile(shape: Shape) -> Check:
    check = _compile_members(shape)
    accepted = _JSON_TYPES[shape.type_name]
    is_boolean = shape.type_name == "boolean"
    wanted = _JAVA_TYPES.get(shape.type_name, shape.type_name)

    def typed(value: object, path: str, violations: list[str]) -> None:
        if not isinstance(value, accepted) or (isinstance(value, bool) and not is_boolean):
            kind = type(value).__name__.upper()
            raise AwsError("SerializationException", f"{kind}_VALUE at '{path}' can not be converted to a {wanted}")
        check(value, path, violations)

    return typed


def _compile_members(shape: Shape) -> Check:
    if isinstance(shape, StructureShape):
        return _compile_structure(shape)
    if isinstance(shape, ListShape):
        return _compile_list(shape)
    if isinstance(shape, MapShape):
        return _compile_map(shape)
    return _compile_scalar(shape)


def _compile_structure(shape: StructureShape) -> Check:
    members = {name: (_compile(member), _lower_first(name)) for name, member in shape.members.items()}
    required = [(name, _lower_first(name)) for name in shape.required_members]

    def check(value: dict[str, Any], path: str, violations: list[str]) -> None:
        prefix = f"{path}." if path else ""
        for name, spelled in required:
            if value.get(name) is None:
                violations.append(
                    f"Value null at '{prefix}{spelled}' failed to satisfy constraint: Member must not be null"
                )
        for name, item in value.items():
            member = members.get(name)
            if member is None:
                # assumed: AWS ignores unknown members; the emulator reports them as mistakes.
                violations.append(f"Value at '{prefix}{name}' failed to satisfy constraint: Member must be known")
            elif item is not None:
                member[0](item, prefix + member[1], violations)

    return check


def _compile_list(shape: ListShape) -> Check:
    item_check = _compile(shape.member)
    constraints = _constraints(shape)

    def check(value: list[Any], path: str, violations: list[str]) -> None:
        _apply(constraints, value, path, violations)
        for index, item in enumerate(value, start=1):
            item_check(item, f"{path}.{index}.member", violations)

    return check


def _compile_map(shape: MapShape) -> Check:
    constraints = _constraints(shape)
    of_keys, of_values = _constraints(shape.key), _constraints(shape.value)
    value_check = _compile(shape.value)

    def check(value: dict[str, Any], path: str, violations: list[str]) -> None:
        _apply(constraints, value, path, violations)
        _apply_to_all("Map keys", of_keys, list(value), value, path, violations)
        if shape.value.type_name == "string":
            _check_strings(value, path)
            _apply_to_all("Map value", of_values, list(value.values()), value, path, violations)
        else:
            for key, item in value.items():
                value_check(item, f"{path}.{key}", violations)

    return check


def _check_strings(value: dict[str, Any], path: str) -> None:
    for key, item in value.items():
        if not isinstance(item, str):
            raise AwsError("SerializationException", f"The value of '{path}.{key}' can not be converted to a String")


def _apply_to_all(
    label: str, constraints: list[Constraint], items: list[str], value: dict[str, Any], path: str, violations: list[str]
) -> None:
    """The error of AWS for a map: all constraints of its keys or values at once, and the whole map."""
    if all(fine(item) for fine, _ in constraints for item in items):
        return
    wording = ", ".join(text for _, text in constraints)
    constraint = f"{label} must satisfy constraint: [{wording}]"
    violations.append(f"Value '{_spell(value)}' at '{path}' failed to satisfy constraint: {constraint}")


def _compile_scalar(shape: Shape) -> Check:
    constraints = _constraints(shape)

    def check(value: object, path: str, violations: list[str]) -> None:
        _apply(constraints, value, path, violations)

    return check


def _apply(constraints: list[Constraint], value: object, path: str, violations: list[str]) -> None:
    for fine, wording in constraints:
        if not fine(value):
            violations.append(f"Value '{_spell(value)}' at '{path}' failed to satisfy constraint: {wording}")


def _constraints(shape: Shape) -> list[Constraint]:
    metadata = shape.metadata
    found = _bounds(shape.type_name, metadata.get("min"), metadata.get("max"))
    if allowed := metadata.get("enum"):
        found.append((frozenset(allowed).__contains__, f"Member must satisfy enum value set: [{', '.join(allowed)}]"))
    if pattern := metadata.get("pattern"):
        found.append((_matcher(pattern), f"Member must satisfy regular expression pattern: {pattern}"))
    return found


def _bounds(type_name: str, low: float | None, high: float | None) -> list[Constraint]:
    measured = type_name in {"string", "list", "map"}
    noun = "length" if measured else "value"
    measure: Callable[[Any], float] = len if measured else lambda number: number
    found: list[Constraint] = []
    if high is not None:
        found.append((lambda value: measure(value) <= high, f"Member must have {noun} less than or equal to {high}"))
    if low is not None and not (measured and low == 0):
        found.append((lambda value: measure(value) >= low, f"Member must have {noun} greater than or equal to {low}"))
    return found


def _matcher(pattern: str) -> Callable[[str], bool]:
    if pattern in _ANYTHING:
        return lambda _: True
    for java, python in _UNICODE_CLASSES.items():
        pattern = pattern.replace(java, python)
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _spell(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_spell(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_spell, value)) + "]"
    return str(value)
