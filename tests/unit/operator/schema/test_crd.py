"""The committed CRD: current, and as strict as the API conventions require."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from tgi_operator.api.objects import APIObject
from tgi_operator.schema import crd

COMMITTED = Path(__file__).parents[4] / "crds" / "tgiendpoints.yaml"

VERSION: dict[str, Any] = crd.crd()["spec"]["versions"][0]
SCHEMA: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]

Node = tuple[str, dict[str, Any]]


def walk(path: str, schema: dict[str, Any]) -> Iterator[Node]:
    """Yield every schema in `schema`, including itself, and the path to it."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(f"{path}.{name}", child)
    if "items" in schema:
        yield from walk(f"{path}[]", schema["items"])
    if "additionalProperties" in schema:
        yield from walk(f"{path}[]", schema["additionalProperties"])


NODES: list[Node] = [node for part in ("spec", "status") for node in walk(part, SCHEMA["properties"][part])]


def of_type(kind: str) -> list[Node]:
    return [(path, schema) for path, schema in NODES if schema.get("type") == kind]


INT_OR_STRING: list[Node] = [node for node in NODES if "x-kubernetes-int-or-string" in node[1]]


def test_committed_file_is_what_the_types_say() -> None:
    assert COMMITTED.read_text() == crd.to_yaml(), "run `make crds`"


def test_every_string_is_bounded() -> None:
    unbounded = [
        path
        for path, schema in (*of_type("string"), *INT_OR_STRING)
        if "maxLength" not in schema and "enum" not in schema
    ]
    assert unbounded == []


def test_every_list_is_bounded() -> None:
    assert [path for path, schema in of_type("array") if "maxItems" not in schema] == []


def test_every_list_says_how_it_is_merged() -> None:
    for path, schema in of_type("array"):
        assert schema["x-kubernetes-list-type"] in {"map", "set", "atomic"}, path
        for key in schema.get("x-kubernetes-list-map-keys", ()):
            assert key in schema["items"]["required"], f"{path}: items are merged by {key}, which may be absent"


def test_every_integer_says_its_size() -> None:
    assert [path for path, schema in of_type("integer") if schema.get("format") not in {"int32", "int64"}] == []


def test_only_types_with_rules_above_are_used() -> None:
    """Especially floats: they are not the same number everywhere."""
    typed = {schema["type"] for path, schema in NODES if (path, schema) not in INT_OR_STRING}
    assert typed == {"object", "array", "string", "integer", "boolean"}
    for path, schema in INT_OR_STRING:
        assert schema["anyOf"] == [{"type": "integer"}, {"type": "string"}], path


def test_every_object_lists_its_fields_or_is_a_bounded_map() -> None:
    for path, schema in of_type("object"):
        assert schema.get("properties") or schema.get("maxProperties"), path


def test_no_object_keeps_fields_that_have_no_type() -> None:
    """A tenant could add megabytes there, or ten thousand levels."""
    assert "preserve-unknown-fields" not in COMMITTED.read_text()


def test_crd_fits_into_the_annotation_of_kubectl_apply() -> None:
    """With space for the fields of a few releases."""
    assert len(json.dumps(crd.crd())) < 262_144 * 2 // 3


def test_every_field_is_described() -> None:
    undescribed = [path for path, schema in NODES if not path.endswith("[]") and not schema.get("description")]
    assert undescribed == []


def test_every_rule_has_a_message_for_people() -> None:
    rules = [(path, rule) for path, schema in NODES for rule in schema.get("x-kubernetes-validations", ())]
    assert rules
    for path, rule in rules:
        assert rule["rule"], path
        assert len(rule["message"]) > 20, path


def test_no_rule_matches_a_pattern_in_an_int_or_string() -> None:
    """Kubernetes 1.30 estimates the cost of such a rule by the largest request, and refuses the CRD."""
    ruled = [
        (path, rule["rule"]) for path, schema in INT_OR_STRING for rule in schema.get("x-kubernetes-validations", ())
    ]
    assert ruled
    assert [path for path, rule in ruled if "matches" in rule or "podTemplate" in path] == []


def test_there_is_no_phase() -> None:
    """Conditions contain more; `phase` is deprecated by the API conventions."""
    assert not [path for path, _ in NODES if path.rpartition(".")[2].lower() == "phase"]


def test_new_resource_does_not_look_current() -> None:
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1}
    assert SCHEMA["properties"]["status"]["properties"]["observedGeneration"]["default"] == -1


def test_replicas_have_no_default() -> None:
    """A manifest in Git without replicas must not fight with other scalers: a missing value keeps the current count."""
    assert "default" not in SCHEMA["properties"]["spec"]["properties"]["replicas"]


def test_conditions_are_a_map_by_type() -> None:
    conditions = SCHEMA["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert conditions["items"]["required"] == ["type", "status", "lastTransitionTime", "reason", "message"]


def test_status_is_written_apart_and_scale_reads_existing_fields() -> None:
    scale = VERSION["subresources"]["scale"]
    assert VERSION["subresources"]["status"] == {}
    assert [type_at(scale[name]) for name in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")] == [
        "integer",
        "integer",
        "string",
    ]


def test_every_column_shows_an_existing_field() -> None:
    for column in VERSION["additionalPrinterColumns"]:
        path = column["jsonPath"]
        if path.startswith(".metadata."):
            continue
        before, condition, field = re.sub('[?][(]@.type=="(Ready|Available)"[)]', "?", path).partition("[?]")
        expected = {"date": "string"}.get(column["type"], column["type"])
        assert type_at(f"{before}[]{field}" if condition else path) == expected, column["name"]


def test_columns_of_the_narrow_and_the_wide_table() -> None:
    columns = VERSION["additionalPrinterColumns"]
    narrow = [column["name"] for column in columns if not column.get("priority")]
    wide = [column["name"] for column in columns if column.get("priority")]
    assert narrow == ["Ready", "Reason", "Status", "Model", "On"]
    assert wide == ["Available", "Backend", "Revision", "Min", "Max", "Age", "URI", "URL", "Message"]


def test_short_name_and_category() -> None:
    names = crd.crd()["spec"]["names"]
    assert names["shortNames"] == ["tgi"]
    assert names["categories"] == ["inference"]


def type_at(path: str) -> str:
    return str(dict(NODES)[path.removeprefix(".")]["type"])


class Inner(APIObject):
    """Inner."""

    model_config = APIObject.model_config | {
        "json_schema_extra": {"x-kubernetes-validations": [{"rule": "type", "message": "of the type"}]}
    }
    size: int


class Outer(APIObject):
    """Outer."""

    inner: Inner | None = None
    list_of_inner: tuple[Inner, ...] = ()


class Union(BaseModel):
    """A rule that a structural schema cannot express."""

    value: int | str


def test_optional_becomes_the_type_itself() -> None:
    schema = crd.structural_schema(Outer)
    assert set(schema) == {"description", "properties", "type"}
    assert set(schema["properties"]) == {"inner", "listOfInner"}
    inner = schema["properties"]["inner"]
    assert inner["type"] == "object"
    assert inner["required"] == ["size"]
    assert "default" not in inner
    assert schema["properties"]["listOfInner"]["items"] == inner
    assert "default" not in schema["properties"]["listOfInner"]


def test_rules_of_a_type_stay_beside_those_of_the_field() -> None:
    class Ruled(APIObject):
        """Ruled."""

        inner: Inner = Field(
            json_schema_extra={"x-kubernetes-validations": [{"rule": "field", "message": "of the field"}]}
        )

    rules = crd.structural_schema(Ruled)["properties"]["inner"]["x-kubernetes-validations"]
    assert [rule["rule"] for rule in rules] == ["type", "field"]


def test_union_of_types_is_refused() -> None:
    with pytest.raises(ValueError, match="not structural"):
        crd.structural_schema(Union)
