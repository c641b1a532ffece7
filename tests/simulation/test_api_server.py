"""The API server in memory behaves like the real one in all that the operator depends on."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from simulation import crd_schema
from simulation.api_server import ENDPOINT_SCHEMA, ApiServer
from simulation.clock import START, LoopClock, new_loop
from simulation.workloads import Workloads
from tgi_operator.api.identifiers import FIELD_MANAGER, PLURAL
from tgi_operator.backends.incluster.kinds import Object

ENDPOINTS = "/apis/tgi-operator.dev/v1alpha1/namespaces/ml/tgiendpoints"
DEPLOYMENT = "/apis/apps/v1/namespaces/ml/deployments/web"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """A server with one TGIEndpoint."""
    loop = new_loop()
    made = ApiServer(loop, LoopClock(loop))
    made.create(PLURAL, "ml", {"metadata": {"name": "a"}, "spec": {"replicas": 1}})
    yield made
    loop.close()


def send(server: ApiServer, method: str, path: str, body: Object | None = None, **headers: str) -> tuple[int, Any]:
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    status, text = server.loop.run_until_complete(server.send(method, path, found, body))
    return status, json.loads(text)


def patch(server: ApiServer, path: str, body: Object) -> tuple[int, Any]:
    return send(server, "PATCH", path, body, Content_Type="application/merge-patch+json")


def ssa(server: ApiServer, manager: str, spec: Object, *, force: bool = True) -> tuple[int, Any]:
    path = f"{DEPLOYMENT}?fieldManager={manager}&force={str(force).lower()}"
    body = {"kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    return send(server, "PATCH", path, body, Content_Type="application/apply-patch+yaml")


def test_time_jumps_and_the_clock_follows() -> None:
    loop = new_loop()
    clock = LoopClock(loop)
    loop.run_until_complete(asyncio.sleep(86_400))
    assert clock.now() == START + 86_400
    assert clock.rfc3339() == "2026-03-03T06:00:00Z"
    loop.close()


def test_only_a_change_of_the_spec_is_a_new_generation(server: ApiServer) -> None:
    assert server.objects[PLURAL]["ml", "a"]["metadata"]["generation"] == 1
    _, written = patch(server, f"{ENDPOINTS}/a/status", {"status": {"observedGeneration": 1}})
    assert (written["metadata"]["generation"], written["status"]["observedGeneration"]) == (1, 1)
    _, written = patch(server, f"{ENDPOINTS}/a", {"spec": {"replicas": 2}, "status": {"observedGeneration": 5}})
    assert (written["metadata"]["generation"], written["status"]["observedGeneration"]) == (2, 1)


def test_an_equal_write_is_no_change(server: ApiServer) -> None:
    heard: list[str] = []
    server.listeners.append(lambda _plural, change, _body: heard.append(change))
    before = server.objects[PLURAL]["ml", "a"]["metadata"]["resourceVersion"]
    _, written = patch(server, f"{ENDPOINTS}/a", {"spec": {"replicas": 1}})
    assert written["metadata"]["resourceVersion"] == before
    assert heard == []


def test_finalizers_hold_a_deleted_object_and_an_old_version_is_a_conflict(server: ApiServer) -> None:
    version = server.objects[PLURAL]["ml", "a"]["metadata"]["resourceVersion"]
    finalizers = {"metadata": {"resourceVersion": version, "finalizers": ["x"]}}
    assert patch(server, f"{ENDPOINTS}/a", finalizers)[0] == 200
    assert patch(server, f"{ENDPOINTS}/a", finalizers)[0] == 409
    server.delete(PLURAL, "ml", "a")
    assert "deletionTimestamp" in server.objects[PLURAL]["ml", "a"]["metadata"]
    assert patch(server, f"{ENDPOINTS}/a", {"metadata": {"finalizers": []}})[0] == 200
    assert send(server, "GET", f"{ENDPOINTS}/a")[0] == 404


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ({"sageMaker": {"endpointName": "x", "revisions": [str(each) for each in range(129)]}}, "maxItems"),
        ({"sageMaker": {"endpointName": "x", "revisions": ["a", "a"]}}, "duplicates"),
        ({"sageMaker": {}}, "endpointName: is required"),
        ({"sageMaker": {"endpointName": "x" * 64}}, "maxLength"),
        ({"sageMaker": {"endpointName": "x", "requestTime": "yesterday"}}, "date-time"),
        ({"replicas": -1}, "minimum"),
        ({"replicas": 2**31}, "int32"),
        ({"replicas": True}, "type integer"),
        ({"conditions": [{"type": "Ready"}]}, "status: is required"),
        ({"scaling": {"scaler": "Nobody"}}, "enum"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_status_beyond_the_crd_is_refused_and_recorded(server: ApiServer, status: Object, fault: str) -> None:
    code, answer = patch(server, f"{ENDPOINTS}/a/status", {"status": status})
    assert code == 422
    assert fault in answer["message"]
    assert len(server.violations) == 1


def test_unknown_fields_are_not_stored(server: ApiServer) -> None:
    patch(server, f"{ENDPOINTS}/a/status", {"status": {"sageMaker": {"endpointName": "x", "other": 1}, "more": 2}})
    assert server.objects[PLURAL]["ml", "a"]["status"] == {"observedGeneration": -1, "sageMaker": {"endpointName": "x"}}


def test_every_keyword_of_the_crds_status_is_checked() -> None:
    known = {*crd_schema._LIMITS, "type", "format", "properties", "items", "required", "additionalProperties"}
    ignored = {"description", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"}

    def keywords(schema: Object) -> set[str]:
        inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
        return set(schema).union(*map(keywords, inner))

    assert keywords(ENDPOINT_SCHEMA["status"]) <= known | ignored


def test_faults_are_answered(server: ApiServer) -> None:
    server.denied = {("patch", "tgiendpoints/status")}
    assert patch(server, f"{ENDPOINTS}/a/status", {"status": {}})[0] == 403
    assert patch(server, f"{ENDPOINTS}/a", {"metadata": {"finalizers": []}})[0] == 200
    server.outage = 503
    assert send(server, "GET", ENDPOINTS)[0] == 503
    server.outage = 0
    with pytest.raises(aiohttp.ClientConnectionError):
        send(server, "GET", ENDPOINTS)


def test_an_apply_removes_what_it_no_longer_names_and_nothing_of_others(server: ApiServer) -> None:
    ssa(server, FIELD_MANAGER, {"replicas": 2, "minReadySeconds": 5, "paused": False})
    server.edit("deployments", "ml", "web", {"spec": {"replicas": 4, "revisionHistoryLimit": 3}})
    _, found = ssa(server, FIELD_MANAGER, {"paused": False})
    assert found["spec"]["replicas"] == 4, "a user has set it"
    assert found["spec"]["revisionHistoryLimit"] == 3
    assert "minReadySeconds" not in found["spec"]
    assert found["metadata"]["managedFields"] == [
        {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    ]


def test_two_appliers_are_in_conflict_unless_one_forces_it(server: ApiServer) -> None:
    ssa(server, "other", {"replicas": 2})
    assert ssa(server, FIELD_MANAGER, {"replicas": 3}, force=False)[0] == 409
    assert ssa(server, FIELD_MANAGER, {"replicas": 2}, force=False)[0] == 200, "the same value is shared"
    _, found = ssa(server, FIELD_MANAGER, {"replicas": 3})
    assert [each["manager"] for each in found["metadata"]["managedFields"]] == [FIELD_MANAGER]


def test_lists_are_selected_by_labels_and_fields(server: ApiServer) -> None:
    for name, node in (("p1", "n1"), ("p2", "n2")):
        meta = {"name": name, "labels": {"app": name}}
        server.create("pods", "ml", {"metadata": meta, "spec": {"nodeName": node}, "status": {}})
    for query in ("labelSelector=app=p1", "fieldSelector=spec.nodeName=n1"):
        _, found = send(server, "GET", f"/api/v1/pods?{query}")
        assert [each["metadata"]["name"] for each in found["items"]] == ["p1"]
    assert len(send(server, "GET", "/api/v1/pods?labelSelector=app")[1]["items"]) == 2


TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "tgi", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
}


def run(server: ApiServer, seconds: float) -> None:
    server.loop.run_until_complete(asyncio.sleep(seconds))


def pods(server: ApiServer) -> dict[str, Object]:
    return {name: body["status"] for (_, name), body in server.objects["pods"].items()}


@pytest.fixture
def workloads(server: ApiServer) -> Iterator[Workloads]:
    """A cluster with two GPUs."""
    made = Workloads(server, gpus=2)
    made.start()
    yield made
    server.loop.run_until_complete(made.close())


def test_a_deployment_becomes_ready_rolls_and_vanishes_with_its_owner(server: ApiServer, workloads: Workloads) -> None:
    uid = server.objects[PLURAL]["ml", "a"]["metadata"]["uid"]
    meta = {"name": "web", "ownerReferences": [{"uid": uid}]}
    server.create("deployments", "ml", {"metadata": meta, "spec": {"replicas": 1, "template": TEMPLATE}})
    run(server, 30)
    assert server.objects["deployments"]["ml", "web"]["status"]["readyReplicas"] == 0
    run(server, 60)
    status = server.objects["deployments"]["ml", "web"]["status"]
    assert (status["readyReplicas"], status["updatedReplicas"], status["replicas"]) == (1, 1, 1)
    (first,) = pods(server)
    server.edit("deployments", "ml", "web", {"spec": {"template": {"metadata": {"labels": {"app": "b"}}}}})
    run(server, 20)
    assert first in pods(server), "the old pod serves until the new one does"
    run(server, 90)
    assert first not in pods(server)
    assert server.objects["deployments"]["ml", "web"]["status"]["readyReplicas"] == 1
    server.delete(PLURAL, "ml", "a")
    run(server, 10)
    assert not server.objects["deployments"]
    assert not server.objects["pods"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("unschedulable", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", "Unschedulable"),
        ("image_pull", "manifest unknown", "ImagePullBackOff"),
        ("crash", (1, "out of memory"), "CrashLoopBackOff"),
    ],
)
def test_what_keeps_a_pod_from_serving_is_shown_and_ends(
    server: ApiServer, workloads: Workloads, name: str, value: Any, shown: str
) -> None:
    workloads.change(**{name: value})
    server.create("deployments", "ml", {"metadata": {"name": "web"}, "spec": {"template": TEMPLATE}})
    run(server, 70)
    assert shown in str(pods(server))
    workloads.change(**{name: None})
    run(server, 400)
    assert server.objects["deployments"]["ml", "web"]["status"]["readyReplicas"] == 1


@pytest.mark.parametrize(("ends", "shown"), [(None, "Complete"), ((2, "no such repository"), "Failed")])
def test_a_job_completes_or_fails(
    server: ApiServer, workloads: Workloads, ends: tuple[int, str] | None, shown: str
) -> None:
    workloads.change(fetch=ends)
    server.create("jobs", "ml", {"metadata": {"name": "fetch"}, "spec": {"backoffLimit": 1, "template": TEMPLATE}})
    run(server, 400)
    (condition,) = server.objects["jobs"]["ml", "fetch"]["status"]["conditions"]
    assert (condition["type"], condition["status"]) == (shown, "True")
