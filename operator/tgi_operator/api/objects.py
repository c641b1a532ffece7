"""Shared traits of all API types: camelCase names, closed objects, CEL rules and list semantics."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from tgi_operator.api.formats import Form, Format


def cel(*rules: tuple[str, str]) -> dict[str, Any]:
    """Return the schema extension for (CEL rule, message) pairs."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def also_cel(*rules: tuple[str, str]) -> Callable[[dict[str, Any]], None]:
    """Return the schema extension for (CEL rule, message) pairs of a field whose type has its own rules."""

    def extend(schema: dict[str, Any]) -> None:
        schema["x-kubernetes-validations"] = [
            *schema.get("x-kubernetes-validations", ()),
            *cel(*rules)["x-kubernetes-validations"],
        ]

    return extend


def list_map(*keys: str) -> dict[str, Any]:
    """Return the schema extension of a list whose items are merged by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def most_fields(count: int) -> dict[str, Any]:
    """Return the schema extension of an object that has at most `count` of its fields, such as one of several kinds."""
    return {"maxProperties": count}


SET_LIST: dict[str, Any] = {"x-kubernetes-list-type": "set"}
ATOMIC_LIST: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}

INT32_MAX = 2**31 - 1
Int32 = Annotated[int, Field(json_schema_extra={"format": "int32"})]
Positive = Annotated[Int32, Field(ge=1, le=INT32_MAX)]

_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=_NAME)]
LabelKey = Annotated[str, Field(min_length=1, max_length=316, pattern=_LABEL_KEY)]
LabelValue = Annotated[str, Field(max_length=63, pattern=_LABEL_VALUE)]


class APIObject(BaseModel):
    """A part of the resource: immutable, spelled in camelCase, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def _int_or_string(pattern: str, **more: Any) -> WithJsonSchema:
    """Return the schema of a value that can be a number or a text, in the only form that a structural schema allows.

    The API server reports the pattern. Kubernetes 1.30 assumes a length of 3 MB for such a text when it estimates the
    cost of a rule, and refuses a CRD whose rules match patterns in it.
    """
    either = [{"type": "integer"}, {"type": "string"}]
    schema = {"x-kubernetes-int-or-string": True, "anyOf": either, "minimum": 0, "maxLength": 32, "pattern": pattern}
    return WithJsonSchema(schema | more)


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_NO_UNIT = "a unit, if any, must be a Kubernetes unit, such as G or Gi instead of GB"
_AMOUNT = "[0-9]+([.][0-9]+)?([mkMGTPE]|[KMGTPE]i)?"
_QUANTITY = Format(
    Form("^$|[^B]$", _NO_UNIT), Form(f"^{_AMOUNT}$", "must be a Kubernetes quantity, such as 24Gi, 24G or 500m")
)
_QuantityText = Annotated[str, BeforeValidator(_text), Field(max_length=32), AfterValidator(_QUANTITY.checked)]
# The pattern allows the B, so that the rule reports it.
Quantity = Annotated[_QuantityText, _int_or_string(f"^{_AMOUNT}B?$", **cel(("!string(self).endsWith('B')", _NO_UNIT)))]
"""A resource.Quantity as text, such as 24Gi."""

NestedQuantity = Annotated[_QuantityText, _int_or_string(f"^{_AMOUNT}$")]
"""A Quantity in lists of maps. Kubernetes 1.30 refuses any rule about a text that can occur so often."""

_COUNT_OR_PERCENT = "^((0|[1-9][0-9]{0,5})|(0|[1-9][0-9]?|100)%)$"
CountOrPercent = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(Format(Form(_COUNT_OR_PERCENT, "must be a number of pods or a percentage, such as 25%")).checked),
    _int_or_string(_COUNT_OR_PERCENT, maximum=999_999),
]
"""An IntOrString as text: a number of pods, or a percentage of them."""

_PORT_NUMBER = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_PORT = f"^({_PORT_NUMBER}|[-a-z0-9]*[a-z][-a-z0-9]*)$"
PortReference = Annotated[
    str,
    BeforeValidator(_text),
    Field(max_length=32),
    AfterValidator(Format(Form(_PORT, "must be a port number or a port name, such as 8080 or http")).checked),
    PlainSerializer(lambda text: int(text) if text.isdecimal() else text),
    _int_or_string(_PORT, minimum=1, maximum=65535),
]
"""An IntOrString as text: a port number or a port name. A port number is serialized as a number."""
