"""What every API type shares: camelCase names, closed objects, CEL rules and list semantics."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


def cel(*rules: tuple[str, str]) -> dict[str, Any]:
    """Return the schema extension for (CEL rule, message) pairs."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def list_map(*keys: str) -> dict[str, Any]:
    """Return the schema extension of a list whose items are merged by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


SET_LIST: dict[str, Any] = {"x-kubernetes-list-type": "set"}

INT32_MAX = 2**31 - 1
Int32 = Annotated[int, Field(json_schema_extra={"format": "int32"})]
Positive = Annotated[Int32, Field(ge=1, le=INT32_MAX)]


class APIObject(BaseModel):
    """A part of the resource: immutable, spelled in camelCase, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
