"""The objects of a resource: stable for years, and another revision only for another pod."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_operator.backends.incluster.desired import names, render
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.desired.strategy import SURGE
from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.resource import Owner
from unit.operator.incluster.given import CACHED, FETCHER, OWNER, TOKEN, desired, resource, secret_values, spec, target

GATED = {"model": {"uri": "hf://meta-llama/Llama-3.1-8B", "tokenSecretRef": {"name": "hub", "key": "token"}}}


def objects(wanted: Desired) -> list[Object]:
    made = (wanted.service, wanted.budget, wanted.claim, wanted.job, wanted.deployment(1, SURGE))
    return [each for each in made if each is not None]


def test_smallest_spec_is_these_objects() -> None:
    """A change of the revision replaces every existing pod: it must be intentional."""
    wanted = desired(spec())
    assert wanted.revision == "afcf335bbe"
    labels = {
        "app.kubernetes.io/name": "text-generation-inference",
        "app.kubernetes.io/managed-by": "tgi-operator",
        "tgi-operator.dev/name": "zephyr-7b",
    }
    owner = {
        "apiVersion": "tgi-operator.dev/v1alpha1",
        "kind": "TGIEndpoint",
        "name": "zephyr-7b",
        "uid": "u-1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {"name": "zephyr-7b", "namespace": "ml", "labels": labels, "ownerReferences": [owner]}
    selector = {"tgi-operator.dev/name": "zephyr-7b", "app.kubernetes.io/component": "server"}
    assert wanted.service == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
        },
    }
    assert wanted.budget == {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector},
        },
    }
    assert (wanted.claim, wanted.job) == (None, None)
    deployment = wanted.deployment(2, SURGE)
    assert deployment["metadata"] == metadata | {"annotations": {"tgi-operator.dev/rendered-from": wanted.inputs}}
    assert {name: value for name, value in deployment["spec"].items() if name != "template"} == {
        "replicas": 2,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": 1500,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": selector},
    }
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels | selector | {
        "tgi-operator.dev/revision": wanted.revision
    }


def test_service_has_the_annotations_of_the_spec() -> None:
    annotations = {"service.kubernetes.io/topology-mode": "Auto"}
    made = desired(spec(service={"annotations": annotations}))
    assert made.service["metadata"]["annotations"] == annotations
    assert made.revision == desired(spec()).revision


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        pytest.param({"claimName": "shared"}, None, id="one that is there"),
        pytest.param(
            {"size": 100},
            {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "100"}}},
            id="a new one",
        ),
        pytest.param(
            {"size": "1Ti", "storageClassName": "fast", "accessMode": "ReadWriteOnce"},
            {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Ti"}},
                "storageClassName": "fast",
            },
            id="a new one with all that can be said",
        ),
    ],
)
def test_claim(cache: dict[str, Any], expected: Object | None) -> None:
    claim = desired(spec(cache=cache)).claim
    assert (claim["spec"] if claim else None) == expected
    if claim is not None:
        assert "ownerReferences" not in claim["metadata"], "the deletion policy decides whether it goes"


@pytest.mark.parametrize(
    ("given_budget", "expected"), [(None, 1), ({"maxUnavailable": "50%"}, "50%"), (3, 3), ("0", 0)]
)
def test_budget(given_budget: Any, expected: Any) -> None:
    said = {"maxUnavailable": given_budget} if isinstance(given_budget, int | str) else given_budget
    described = spec(podDisruptionBudget=said) if said else spec()
    assert desired(described).budget["spec"]["maxUnavailable"] == expected


@pytest.mark.parametrize(
    ("rollout", "seconds"),
    [(None, 1500), ({"progressDeadlineSeconds": 60}, 60), ({"maxSurge": 1}, 1500)],
)
def test_deadline(rollout: dict[str, Any] | None, seconds: int) -> None:
    described = spec({"rollout": rollout} if rollout else {})
    assert desired(described).progress_deadline_seconds == seconds


RUNNING = "ghcr.io/huggingface/text-generation-inference:3.0.0"


@pytest.mark.parametrize(
    ("runtime", "running", "expected"),
    [
        pytest.param({}, None, "ghcr.io/huggingface/text-generation-inference:3.3.7", id="the newest"),
        pytest.param({}, RUNNING, RUNNING, id="the one that runs"),
        pytest.param({"version": "3.2"}, RUNNING, RUNNING.replace("3.0.0", "3.2.3"), id="that of a version"),
        pytest.param({"image": "own:1"}, RUNNING, "own:1", id="the one named"),
    ],
)
def test_image(runtime: dict[str, str], running: str | None, expected: str) -> None:
    wanted = desired(spec({"runtime": runtime}), image=running)
    assert wanted.image == expected
    assert wanted.template["spec"]["containers"][0]["image"] == expected


BASE = spec(GATED, **CACHED)


def changed(*path: str, to: Any) -> dict[str, Any]:
    described = copy.deepcopy(BASE)
    parent = described
    for name in path[:-1]:
        parent = parent.setdefault(name, {})
    parent[path[-1]] = to
    return described


@pytest.mark.parametrize(
    ("described", "same"),
    [
        pytest.param(changed("replicas", to=3), True, id="replicas"),
        pytest.param(changed("rollout", to={"maxSurge": 1, "progressDeadlineSeconds": 9}), True, id="rollout"),
        pytest.param(changed("deletionPolicy", to="Retain"), True, id="the deletion policy"),
        pytest.param(changed("inCluster", "podDisruptionBudget", to={"maxUnavailable": 2}), True, id="the budget"),
        pytest.param(changed("inCluster", "podMonitor", to={"labels": {"a": "b"}}), True, id="labels of the monitor"),
        pytest.param(changed("inCluster", "cache", "size", to="200Gi"), True, id="the size of the claim"),
        pytest.param(changed("inCluster", "podTemplate", to={}), True, id="an empty overlay"),
        pytest.param(changed("inCluster", "gpu", to={"count": 1}), True, id="a default said aloud"),
        pytest.param(changed("inCluster", "cache", to={"claimName": "shared"}), False, id="the claim"),
        pytest.param(changed("inCluster", "gpu", to={"count": 2}), False, id="GPUs"),
        pytest.param(changed("inCluster", "sharedMemorySize", to="2Gi"), False, id="shared memory"),
        pytest.param(changed("inCluster", "startupTimeoutSeconds", to=1000), False, id="the time to start"),
        pytest.param(changed("inCluster", "nodeSelector", to={"a": "b"}), False, id="the nodes"),
        pytest.param(
            changed("inCluster", "podTemplate", to={"spec": {"schedulerName": "batch"}}), False, id="an overlay"
        ),
        pytest.param(changed("inCluster", "omitDefaults", to=["LivenessProbe"]), False, id="a default left out"),
        pytest.param(changed("model", "revision", to="v2"), False, id="the model's revision"),
        pytest.param(changed("runtime", to={"version": "3.3.6"}), False, id="the version"),
        pytest.param(changed("runtime", to={"maxTotalTokens": 9}), False, id="an option"),
    ],
)
def test_revision_is_another_exactly_when_the_pod_is(described: dict[str, Any], *, same: bool) -> None:
    before, after = desired(BASE, TOKEN), desired(described, TOKEN)
    assert (before.revision == after.revision) is same
    assert (before.template == after.template) is same


def test_revision_knows_nothing_of_the_fetcher() -> None:
    """An upgrade of the operator replaces no pod."""
    wanted = resource(BASE)
    one, other = (
        render.desired(wanted, target(wanted), secret_values(None), image) for image in (FETCHER, "operator:next")
    )
    assert one.revision == other.revision
    assert one.job is not None
    assert other.job is not None
    assert one.job["metadata"]["name"] == other.job["metadata"]["name"]


names_of_resources = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
label_values = st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?)?", fullmatch=True)
quantities = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,2})?(m|k|M|G|Ki|Mi|Gi)?", fullmatch=True) | st.integers(1, 99)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


specs = st.builds(
    lambda changes, in_cluster: spec(changes, **in_cluster),
    optional(
        replicas=st.integers(1, 9),
        rollout=optional(maxSurge=st.integers(1, 9) | st.just("50%"), progressDeadlineSeconds=st.integers(1, 999)),
        runtime=optional(
            numShard=st.integers(1, 8), trustRemoteCode=st.booleans(), version=st.sampled_from(["3.3", "2.0.4"])
        ),
        model=st.sampled_from([GATED["model"], {"uri": "hf://a/b-7b"}, {"uri": "hf://a/b", "revision": "v1"}]),
    ),
    optional(
        gpu=optional(
            count=st.integers(1, 16), products=st.lists(st.sampled_from(["NVIDIA-L4", "NVIDIA-A10G"]), unique=True)
        ),
        resources=optional(
            requests=st.dictionaries(st.sampled_from(["cpu", "memory"]), quantities),
            limits=st.dictionaries(st.sampled_from(["cpu", "memory"]), quantities),
        ),
        sharedMemorySize=quantities,
        cache=st.fixed_dictionaries({"size": quantities}) | st.just({"claimName": "shared", "subPath": "a"}),
        nodeSelector=st.dictionaries(st.sampled_from(["a", "b"]), label_values),
        tolerations=st.lists(optional(key=st.sampled_from("ab"), operator=st.just("Exists")), max_size=2),
        podDisruptionBudget=st.just({"maxUnavailable": "50%"}),
        podMonitor=optional(labels=st.dictionaries(st.sampled_from("ab"), label_values)),
        podTemplate=st.sampled_from(
            [{}, {"spec": {"schedulerName": "batch"}}, {"metadata": {"annotations": {"a": "b"}}}]
        ),
    ),
)


@settings(max_examples=50)
@given(specs, names_of_resources)
def test_same_spec_is_the_same_objects_however_it_is_written(described: dict[str, Any], name: str) -> None:
    owner = Owner("c-1", "ml", name, "u-1")
    one = desired(described, TOKEN, owner=owner)
    turned = json.loads(json.dumps(dict(reversed(described.items()))))
    other = desired(turned, TOKEN, owner=owner)
    assert one == other
    assert json.dumps(objects(one), sort_keys=True) == json.dumps(objects(other), sort_keys=True)
    for made in objects(one):
        assert len(made["metadata"]["name"]) <= 63
        assert names.is_ours(made["metadata"]["labels"], owner)
        assert made["metadata"]["namespace"] == "ml"


@settings(max_examples=50)
@given(specs)
def test_token_is_in_no_object_and_in_no_text(described: dict[str, Any]) -> None:
    wanted = desired(described, TOKEN)
    assert TOKEN not in json.dumps(objects(wanted))
    assert TOKEN not in f"{wanted} {wanted!r}"


@settings(max_examples=50)
@given(specs, specs)
def test_revision_is_the_template(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = desired(one, TOKEN), desired(other, TOKEN)
    assert (first.revision == second.revision) == (first.template == second.template)


def test_url() -> None:
    assert render.url(OWNER) == "http://zephyr-7b.ml.svc:80"
