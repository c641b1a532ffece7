"""Whether a living object is as it was applied: additions by others are theirs, their changes are detected."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tgi_operator.backends.incluster.seen import coverage
from tgi_operator.backends.incluster.seen.coverage import covers
from tgi_operator.backends.quantities import quantity

keys = st.sampled_from(["spec", "labels", "env", "image", "ports", "args", "x"])
scalars = st.booleans() | st.integers(1, 9) | st.sampled_from(["", "alpha", "beta", "/data", "10.0.0.1/8", "a=b"])
values = st.recursive(
    scalars,
    lambda inner: (
        st.dictionaries(keys, inner, max_size=4)
        | st.lists(scalars, max_size=3)
        | st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("abcd")}, optional={"value": inner}),
            max_size=3,
            unique_by=lambda each: str(each["name"]),
        )
    ),
    max_leaves=15,
)
objects = st.dictionaries(keys, values, max_size=4)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every object in `value` with the name of a field in it."""
    if isinstance(value, dict):
        return [(value, name) for name in value] + [each for inner in value.values() for each in places(inner)]
    return [each for inner in value for each in places(inner)] if isinstance(value, list) else []


@given(objects)
def test_everything_covers_itself(wanted: dict[str, Any]) -> None:
    assert covers(copy.deepcopy(wanted), wanted)


@given(objects, st.data())
def test_fields_that_others_add_are_theirs(wanted: dict[str, Any], data: st.DataObject) -> None:
    live = copy.deepcopy(wanted)
    for parent in [live, *(parent for parent, _ in places(live))]:
        if data.draw(st.booleans()):
            parent["added"] = data.draw(scalars)
    assert covers(live, wanted)


@settings(max_examples=200)
@given(objects, st.data())
def test_any_wanted_field_that_is_changed_or_removed_is_noticed(wanted: dict[str, Any], data: st.DataObject) -> None:
    live = copy.deepcopy(wanted)
    everywhere = places(live)
    assume(everywhere)
    parent, name = data.draw(st.sampled_from(everywhere))
    before = parent[name]
    if data.draw(st.booleans()):
        # The API server stores no empty value.
        assume(before not in ([], {}, "", False))
        del parent[name]
    else:
        parent[name] = "changed"
    assert not covers(live, wanted)


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def tgi(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "tgi", **fields}])


def limits(amount: Any) -> dict[str, Any]:
    return tgi(resources={"limits": {"nvidia.com/gpu": amount}})


SAME_KEY = [
    {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
]


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param(limits("1000m"), limits("1"), id="an amount in thousandths"),
        pytest.param(limits("1"), limits("1000m"), id="thousandths as a whole"),
        pytest.param(limits("24Gi"), limits("24576Mi"), id="another power of two"),
        pytest.param(limits("1500m"), limits("1.5"), id="a fraction"),
        pytest.param(limits("1"), limits(1), id="an amount written as a number"),
        pytest.param(limits("1k"), limits("1e3"), id="an exponent"),
        pytest.param(pod(), pod(tolerations=[]), id="an empty list, which is not stored"),
        pytest.param(pod(), pod(nodeSelector={}), id="an empty map, which is not stored"),
        pytest.param(tgi(), tgi(securityContext=None), id="a null"),
        pytest.param(
            pod(containers=[{"name": "proxy"}, {"name": "tgi", "image": "tgi:1"}]), tgi(image="tgi:1"), id="a sidecar"
        ),
        pytest.param(
            tgi(env=[{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]),
            tgi(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
            id="named items in another order",
        ),
        pytest.param(
            {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}]}, {"ports": [{"port": 80}]}, id="a node port"
        ),
    ],
)
def test_covered(live: Any, wanted: Any) -> None:
    assert covers(live, wanted)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param(limits("24G"), limits("24Gi"), id="a power of ten for one of two"),
        pytest.param(limits("1"), limits("2"), id="another amount"),
        pytest.param({"a": 1}, {"a": 2}, id="another number"),
        pytest.param({"a": "text"}, {"a": "test"}, id="another text"),
        pytest.param({"a": None}, {"a": "x"}, id="null for a value"),
        pytest.param({"a": []}, {"a": {"b": 1}}, id="a list for a map"),
        pytest.param({"a": {}}, {"a": [1]}, id="a map for a list"),
        pytest.param(pod(), tgi(), id="no containers"),
        pytest.param(pod(containers=[]), tgi(), id="no container of that name"),
        pytest.param(tgi(args=["a", "b"]), tgi(args=["a"]), id="one more argument"),
        pytest.param(tgi(args=["b", "a"]), tgi(args=["a", "b"]), id="arguments in another order"),
        pytest.param(tgi(args="ab"), tgi(args=["a", "b"]), id="a text for a list"),
        pytest.param({"ingress": [{"from": []}, {}]}, {"ingress": [{"from": []}]}, id="one more rule"),
        pytest.param({"ingress": [{}]}, {"ingress": [{"ports": [{"port": 80}]}]}, id="a rule without its ports"),
        pytest.param({"podSelector": {"a": "1", "b": "2"}}, {"podSelector": {"a": "1"}}, id="a narrower selector"),
        pytest.param({}, {"ingress": [{}]}, id="no rules"),
        pytest.param(None, {}, id="nothing"),
    ],
)
def test_not_covered(live: Any, wanted: Any) -> None:
    assert not covers(live, wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(pod(tolerations=SAME_KEY), id="two effects of one taint"),
        pytest.param(
            tgi(
                volumeMounts=[
                    {"name": "data", "mountPath": "/data", "subPath": "a"},
                    {"name": "data", "mountPath": "/tokenizers", "subPath": "b"},
                ]
            ),
            id="a volume mounted twice",
        ),
        pytest.param(
            {
                "matchExpressions": [
                    {"key": "cpus", "operator": "Gt", "values": ["4"]},
                    {"key": "cpus", "operator": "Lt", "values": ["64"]},
                ]
            },
            id="two bounds of one label",
        ),
        pytest.param(
            tgi(ports=[{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]),
            id="a port of two protocols",
        ),
    ],
)
def test_items_that_share_a_key_cover_themselves(wanted: Any) -> None:
    assert covers(copy.deepcopy(wanted), wanted)


def test_one_of_two_items_that_share_a_key_is_missed() -> None:
    assert not covers(pod(tolerations=SAME_KEY[1:]), pod(tolerations=SAME_KEY))


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param(pod(), pod(hostNetwork=False), id="false"),
        pytest.param(tgi(env=[{"name": "A"}]), tgi(env=[{"name": "A", "value": ""}]), id="an empty text"),
        pytest.param(tgi(livenessProbe={}), tgi(livenessProbe={"initialDelaySeconds": 0}), id="zero"),
    ],
)
def test_value_that_is_the_default_is_not_stored(live: Any, wanted: Any) -> None:
    """The API server omits false, 0 and "" in its answers (`omitempty` of the Go types)."""
    assert covers(live, wanted)


def test_number_with_a_fraction_is_an_amount_too() -> None:
    assert covers({"cpu": "500m"}, {"cpu": 0.5})


def test_text_of_a_variable_is_no_amount() -> None:
    """The launcher accepts 4096 and ends at 4096.0."""
    wanted = tgi(env=[{"name": "MAX_TOTAL_TOKENS", "value": "4096"}])
    assert not covers(tgi(env=[{"name": "MAX_TOTAL_TOKENS", "value": "4096.0"}]), wanted)
    assert not covers(tgi(env=[{"name": "MAX_TOTAL_TOKENS", "value": "4Ki"}]), wanted)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("1", "1"),
        ("100m", "0.1"),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1G", "1e9"),
        ("1T", "1e12"),
        ("1P", "1e15"),
        ("1E", "1e18"),
        ("1Ki", "1024"),
        ("1Mi", "1048576"),
        ("24Gi", "25769803776"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"),
        ("1.5Gi", "1610612736"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("500u", "0.0005"),
        ("5n", "0.000000005"),
    ],
)
def test_quantity(text: str, amount: str) -> None:
    found = quantity(text)
    assert found is not None
    assert found == quantity(amount)


@pytest.mark.parametrize("text", ["", "m", "Gi", "1gi", "1K", "1Gib", "G1", "/data", "8080/TCP"])
def test_no_quantity(text: str) -> None:
    assert quantity(text) is None


@settings(max_examples=300)
@given(st.text("0123456789.eEmkKMGTPi+-nau", max_size=12))
def test_no_text_is_too_much(text: str) -> None:
    assert covers({"cpu": text}, {"cpu": text})
    covers({"cpu": "1"}, {"cpu": text})


def test_text_that_looks_like_an_endless_amount_is_compared_as_a_text() -> None:
    assert not covers({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1e1000000Ki"}})


def compared(live: Any, wanted: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many pairs of values are compared."""
    calls = 0
    plain = coverage.covers

    def counting(live: Any, wanted: Any, *, amount: bool = False) -> bool:
        nonlocal calls
        calls += 1
        return plain(live, wanted, amount=amount)

    with monkeypatch.context() as patched:
        patched.setattr(coverage, "covers", counting)
        counting(live, wanted)
    return calls


def named(count: int) -> list[dict[str, Any]]:
    return [{"name": f"n{number}", "value": str(number)} for number in range(count)]


def alike(count: int) -> list[dict[str, Any]]:
    """Return items of one identity, those with few fields first: each covers all before it."""
    return [{"key": "gpu", **{f"f{each}": 1 for each in range(number % 8)}} for number in range(count)]


def nameless(count: int) -> list[dict[str, Any]]:
    return [{"effect": str(number)} for number in range(count)]


@pytest.mark.parametrize("items", [named, alike, nameless])
@pytest.mark.parametrize(
    "turned",
    [
        pytest.param(lambda items: items, id="in order"),
        pytest.param(lambda items: items[::-1], id="in reverse"),
        pytest.param(lambda items: items[1:], id="one is missing"),
        pytest.param(lambda items: [{"name": "proxy"}] * len(items) + items, id="after those of others"),
        pytest.param(lambda items: [*items[:-1], {**items[-1], "value": "x", "effect": "x"}], id="the last changed"),
    ],
)
def test_comparisons_grow_no_faster_than_the_objects(
    items: Callable[[int], list[dict[str, Any]]],
    turned: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, large = (
        compared({"items": turned(copy.deepcopy(items(count)))}, {"items": items(count)}, monkeypatch)
        for count in (50, 500)
    )
    assert large <= 11 * max(small, 50)
