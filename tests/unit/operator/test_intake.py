"""Parsing of the API server's JSON: the same result as any parser, but never too deep, and one object at a time."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.identifiers import RENDER_ANNOTATION
from tgi_operator.intake import MOST_LEVELS, TOO_DEEP, Object, parse, read_event, read_page, without_bookkeeping

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)
objects = st.dictionaries(st.text(min_size=1), values, max_size=5)
indents = st.sampled_from([None, 0, 2])


def unchanged(body: Object) -> Object:
    return body


def bomb(levels: int, opening: str = '{"a":', closing: str = "}") -> str:
    return opening * levels + '"["' + closing * levels


def depth(value: Any) -> int:
    """Return the levels of objects and lists, without recursion."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        each, level = waiting.pop()
        if isinstance(each, dict | list):
            deepest = max(deepest, level)
            waiting += [(inner, level + 1) for inner in (each.values() if isinstance(each, dict) else each)]
    return deepest


@given(values, indents)
def test_what_is_not_deep_is_read_as_it_is(value: Any, indent: int | None) -> None:
    assert parse(json.dumps(value, indent=indent)) == value


@given(st.text(alphabet='{}[]"\\a\n'), st.integers(0, 300))
def test_brackets_within_texts_are_no_levels(text: str, number: int) -> None:
    value = [{text: text}] * number
    assert parse(json.dumps(value)) == value


@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]"), ('[{"a}":', "}]")])
@pytest.mark.parametrize("levels", [1, 99, 100, 101, 199, 200, 201, 1_000, 9_980, 200_000])
def test_what_is_nested_too_deep_is_cut_off(levels: int, opening: str, closing: str) -> None:
    found = parse(f'{{"before":1,"bomb":{bomb(levels, opening, closing)},"after":[2]}}')
    in_all = 1 + levels * (1 + opening.startswith("[{"))
    assert depth(found) == min(in_all, MOST_LEVELS)
    assert (TOO_DEEP in json.dumps(found)) == (in_all > MOST_LEVELS)
    assert (found["before"], found["after"]) == (1, [2]), "what is beside it stays"


@pytest.mark.parametrize("text", ["", "<html>", "{", '{"items":[{"a":1}', '{"items":[', "[]", "x" * 100, "{" * 300])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_page(text, unchanged)


@given(st.lists(objects, max_size=4), objects, indents)
def test_page_is_read_as_it_is(items: list[Object], others: Object, indent: int | None) -> None:
    named = [{"apiVersion": "v1", "kind": "Pod", **item} for item in items]
    for page in ({**others, "items": named}, {"items": named} | others | {"items": named}):
        assert read_page(json.dumps(page, indent=indent), unchanged) == page


def test_items_of_a_list_that_names_the_kind_have_it() -> None:
    text = '{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"x"},"items":[{"metadata":{}}]}'
    assert read_page(text, unchanged)["items"] == [{"apiVersion": "v1", "kind": "Pod", "metadata": {}}]
    assert read_page('{"kind":"SecretList","items":null}', unchanged)["items"] is None


@pytest.mark.parametrize("levels", [201, 9_980, 100_000])
def test_one_item_that_is_too_deep_costs_no_other(levels: int) -> None:
    text = f'{{"items":[{{"kind":"A"}},{{"kind":"B","spec":{bomb(levels)}}},{{"kind":"C"}}],"kind":"List"}}'
    found = read_page(text, unchanged)
    assert [each["kind"] for each in found["items"]] == ["A", "B", "C"]
    assert depth(found) <= MOST_LEVELS + 2


def test_item_that_is_not_made_as_its_kind_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def strict(body: Object) -> Object | None:
        return None if body["metadata"]["name"] == "unwanted" else body

    names = ("a", "unwanted", "b")
    items = [{"kind": "X", "metadata": {"name": name}} for name in names]
    broken: list[Object] = [{"kind": "X"}, {"kind": "X", "metadata": None}, {"kind": "X", "metadata": [3]}]
    found = read_page(json.dumps({"items": [*broken[:2], *items]}), strict)
    assert [each["metadata"]["name"] for each in found["items"]] == ["a", "b"]
    assert caplog.text.count("cannot be read and is skipped") == 2


@pytest.mark.parametrize("change", ["ADDED", "MODIFIED", "DELETED"])
def test_object_of_an_event_is_reduced(change: str) -> None:
    line = json.dumps({"type": change, "object": {"kind": "Pod", "spec": {}}}).encode()
    assert read_event(line, lambda body: {"kind": body["kind"]}) == {"type": change, "object": {"kind": "Pod"}}
    assert read_event(line, lambda _: None) is None


@pytest.mark.parametrize("change", ["BOOKMARK", "ERROR"])
def test_event_of_no_object_is_left_as_it_is(change: str) -> None:
    event = {"type": change, "object": {"kind": "Status", "code": 410}}
    assert read_event(json.dumps(event).encode(), lambda _: None) == event


def test_bookkeeping_of_others_is_dropped() -> None:
    meta = {"name": "x", "managedFields": [{}], "annotations": {RENDER_ANNOTATION: "1", "other": "2" * 1000}}
    found = without_bookkeeping({"kind": "Pod", "metadata": meta})
    assert found == {"kind": "Pod", "metadata": {"name": "x", "annotations": {RENDER_ANNOTATION: "1"}}}
    assert without_bookkeeping({"metadata": {"name": "x", "annotations": {"other": "2"}}}) == {
        "metadata": {"name": "x"}
    }
