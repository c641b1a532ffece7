"""The maximum size of a resource, and the rule that limits its spec."""

import json
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.schema import size
from tgi_operator.schema.admission import NotAdmittedError, admitted
from tgi_operator.schema.crd import structural_schema
from tgi_operator.schema.expressions import parse

REFERENCE = Path(__file__).parents[4] / "docs" / "reference.md"
SPEC, STATUS = structural_schema(Spec), structural_schema(Status)
TENANTS_CHARACTER = "<"
"""The API server writes it with six characters."""


def value(schema: dict[str, Any], text: str, most: int | None = None) -> Any:
    """Return a value that has all fields, each list and map with `most` entries, by default as many as allowed."""
    if "x-kubernetes-int-or-string" in schema:
        return "1" * schema["maxLength"]
    if "enum" in schema:
        return max(schema["enum"], key=len)
    if "properties" in schema:
        fields = {name: value(each, text, most) for name, each in schema["properties"].items()}
        return fields if most is not None else _as_many_as_allowed(schema, fields)
    if "additionalProperties" in schema:
        count = schema["maxProperties"] if most is None else most
        return {f"{text}{number}": value(schema["additionalProperties"], text, most) for number in range(count)}
    if "items" in schema:
        return [value(schema["items"], text, most)] * (schema["maxItems"] if most is None else most)
    if schema["type"] == "integer":
        return max((schema.get("minimum", -(2**63)), schema.get("maximum", 0)), key=lambda number: len(str(number)))
    return text if schema["type"] == "string" else False


def _as_many_as_allowed(schema: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    needed = schema.get("required", ())
    largest = sorted(fields, key=lambda name: (name in needed, len(json.dumps(fields[name])) + len(name)))
    return {name: fields[name] for name in largest[-schema.get("maxProperties", len(fields)) :]}


def texts(found: Any, schema: dict[str, Any]) -> int:
    """Return the characters of all texts, counted without the rule."""
    if size.is_text(schema):
        return len(found)
    if isinstance(found, list):
        return sum(texts(each, schema["items"]) for each in found)
    if isinstance(found, dict) and "properties" in schema:
        return sum(texts(each, schema["properties"][name]) for name, each in found.items())
    if isinstance(found, dict):
        return sum(len(name) + texts(each, schema["additionalProperties"]) for name, each in found.items())
    return 0


def test_rule_counts_every_text_of_a_spec() -> None:
    count = parse(size.rule_of_texts(SPEC).removesuffix(f" <= {size.MOST_CHARACTERS}"))
    whole = value(SPEC, "seven77", most=2)
    assert count({"self": whole}) == texts(whole, SPEC) > 5000


def test_spec_without_optional_fields_is_counted_too() -> None:
    count = parse(size.rule_of_texts(SPEC).removesuffix(f" <= {size.MOST_CHARACTERS}"))
    assert count({"self": {"model": {"uri": "hf://a/b"}, "inCluster": {}}}) == len("hf://a/b")


@pytest.mark.parametrize(
    ("schema", "most"),
    [
        pytest.param(SPEC, size.most_bytes_of_a_spec(SPEC) - 6 * size.MOST_CHARACTERS, id="spec"),
        pytest.param(STATUS, size.most_bytes_of_a_status(STATUS), id="status"),
    ],
)
def test_no_value_of_the_schema_is_larger_than_computed(schema: dict[str, Any], most: int) -> None:
    whole = value(schema, "")
    assert len(json.dumps(whole, separators=(",", ":"))) - texts(whole, schema) <= most


def test_largest_spec_is_small_and_documented() -> None:
    most = size.most_bytes_of_a_spec(SPEC)
    assert most <= 256 * 1024
    words = " ".join(REFERENCE.read_text().split())
    assert f"{size.MOST_CHARACTERS:,} characters" in words
    assert f"The API server accepts up to {ceil(most / 1024)} KiB of JSON for a spec" in words
    assert f"up to {ceil(size.most_bytes_of_a_status(STATUS) / 1024)} KiB for a status" in words


def annotated(characters: int) -> dict[str, Any]:
    """Return a manifest whose texts have so many characters."""
    uri = "hf://a/b"
    rest = characters - len(uri) - 2 * len("a")
    annotations = {"a": TENANTS_CHARACTER * 8192, "b": TENANTS_CHARACTER * (rest - 8192)}
    return {
        "apiVersion": "tgi-operator.dev/v1alpha1",
        "kind": "TGIEndpoint",
        "metadata": {"name": "large"},
        "spec": {"model": {"uri": uri}, "inCluster": {"podTemplate": {"metadata": {"annotations": annotations}}}},
    }


def test_budget_of_characters_is_kept() -> None:
    assert admitted(annotated(size.MOST_CHARACTERS))
    with pytest.raises(NotAdmittedError, match="must have at most 15,000 characters"):
        admitted(annotated(size.MOST_CHARACTERS + 1))


def test_keys_of_maps_count() -> None:
    manifest = annotated(16_000)
    manifest["spec"]["inCluster"]["nodeSelector"] = {"k" * 400: ""}
    with pytest.raises(NotAdmittedError, match="15,000 characters"):
        admitted(manifest)
