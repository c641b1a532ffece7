"""Every value of the chart is documented, used, and checked by its schema; every setting of the operator is a value."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from tgi_operator.settings import PREFIX, Settings
from unit.chart.rendering import CHART, ROOT, container, rendered, template
from unit.chart.values import leaves, rows, value
from unit.docs import pages

SCHEMA = json.loads((CHART / "values.schema.json").read_text())

_ELSEWHERE = {"backends", "image", "watch_namespaces", "aws_regions", "service_annotations", "serving_pods_from"}
"""Settings that other values decide, such as `aws.regions` and `networkPolicy.servingPodsFrom`."""

_CONSTRAINTS = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "maxProperties",
    "additionalProperties",
    "patternProperties",
)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def _another(name: str, field: FieldInfo) -> Any:
    """Return a value of a setting that is not its default."""
    options = Settings.model_json_schema()["properties"][name].get("enum")
    if options:
        return next(option for option in options if option != field.default)
    if isinstance(field.default, bool):
        return not field.default
    if isinstance(field.default, dict):
        return {"team": "ml", "release": "prometheus"}
    return "10.1.2.3" if isinstance(field.default, str) else field.default + 1


def test_the_table_is_that_of_the_values() -> None:
    expected = [(row.path, row.default, row.meaning.replace("`", "")) for row in rows()]
    assert pages.table(ROOT / "docs" / "install.md", "value") == expected


def test_every_value_is_documented() -> None:
    documented = {row.path for row in rows()}
    for leaf in leaves():
        names = leaf.split(".")
        assert documented & {".".join(names[: length + 1]) for length in range(len(names))}, leaf


def test_every_value_is_used_and_nothing_else() -> None:
    templates = "".join(file.read_text() for file in (CHART / "templates").iterdir())
    used = {name.rstrip(".") for name in re.findall(r"\.Values\.([\w.]+)", templates)}
    for row in rows():
        assert row.path in used, row.path
    for path in used:
        if not path.startswith("settings."):
            value(path)


def test_every_setting_can_be_set() -> None:
    wanted = {name: _another(name, field) for name, field in Settings.model_fields.items() if name not in _ELSEWHERE}
    items = rendered(
        {
            "settings": {_camel(name): value for name, value in wanted.items()},
            "watchNamespaces": ["ml", "dev", "ml"],
            "backends": ["inCluster"],
            "aws": {"regions": ["eu-west-1", "us-gov-west-1", "eu-west-1"]},
            "allowedServiceAnnotations": ["prometheus.io/*", "example.com/team", "prometheus.io/*"],
            "networkPolicy": {"servingPodsFrom": ["gateway", "monitoring", "gateway"]},
            "image": {"repository": "registry.example:5000/tgi-operator", "tag": "1.2.3"},
        }
    )
    variables = {each["name"]: each["value"] for each in container(items)["env"]}
    assert Settings.read({}, variables) == Settings(
        **wanted,
        image="registry.example:5000/tgi-operator:1.2.3",
        watch_namespaces=("ml", "dev"),
        backends=("inCluster",),
        aws_regions=("eu-west-1", "us-gov-west-1"),
        service_annotations=("prometheus.io/*", "example.com/team"),
        serving_pods_from=("gateway", "monitoring"),
    )
    assert {name for name in variables if name.startswith(PREFIX)} == {
        f"{PREFIX}{name.upper()}" for name in Settings.model_fields
    }


@pytest.mark.parametrize(("value", "expected"), [(None, None), ([], ()), (["*"], ("*",))], ids=str)
def test_no_list_of_namespaces_reaches_the_operator_as_none(value: Any, expected: Any) -> None:
    items = rendered({"networkPolicy": {"servingPodsFrom": value}})
    variables = {each["name"]: each["value"] for each in container(items)["env"] if "value" in each}
    assert Settings.read({}, variables).serving_pods_from == expected


def test_a_null_is_as_no_value() -> None:
    assert rendered({"networkPolicy": {"servingPodsFrom": None}}) == rendered()


def test_the_schema_has_the_settings_of_the_operator() -> None:
    """A port of 0 means any port to the operator, which a probe could not use."""
    properties = Settings.model_json_schema()["properties"]
    expected = {
        _camel(name): {key: item[key] for key in _CONSTRAINTS if key in item}
        for name, item in properties.items()
        if name not in _ELSEWHERE
    }
    expected["httpPort"]["minimum"] = 1
    assert SCHEMA["properties"]["settings"]["properties"] == expected


def test_the_schema_has_every_value_and_nothing_else() -> None:
    def paths(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for name, inner in schema.get("properties", {}).items():
            yield f"{prefix}{name}"
            yield from paths(inner, f"{prefix}{name}.")

    documented = {row.path for row in rows()}
    below = {path for path in paths(SCHEMA) if not any(path.startswith(f"{each}.") for each in documented)}
    parents = {path.rpartition(".")[0] for path in documented} | {"metrics", "global"}
    assert below == documented | parents - {""}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"replica": 1}, "'replica' not allowed"),
        ({"image": {"repo": "x"}}, "'repo' not allowed"),
        ({"settings": {"sweepIntervall": 10}}, "'sweepIntervall' not allowed"),
        ({"settings": {"sweep_interval": 10}}, "'sweep_interval' not allowed"),
        ({"replicas": "two"}, "got string, want integer"),
        ({"watchNamespaces": "ml"}, "got string, want array"),
        ({"watchNamespaces": ["ML"]}, "does not match pattern"),
        ({"settings": {"logLevel": "LOUD"}}, "must be one of"),
        ({"settings": {"workers": 0}}, "minimum"),
        ({"settings": {"podTemplate": "anything"}}, "must be one of"),
        ({"backends": []}, "minItems"),
        ({"backends": ["sagemaker"]}, "must be one of"),
        ({"image": {"digest": "sha256:1234"}}, "does not match pattern"),
        ({"extraEnv": [{"value": "x"}]}, "missing property 'name'"),
        ({"crds": {"enabled": "yes"}}, "got string, want boolean"),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, "minimum"),
        ({"allowedServiceAnnotations": ["a,b"]}, "does not match pattern"),
        ({"networkPolicy": {"servingPodsFrom": "gateway"}}, "got string, want null or array"),
        ({"networkPolicy": {"servingPodsFrom": ["Gateway"]}}, "does not match pattern"),
        # A rule without ports allows all of them.
        ({"networkPolicy": {"apiPorts": []}}, "minItems"),
    ],
    ids=str,
)
def test_the_schema_refuses(values: dict[str, Any], complaint: str) -> None:
    done = template(values)
    assert done.returncode != 0
    assert complaint in done.stderr
