"""podTemplate over the operator's pod template, as a strategic merge patch."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.backends.incluster.desired import overlay as overlay_module
from tgi_operator.backends.incluster.desired.overlay import overlay

POD: dict[str, Any] = {
    "metadata": {"labels": {"a": "1", "b": "2"}},
    "spec": {
        "containers": [
            {
                "name": "tgi",
                "image": "tgi:1",
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "value": "2"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
                ],
                "livenessProbe": {"httpGet": {"path": "/health", "port": 80}, "timeoutSeconds": 3},
                "lifecycle": {"preStop": {"exec": {"command": ["wait"]}}},
                "ports": [{"name": "http", "containerPort": 8080}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "args": ["a", "b"],
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
    },
}


def tgi(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "tgi", **fields}]}}


def merged(patch: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = overlay(POD, patch)
    return found


@pytest.mark.parametrize(
    ("patch", "path", "expected"),
    [
        pytest.param({}, (), POD, id="nothing"),
        pytest.param({"metadata": {"labels": {"b": "3"}}}, ("metadata", "labels"), {"a": "1", "b": "3"}, id="a value"),
        pytest.param({"metadata": {"labels": {"c": "3"}}}, ("metadata", "labels", "c"), "3", id="a new value"),
        pytest.param(tgi(image="own:1"), ("spec", "containers", 0, "image"), "own:1", id="a field of the container"),
        pytest.param(tgi(image="own:1"), ("spec", "containers", 0, "args"), ["a", "b"], id="its other fields stay"),
        pytest.param(tgi(args=["c"]), ("spec", "containers", 0, "args"), ["c"], id="a list without names is replaced"),
        pytest.param(
            tgi(env=[{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]),
            ("spec", "containers", 0, "env"),
            [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "3"},
                POD["spec"]["containers"][0]["env"][2],
                {"name": "C", "value": "4"},
            ],
            id="variables by name, new ones last",
        ),
        pytest.param(
            tgi(env=[{"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
            ("spec", "containers", 0, "env", 1),
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
            id="a source instead of a value",
        ),
        pytest.param(
            tgi(env=[{"name": "TOKEN", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]),
            ("spec", "containers", 0, "env", 2),
            {"name": "TOKEN", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
            id="another source of a value",
        ),
        pytest.param(
            tgi(livenessProbe={"exec": {"command": ["true"]}, "periodSeconds": 5}),
            ("spec", "containers", 0, "livenessProbe"),
            {"exec": {"command": ["true"]}, "periodSeconds": 5, "timeoutSeconds": 3},
            id="another kind of probe",
        ),
        pytest.param(
            tgi(livenessProbe={"httpGet": {"path": "/alive"}}),
            ("spec", "containers", 0, "livenessProbe", "httpGet"),
            {"path": "/alive", "port": 80},
            id="the same kind of probe",
        ),
        pytest.param(
            tgi(lifecycle={"preStop": {"sleep": {"seconds": 5}}}),
            ("spec", "containers", 0, "lifecycle", "preStop"),
            {"sleep": {"seconds": 5}},
            id="another hook",
        ),
        pytest.param(
            tgi(ports=[{"containerPort": 8080, "hostPort": 80}, {"containerPort": 9000}]),
            ("spec", "containers", 0, "ports"),
            [{"name": "http", "containerPort": 8080, "hostPort": 80}, {"containerPort": 9000}],
            id="ports by number",
        ),
        pytest.param(
            tgi(volumeMounts=[{"name": "fast", "mountPath": "/data"}, {"name": "data", "mountPath": "/other"}]),
            ("spec", "containers", 0, "volumeMounts"),
            [{"name": "fast", "mountPath": "/data"}, {"name": "data", "mountPath": "/other"}],
            id="mounts by path",
        ),
        pytest.param(
            {"spec": {"volumes": [{"name": "data", "hostPath": {"path": "/nvme"}}]}},
            ("spec", "volumes"),
            [{"name": "data", "hostPath": {"path": "/nvme"}}],
            id="another kind of volume",
        ),
        pytest.param(
            {"spec": {"tolerations": [{"key": "x"}]}}, ("spec", "tolerations"), [{"key": "x"}], id="tolerations"
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "log", "image": "log:1"}]}},
            ("spec", "containers"),
            [*POD["spec"]["containers"], {"name": "log", "image": "log:1"}],
            id="a container beside",
        ),
        pytest.param(
            {"spec": {"initContainers": [{"name": "wait", "image": "x"}]}},
            ("spec", "initContainers"),
            [{"name": "wait", "image": "x"}],
            id="a list where there is none",
        ),
    ],
)
def test_patch(patch: dict[str, Any], path: tuple[str | int, ...], expected: Any) -> None:
    found: Any = merged(patch)
    for name in path:
        found = found[name]
    assert found == expected


def test_base_and_patch_stay_as_they_are() -> None:
    patch = tgi(env=[{"name": "B", "value": "3"}])
    merged(patch)
    assert patch == tgi(env=[{"name": "B", "value": "3"}])
    assert POD["spec"]["containers"][0]["env"][1] == {"name": "B", "value": "2"}


scalars = st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
named = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd")}, optional={"value": scalars, "valueFrom": scalars}),
    max_size=4,
    unique_by=lambda each: str(each["name"]),
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "a": scalars,
        "env": named,
        "args": st.lists(scalars, max_size=3),
        "tolerations": st.lists(st.fixed_dictionaries({}, optional={"key": scalars, "value": scalars}), max_size=2),
    },
)
objects = st.recursive(
    fields, lambda inner: st.fixed_dictionaries({}, optional={"a": scalars, "b": inner, "c": inner, "env": named})
)


@given(objects, objects)
def test_patching_twice_is_patching_once(base: dict[str, Any], patch: dict[str, Any]) -> None:
    once = overlay(base, patch)
    assert overlay(once, patch) == once


@given(objects)
def test_empty_patch_changes_nothing(base: dict[str, Any]) -> None:
    assert overlay(base, {}) == base


@given(named, named)
def test_items_of_other_names_stay_as_they_are(base: list[dict[str, Any]], patch: list[dict[str, Any]]) -> None:
    found = overlay({"env": base}, {"env": patch})["env"]
    changed = {each["name"] for each in patch}
    assert [each for each in found if each["name"] not in changed] == [
        each for each in base if each["name"] not in changed
    ]
    assert sorted(each["name"] for each in found) == sorted(changed | {each["name"] for each in base})


def test_work_grows_no_faster_than_base_and_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    plain = overlay_module.overlay

    def counting(base: Any, patch: Any, field: str = "") -> Any:
        nonlocal calls
        calls += 1
        return plain(base, patch, field)

    monkeypatch.setattr(overlay_module, "overlay", counting)
    counts = []
    for size in (50, 500):
        calls = 0
        variables = [{"name": f"V{number}", "value": "x"} for number in range(size)]
        counting({"env": variables}, {"env": variables[::-1]})
        counts.append(calls)
    assert counts[1] <= 11 * counts[0]
