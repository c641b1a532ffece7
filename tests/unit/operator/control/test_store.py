"""The store: changes by others are not mistaken for echoes of the operator's own writes."""

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from tgi_operator.api.identifiers import FINALIZER, MOST_ANNOTATION, RENDER_ANNOTATION, REQUEST_ANNOTATION
from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Rival
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.desired.places import Place
from tgi_operator.control.store import Item, Store, item, reduced
from tgi_operator.intake import LARGEST_SPEC

KEY = Key("ml", "falcon")
OURS = {"observedGeneration": 1, "conditions": []}


def body(version: int, **changes: Any) -> dict[str, Any]:
    """Return an object as the API server sends it; `meta` are changes of its metadata."""
    meta = {"namespace": "ml", "name": "falcon", "uid": "u-1", "resourceVersion": str(version), "generation": 1}
    return {"metadata": meta | changes.pop("meta", {}), "spec": {"model": {"uri": "hf://a/b"}}, **changes}


def with_secret(version: int, name: str | None, resource: str = "falcon") -> Item:
    model: dict[str, Any] = {"uri": "hf://a/b"} | ({"tokenSecretRef": {"name": name, "key": "token"}} if name else {})
    return item(body(version, meta={"name": resource}, spec={"model": model}))


def test_item_keeps_what_a_reconciliation_needs() -> None:
    found = item(
        body(
            7,
            meta={
                "generation": 3,
                "deletionTimestamp": "2026-01-31T12:00:00Z",
                "finalizers": ["other", FINALIZER],
                "managedFields": [{"manager": "kubectl"}],
            },
            status=OURS,
        )
    )
    assert found == Item(KEY, "u-1", "7", 3, True, ("other", FINALIZER), {"model": {"uri": "hf://a/b"}}, OURS)
    assert found.held
    assert found.secret is None


def test_new_item_has_no_finalizers_and_no_status() -> None:
    found = item(body(1))
    assert (found.deleting, found.finalizers, found.held, found.status) == (False, (), False, {})


def test_secret_is_in_the_namespace_of_the_resource() -> None:
    assert with_secret(1, "hub").secret == ("ml", "hub")


def test_what_was_never_seen_is_worth_a_look() -> None:
    store = Store()
    assert store.get(KEY) is None
    assert store.put(item(body(1)))
    assert store.get(KEY) == item(body(1))
    assert list(store.items()) == [item(body(1))]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(body(11, meta={"generation": 2}, status=OURS), id="the spec"),
        pytest.param(body(11, status={"observedGeneration": 7}), id="the status, by somebody else"),
        pytest.param(body(11), id="the status, removed by somebody else"),
        pytest.param(body(11, meta={"deletionTimestamp": "2026-01-31T12:00:00Z"}, status=OURS), id="it is deleted"),
        pytest.param(body(11, meta={"finalizers": ["other"]}, status=OURS), id="our finalizer was taken off"),
        pytest.param(body(11, meta={"uid": "u-2", "finalizers": [FINALIZER]}, status=OURS), id="it is another object"),
        pytest.param(
            body(2, meta={"uid": "u-2", "finalizers": [FINALIZER]}, status=OURS),
            id="another object, restored from etcd",
        ),
    ],
)
def test_change_by_others_is_worth_a_look(after: dict[str, Any]) -> None:
    store = Store()
    store.put(item(body(10, meta={"finalizers": [FINALIZER]}, status=OURS)))
    assert store.put(item(after))
    assert store.get(KEY) == item(after)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(body(11, meta={"finalizers": [FINALIZER], "labels": {"team": "ml"}}, status=OURS), id="labels"),
        pytest.param(body(11, meta={"finalizers": ["other", FINALIZER]}, status=OURS), id="finalizers of others"),
    ],
)
def test_change_that_means_nothing_to_us_is_kept_but_not_worth_a_look(after: dict[str, Any]) -> None:
    store = Store()
    store.put(item(body(10, meta={"finalizers": [FINALIZER]}, status=OURS)))
    assert not store.put(item(after))
    assert store.get(KEY) == item(after)


def test_finalizer_that_we_put_on_is_not_worth_a_look() -> None:
    store = Store()
    store.put(item(body(10)))
    assert not store.put(item(body(11, meta={"finalizers": [FINALIZER]})))


@pytest.mark.parametrize("version", [9, 10])
def test_what_is_older_or_the_same_is_ignored(version: int) -> None:
    store = Store()
    known = item(body(10, status=OURS))
    store.put(known)
    assert not store.put(item(body(version, meta={"generation": 5})))
    assert store.get(KEY) == known


def test_versions_are_compared_as_numbers() -> None:
    store = Store()
    store.put(item(body(9)))
    assert store.put(item(body(10, meta={"generation": 2})))


@pytest.mark.parametrize("watch_first", [True, False], ids=["the watch repeats it before", "and after the answer"])
def test_own_status_is_not_worth_a_look(*, watch_first: bool) -> None:
    store = Store()
    store.put(item(body(10)))
    store.expect(KEY, OURS)
    written = body(11, status=OURS)
    answer, watched = item(written), item(body(11, status=dict(OURS)))
    first, second = (watched, answer) if watch_first else (answer, watched)
    assert not store.put(first)
    assert not store.put(second)
    assert store.get(KEY) == answer


def test_late_repetition_of_an_earlier_write_is_ignored() -> None:
    store = Store()
    store.put(item(body(10)))
    for version in (11, 12):
        status = {"observedGeneration": version}
        store.expect(KEY, status)
        assert not store.put(item(body(version, status=status)))
    assert not store.put(item(body(11, status={"observedGeneration": 11})))
    assert store.get(KEY) == item(body(12, status={"observedGeneration": 12}))


def test_spec_that_changed_together_with_our_status_is_worth_a_look() -> None:
    store = Store()
    store.put(item(body(10)))
    store.expect(KEY, OURS)
    assert store.put(item(body(12, meta={"generation": 2}, status=OURS)))


def test_write_that_was_expected_of_a_resource_that_is_gone_is_not_expected_of_the_next() -> None:
    store = Store()
    store.put(item(body(10)))
    store.expect(KEY, OURS)
    assert store.drop(KEY) == item(body(10))
    assert store.get(KEY) is None
    assert store.drop(KEY) is None
    store.put(item(body(20, meta={"uid": "u-2"})))
    assert store.put(item(body(21, meta={"uid": "u-2"}, status=OURS)))


def test_changed_secret_is_told_to_those_that_refer_to_it() -> None:
    store = Store()
    store.put(with_secret(1, "hub", "a"))
    store.put(with_secret(2, "hub", "b"))
    store.put(with_secret(3, "other", "c"))
    store.put(with_secret(4, None, "d"))
    assert store.secret_changed("ml", "hub", "100") == {Key("ml", "a"), Key("ml", "b")}
    assert store.secret_changed("ml", "hub", "100") == set(), "the same version is no news"
    assert store.secret_changed("ml", "hub", "101") == {Key("ml", "a"), Key("ml", "b")}
    assert store.secret_changed("ml", "hub", "") == {Key("ml", "a"), Key("ml", "b")}, "it is gone"
    assert store.secret_changed("dev", "hub", "100") == set()
    assert store.secret_changed("ml", "nobody's", "100") == set()


def test_resource_that_refers_to_another_secret_now_hears_of_that_one() -> None:
    store = Store()
    store.put(with_secret(1, "old"))
    store.put(replace(with_secret(2, "new"), generation=2))
    assert store.secret_changed("ml", "old", "100") == set()
    assert store.secret_changed("ml", "new", "100") == {KEY}


def test_resource_that_is_gone_hears_of_no_secret() -> None:
    store = Store()
    store.put(with_secret(1, "hub"))
    store.drop(KEY)
    assert store.secret_changed("ml", "hub", "100") == set()


def test_secret_of_a_resource_that_came_later_is_news_to_it() -> None:
    store = Store()
    store.put(with_secret(1, "hub"))
    store.secret_changed("ml", "hub", "100")
    store.drop(KEY)
    store.put(with_secret(2, "hub"))
    assert store.secret_changed("ml", "hub", "100") == {KEY}


def test_request_for_a_new_rendering_needs_a_reconciliation_once() -> None:
    store = Store()
    store.put(item(body(1)))
    asked = item(body(2, meta={"annotations": {RENDER_ANNOTATION: "2026-01-31"}}))
    assert asked.render_request == "2026-01-31"
    assert store.put(asked)
    assert not store.put(item(body(3, meta={"annotations": {RENDER_ANNOTATION: "2026-01-31", "other": "x"}})))


def test_request_needs_a_reconciliation_once_whatever_its_length() -> None:
    store = Store()
    store.put(item(body(10)))
    annotated = {"annotations": {REQUEST_ANNOTATION: "x" * 1000, RENDER_ANNOTATION: "y" * 1000}}
    assert store.put(item(body(11, meta=annotated)))
    assert not store.put(item(body(12, meta=annotated | {"labels": {"team": "ml"}})))
    found = store.get(KEY)
    assert found is not None
    assert (found.request, found.render_request) == ("x" * MOST_ANNOTATION, "y" * MOST_ANNOTATION)


def test_status_that_another_user_wrote_is_doubted_until_it_was_compared() -> None:
    store = Store()
    known = item(body(10, status=OURS))
    store.put(known)
    assert not store.is_rewritten(KEY)
    forged = item(body(11, status={"observedGeneration": 7}))
    store.put(forged)
    store.compared(known)
    assert store.is_rewritten(KEY), "what was compared is older"
    store.compared(forged)
    assert not store.is_rewritten(KEY)


def test_status_of_a_resource_that_is_gone_is_doubted_no_longer() -> None:
    store = Store()
    store.put(item(body(10, status=OURS)))
    store.put(item(body(11)))
    store.drop(KEY)
    assert not store.is_rewritten(KEY)


def at_endpoint(version: int, resource: str, name: str | None = None, **changes: Any) -> Item:
    """Return a resource on SageMaker, with a name for its endpoint or without."""
    block = {"region": "eu-west-1"} | ({"endpointName": name} if name else {})
    meta = {"name": resource, "creationTimestamp": f"2026-01-01T00:00:{version:02d}Z"}
    return item(body(version, meta=meta, spec={"sageMaker": block}, **changes))


def test_rivals_are_the_others_with_the_same_endpoint() -> None:
    store = Store()
    generated = names.endpoint_name(Key("ml", "b"))
    former = names.former_endpoint_name(Key("ml", "c"))
    found = [
        at_endpoint(1, "a", generated),
        at_endpoint(2, "b", status={"sageMaker": {"endpointName": generated, "endpointARN": "arn"}}),
        at_endpoint(3, "c", status={"sageMaker": {"endpointName": former}}),
        at_endpoint(4, "d", former),
        at_endpoint(5, "e"),
    ]
    for each in found:
        store.put(each)
    assert store.rivals(found[0]) is None, "not all were seen yet"
    store.complete = True
    assert store.rivals(found[0]) == (Rival(Key("ml", "b"), "2026-01-01T00:00:02Z", owned=True),)
    assert store.rivals(found[1]) == (Rival(Key("ml", "a"), "2026-01-01T00:00:01Z", owned=False),)
    assert store.rivals(found[2]) == (Rival(Key("ml", "d"), "2026-01-01T00:00:04Z", owned=False),)
    assert store.rivals(found[4]) == ()
    store.drop(Key("ml", "b"))
    assert store.rivals(found[0]) == ()


def test_pods_have_no_rivals() -> None:
    store = Store()
    store.put(item(body(1)))
    assert store.rivals(item(body(1))) == ()


def spec_of(size: int) -> dict[str, Any]:
    """Return a spec of so many bytes."""
    spec: dict[str, Any] = {
        "deletionPolicy": "Retain",
        "model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}},
        "sageMaker": {"region": "eu-west-1", "endpointName": "ml-falcon", "env": ["ü"]},
    }
    missing = size - len(json.dumps(spec, ensure_ascii=False, separators=(",", ":")).encode())
    spec["sageMaker"]["env"] = ["ü" + "x" * missing]
    return spec


@pytest.mark.parametrize("size", [1_000, 8_192, 8_193, LARGEST_SPEC])
def test_spec_of_any_size_that_is_admitted_is_kept(size: int) -> None:
    found = item(body(1, spec=spec_of(size)))
    assert found.spec == spec_of(size)
    assert found.refused == ""


def test_large_spec_takes_no_more_memory_than_its_text() -> None:
    spec = spec_of(1_000) | {"runtime": {"env": [[] for _ in range(60_000)]}}
    tracemalloc.start()
    found = item(body(1, spec=spec))
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert found.spec == spec
    assert kept < len(json.dumps(spec))


@pytest.mark.parametrize("size", [8_193, LARGEST_SPEC, LARGEST_SPEC + 1, 1_400_000])
def test_outline_of_a_large_spec_has_what_lanes_names_and_deletion_need(size: int) -> None:
    found = item(body(1, spec=spec_of(size)))
    assert found.place == Place(Scope("", "eu-west-1"), "ml-falcon")
    assert found.outline["sageMaker"] == {"region": "eu-west-1", "endpointName": "ml-falcon"}
    assert found.outline["deletionPolicy"] == "Retain"
    assert found.secret == ("ml", "hub")


def test_spec_that_is_too_large_is_refused_and_not_kept() -> None:
    found = item(body(1, spec=spec_of(LARGEST_SPEC + 1)))
    assert found.refused == "spec: is 262145 bytes long, but the limit is 262144 bytes; make the spec smaller"
    assert found.spec == found.outline


def test_what_the_informer_keeps_is_enough_for_an_item_and_no_more() -> None:
    meta = {
        "finalizers": [FINALIZER],
        "creationTimestamp": "2026-01-01T12:00:00Z",
        "deletionTimestamp": "2026-01-31T12:00:00Z",
        "annotations": {RENDER_ANNOTATION: "1", REQUEST_ANNOTATION: "2", "others": "x" * 1000},
        "labels": {"team": "x"},
        "managedFields": [{"manager": "x" * 1000}],
    }
    whole = {"apiVersion": "v1", "kind": "TGIEndpoint", **body(7, meta=meta, status=OURS)}
    kept = item(reduced(whole))
    assert kept == item(whole)
    assert (kept.created, kept.render_request, kept.request) == ("2026-01-01T12:00:00Z", "1", "2")
    assert len(json.dumps(reduced(whole))) < 700
