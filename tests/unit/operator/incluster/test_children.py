"""The parts of watch events that are stored, and those that cause a reconciliation."""

import copy
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.identifiers import FIELD_MANAGER
from tgi_operator.backends.incluster.desired.names import ANNOTATION_INPUTS, LABEL_NAME
from tgi_operator.backends.incluster.seen.children import MOST, STORED, Children, Versions, identity, reduced, slim
from tgi_operator.backends.keys import Key

KEY = Key("ml", "zephyr-7b")
OTHER = Key("ml", "falcon-7b")
Object = dict[str, Any]


def child(kind: str, version: int = 1, name: str = "x", of: str = "zephyr-7b", **parts: Any) -> Object:
    metadata = {
        "name": name,
        "namespace": "ml",
        "uid": "u",
        "resourceVersion": str(version),
        "labels": {LABEL_NAME: of},
        "managedFields": [{"manager": "kubectl", "time": "2026-01-31T12:00:00Z"}],
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {}, "status": {}} | parts


def changed(body: Object, *path: str | int, to: Any) -> Object:
    """Return the next version of an object, with another value at a path."""
    after = copy.deepcopy(body)
    after["metadata"]["resourceVersion"] = str(int(body["metadata"]["resourceVersion"]) + 1)
    parent: Any = after
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = to
    return after


DEPLOYMENT = child(
    "Deployment",
    spec={"replicas": 1},
    status={
        "observedGeneration": 1,
        "readyReplicas": 1,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "x", "lastUpdateTime": "t"}],
    },
)
POD = child(
    "Pod",
    spec={"nodeName": "gpu-1", "containers": [{"name": "tgi"}]},
    status={
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": "t"}],
        "containerStatuses": [{"name": "tgi", "ready": True, "restartCount": 0}],
    },
)
JOB = child("Job", spec={"template": {}}, status={"active": 1, "ready": 0})
CLAIM = child("PersistentVolumeClaim", spec={"accessModes": ["ReadWriteMany"]}, status={"phase": "Pending"})
SERVICE = child("Service", spec={"ports": [{"port": 80}]}, status={"loadBalancer": {}})
EXPOSED = copy.deepcopy(SERVICE)
EXPOSED["metadata"]["managedFields"].append(
    {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:example.com/team": {}}}},
    }
)
EXPOSED["metadata"]["annotations"] = {"example.com/team": "ml", "cloud.example/status": "1"}
BUDGET = child("PodDisruptionBudget", spec={"maxUnavailable": 1}, status={"currentHealthy": 1})
POLICY = child("NetworkPolicy", spec={"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]})


@pytest.mark.parametrize(
    ("before", "path", "to"),
    [
        pytest.param(DEPLOYMENT, ("status", "unavailableReplicas"), 1, id="of a Deployment: counts that nobody reads"),
        pytest.param(DEPLOYMENT, ("status", "conditions", 0, "lastUpdateTime"), "t2", id="of a condition: its time"),
        pytest.param(DEPLOYMENT, ("metadata", "managedFields"), [], id="who wrote what"),
        pytest.param(DEPLOYMENT, ("metadata", "selfLink"), "/x", id="metadata that nobody reads"),
        pytest.param(POD, ("status", "podIP"), "10.0.0.2", id="of a Pod: its address"),
        pytest.param(POD, ("status", "conditions", 0, "lastProbeTime"), "t2", id="of a Pod: the time of a probe"),
        pytest.param(POD, ("metadata", "annotations"), {"a": "1"}, id="of a Pod: annotations"),
        pytest.param(
            EXPOSED, ("metadata", "annotations", "cloud.example/status"), "2", id="of a Service: others' annotations"
        ),
        pytest.param(POD, ("metadata", "generation"), 2, id="of a Pod: its generation"),
        pytest.param(POD, ("spec", "volumes"), [], id="of a Pod: its volumes, which cannot change"),
        pytest.param(JOB, ("status", "ready"), 1, id="of a Job: ready pods"),
        pytest.param(CLAIM, ("status", "capacity"), {"storage": "1Gi"}, id="of a claim: its capacity"),
        pytest.param(SERVICE, ("status", "loadBalancer"), {"ingress": []}, id="of a Service: its balancer"),
        pytest.param(BUDGET, ("status", "currentHealthy"), 0, id="of a budget: its counts"),
    ],
)
def test_change_that_decides_nothing_is_no_news(before: Object, path: tuple[str | int, ...], to: Any) -> None:
    children = Children(lambda _: True)
    assert children.put(before) == KEY
    assert children.put(changed(before, *path, to=to)) is None


@pytest.mark.parametrize(
    ("before", "path", "to"),
    [
        pytest.param(DEPLOYMENT, ("spec", "replicas"), 2, id="of a Deployment: the pods wanted"),
        pytest.param(DEPLOYMENT, ("status", "readyReplicas"), 0, id="of a Deployment: the pods that serve"),
        pytest.param(DEPLOYMENT, ("status", "observedGeneration"), 2, id="of a Deployment: that it was seen"),
        pytest.param(DEPLOYMENT, ("status", "conditions", 0, "reason"), "y", id="of a condition: its reason"),
        pytest.param(DEPLOYMENT, ("metadata", "labels", "x"), "y", id="a label"),
        pytest.param(DEPLOYMENT, ("metadata", "deletionTimestamp"), "t", id="that it is to go"),
        pytest.param(DEPLOYMENT, ("metadata", "uid"), "v", id="that it is another one"),
        pytest.param(POD, ("status", "phase"), "Failed", id="of a Pod: its phase"),
        pytest.param(POD, ("status", "containerStatuses", 0, "restartCount"), 1, id="of a Pod: a restart"),
        pytest.param(POD, ("metadata", "deletionTimestamp"), "t", id="of a Pod: that it is to go"),
        pytest.param(JOB, ("status", "failed"), 1, id="of a Job: a failure"),
        pytest.param(CLAIM, ("status", "phase"), "Bound", id="of a claim: its phase"),
        pytest.param(SERVICE, ("spec", "ports"), [{"port": 81}], id="of a Service: its ports"),
        pytest.param(
            EXPOSED, ("metadata", "annotations", "example.com/team"), "x", id="of a Service: applied annotations"
        ),
        pytest.param(BUDGET, ("spec", "maxUnavailable"), 0, id="of a budget: its spec"),
        pytest.param(BUDGET, ("metadata", "ownerReferences"), [], id="of a budget: its owner"),
        pytest.param(POLICY, ("spec", "ingress", 0, "from"), [], id="of a NetworkPolicy: what it lets in"),
    ],
)
def test_change_that_decides_something_is_news(before: Object, path: tuple[str | int, ...], to: Any) -> None:
    children = Children(lambda _: True)
    children.put(before)
    after = changed(before, *path, to=to)
    assert children.put(after) == KEY
    (kept,) = children.of(KEY).values()
    assert kept == slim(after)


def missing(known: Versions, listed: list[Object]) -> Versions:
    """Return the objects that were known and are not listed."""
    there = {identity(body) for body in listed}
    return {each: version for each, version in known.items() if each not in there}


def test_object_is_kept_by_its_resource_kind_and_name() -> None:
    children = Children(lambda _: True)
    children.put(DEPLOYMENT)
    children.put(SERVICE)
    children.put(child("Service", name="y", of="falcon-7b"))
    assert set(children.of(KEY)) == {("Deployment", "x"), ("Service", "x")}
    assert set(children.of(OTHER)) == {("Service", "y")}
    assert children.of(Key("dev", "zephyr-7b")) == {}


def test_object_of_nobody_is_not_kept() -> None:
    children = Children(lambda _: True)
    for labels in ({}, {LABEL_NAME: ""}, {"app": "x"}):
        body = child("Service")
        body["metadata"]["labels"] = labels
        assert children.put(body) is None
        assert children.drop(body) is None
    assert children.of(KEY) == {}


@pytest.mark.parametrize("version", [1, 2])
def test_version_that_is_not_newer_is_ignored(version: int) -> None:
    children = Children(lambda _: True)
    newest = child("Service", 2, spec={"ports": [1]})
    children.put(newest)
    assert children.put(child("Service", version, spec={"ports": [2]})) is None
    assert children.of(KEY)["Service", "x"]["spec"] == {"ports": [1]}


def test_version_is_a_number_and_no_text() -> None:
    children = Children(lambda _: True)
    children.put(child("Service", 9))
    assert children.put(child("Service", 10, spec={"ports": [1]})) == KEY


def test_version_that_brought_no_news_is_remembered_all_the_same() -> None:
    children = Children(lambda _: True)
    children.put(child("Service", 1))
    assert children.put(child("Service", 3)) is None
    assert children.put(child("Service", 2, spec={"ports": [1]})) is None
    assert children.of(KEY)["Service", "x"]["spec"] == {}


def test_object_that_is_gone_is_forgotten_and_told_once() -> None:
    children = Children(lambda _: True)
    children.put(SERVICE)
    assert children.drop(SERVICE) == KEY
    assert children.drop(SERVICE) is None
    assert children.of(KEY) == {}
    assert children.put(SERVICE) == KEY, "an object made anew may have any version"


def test_list_tells_what_vanished_what_came_and_what_changed() -> None:
    children = Children(lambda _: True)
    gone, same, before = child("Pod", 1, "gone"), child("Pod", 2, "same", "falcon-7b"), child("Pod", 3, "changed", "a")
    for body in (gone, same, before, child("Service", 4)):
        children.put(body)
    after = changed(before, "status", to={"phase": "Failed"})
    known, listed = children.versions("Pod"), [same, after, child("Pod", 9, "new", "b")]
    assert [children.put(body) for body in listed] == [None, Key("ml", "a"), Key("ml", "b")]
    assert children.drop_missing(missing(known, listed)) == {KEY}
    assert set(children.of(KEY)) == {("Service", "x")}, "only of the kind that was listed"
    assert children.drop_missing(missing(children.versions("Pod"), listed)) == set()


def test_list_that_is_older_than_the_watch_takes_nothing_back() -> None:
    children = Children(lambda _: True)
    children.put(child("Service", 5, spec={"ports": [1]}))
    assert children.put(child("Service", 4)) is None
    assert children.drop_missing(missing(children.versions("Service"), [child("Service", 4)])) == set()
    assert children.of(KEY)["Service", "x"]["spec"] == {"ports": [1]}


def test_object_whose_label_was_changed_is_no_longer_the_first_resources() -> None:
    children = Children(lambda _: True)
    children.put(child("Service", 1))
    assert children.put(child("Service", 2, of="falcon-7b")) == KEY
    assert children.of(KEY) == {}, "it looks as if the Service still were as it was applied"
    assert children.put(child("Service", 3)) == OTHER
    assert set(children.of(KEY)) == {("Service", "x")}


def test_old_version_with_another_label_is_ignored_too() -> None:
    children = Children(lambda _: True)
    children.put(child("Service", 2))
    assert children.put(child("Service", 1, of="falcon-7b")) is None
    assert set(children.of(KEY)) == {("Service", "x")}


def test_what_the_watch_told_while_a_list_was_read_is_newer_than_the_list() -> None:
    children = Children(lambda _: True)
    children.put(child("Service", 1))
    before = children.versions("Service")
    children.put(child("Service", 2))
    children.put(child("Service", 3, "new"))
    assert children.drop_missing(before) == set()
    assert set(children.of(KEY)) == {("Service", "x"), ("Service", "new")}


def test_object_of_the_same_name_in_another_namespace_is_another() -> None:
    children = Children(lambda _: True)
    children.put(child("Service"))
    elsewhere = child("Service")
    elsewhere["metadata"]["namespace"] = "dev"
    assert children.put(elsewhere) == Key("dev", "zephyr-7b")
    assert set(children.of(KEY)) == {("Service", "x")}
    children.forget(KEY)
    assert children.of(KEY) == {}
    assert set(children.of(Key("dev", "zephyr-7b"))) == {("Service", "x")}


@pytest.mark.parametrize("kind", [kind.name for kind in STORED])
def test_every_kind_can_be_kept_without_a_status(kind: str) -> None:
    body = child(kind)
    del body["status"]
    children = Children(lambda _: True)
    assert children.put(body) == KEY
    assert children.of(KEY)[kind, "x"]["status"] == {}
    assert children.put(body | {"status": None}) is None


def test_what_is_kept_is_nobodys_to_change() -> None:
    children = Children(lambda _: True)
    children.put(SERVICE)
    children.of(KEY)["Service", "x"]["spec"]["ports"] = []
    assert children.of(KEY)["Service", "x"]["spec"] == SERVICE["spec"]


bodies = st.builds(
    lambda version, name, replicas: child("Deployment", version, name, spec={"replicas": replicas}),
    st.integers(1, 30),
    st.sampled_from("ab"),
    st.integers(0, 3),
)


@given(st.lists(bodies, max_size=12))
def test_the_newest_of_each_object_is_what_is_kept_in_whatever_order_it_is_told(told: list[Object]) -> None:
    newest: dict[str, Object] = {}
    # Two objects of one version are the same object.
    told = list({(body["metadata"]["name"], body["metadata"]["resourceVersion"]): body for body in told}.values())
    children = Children(lambda _: True)
    for body in told:
        children.put(body)
        name = body["metadata"]["name"]
        if name not in newest or _version(body) > _version(newest[name]):
            newest[name] = body
    assert children.of(KEY) == {("Deployment", name): slim(body) for name, body in newest.items()}


def _version(body: Object) -> int:
    return int(body["metadata"]["resourceVersion"])


@pytest.mark.parametrize("body", [DEPLOYMENT, POD, JOB, CLAIM, SERVICE, BUDGET, POLICY], ids=lambda body: body["kind"])
def test_what_the_informer_keeps_is_what_is_kept(body: Object) -> None:
    whole = copy.deepcopy(body)
    ours: Object = {"f:spec": {"f:replicas": {}}}
    whole["metadata"]["managedFields"] = [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": ours}]
    whole["metadata"]["annotations"] = {ANNOTATION_INPUTS: "1", "others": "x" * 1000}
    found = reduced(whole)
    assert slim(found) == slim(whole)
    assert found["metadata"]["resourceVersion"] == "1"
    assert found["metadata"].keys().isdisjoint({"managedFields"})
    assert len(json.dumps(found)) < 1000


class Resources(set[Key]):
    """TGIEndpoints that exist."""

    def children(self) -> Children:
        return Children(lambda key: key in self)


def test_object_is_not_kept_until_its_resource_exists() -> None:
    resources = Resources()
    children = resources.children()
    assert not children.wants(POD)
    assert children.put(POD) is None
    assert children.of(KEY) == {}
    assert children.lacks(KEY)
    assert not children.lacks(OTHER), "nothing of another resource was passed over"
    resources.add(KEY)
    assert children.wants(POD)
    assert children.put(POD) == KEY
    children.completed(KEY)
    assert not children.lacks(KEY)


def test_what_is_passed_over_is_remembered_until_a_list_passes_it_over_no_more() -> None:
    children = Resources().children()
    children.put(POD)
    children.listing(over=False)
    assert children.lacks(KEY), "the list is not over yet"
    children.listing(over=False)
    assert children.lacks(KEY), "a list that failed shows nothing"
    children.put(child("Pod", of="falcon-7b"))
    children.listing(over=True)
    assert not children.lacks(KEY)
    assert children.lacks(OTHER)


def test_object_that_is_labelled_away_to_no_resource_is_missed_by_its_own() -> None:
    resources = Resources({KEY})
    children = resources.children()
    children.put(child("Service", 1))
    away = child("Service", 2, of="nobody")
    assert children.wants(away)
    assert children.put(away) == KEY
    assert children.of(KEY) == {}
    assert children.lacks(Key("ml", "nobody"))
    assert children.put(child("Service", 3)) == KEY
    assert set(children.of(KEY)) == {("Service", "x")}


def test_only_so_many_objects_are_kept_of_one_resource() -> None:
    children = Resources({KEY}).children()
    for number in range(MOST + 10):
        children.put(child("Pod", 1, f"p{number}"))
    assert len(children.of(KEY)) == MOST
    assert not children.wants(child("Pod", 1, "one-more"))
    assert not children.lacks(KEY), "another list would bring no more"
    assert children.put(child("Pod", 2, "p3", status={"phase": "Failed"})) == KEY, "what is kept stays current"
    assert children.drop(child("Pod", 2, "p3")) == KEY
    assert children.put(child("Pod", 1, "one-more")) == KEY


@pytest.mark.parametrize("of", ["nobody", "nobody-{}"], ids=["of one name", "of many names"])
def test_sixty_thousand_strangers_cost_a_few_megabytes(of: str) -> None:
    children, body = Resources({KEY}).children(), child("Pod")
    meta = body["metadata"]
    tracemalloc.start()
    for number in range(60_000):
        meta["name"], meta["labels"][LABEL_NAME] = f"p{number}", of.format(number)
        children.put(body)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 8 * 2**20
