"""The requirements of the operator for a cluster: nodes with GPUs, permissions, custom resources, workloads."""

import stat
from typing import Any

import pytest
from kubernetes import client, config

from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.definitions import wait_established
from waiting import is_found, wait_until


def _pod_template(gpus: int) -> dict[str, Any]:
    container = {"name": "tgi", "image": "tgi", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    return {"metadata": {"labels": {"app": "tgi"}}, "spec": {"containers": [container]}}


def _deployment(gpus: int, replicas: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "tgi"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "tgi"}},
            "template": _pod_template(gpus),
        },
    }


def _pods(api: ApiServer, namespace: str) -> list[dict[str, Any]]:
    pods: list[dict[str, Any]] = api.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    return pods


def test_nodes_are_ready_with_their_gpus(api: ApiServer) -> None:
    nodes = api.request("GET", "/api/v1/nodes")["items"]
    gpus = {node["metadata"]["name"]: node["status"]["allocatable"].get("nvidia.com/gpu") for node in nodes}
    assert gpus == {"m5-xlarge-1": None, "g5-12xlarge-2": "4"}
    for node in nodes:
        ready = next(condition for condition in node["status"]["conditions"] if condition["type"] == "Ready")
        assert ready["status"] == "True"
    # Keeps them Ready from here on: a node without a renewed lease counts as lost.
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    wait_until(lambda: {lease["metadata"]["name"] for lease in api.request("GET", leases)["items"]} >= set(gpus))


def test_kubeconfig_is_private_and_works_with_any_client(control_plane: ControlPlane) -> None:
    assert stat.S_IMODE(control_plane.kubeconfig.stat().st_mode) == 0o600
    connection: client.ApiClient
    with config.new_client_from_config(str(control_plane.kubeconfig)) as connection:  # type: ignore[no-untyped-call]
        assert connection.configuration.verify_ssl
        assert connection.configuration.ssl_ca_cert
        assert client.CoreV1Api(connection).read_namespace("kube-system")


def test_rbac_keeps_strangers_out(control_plane: ControlPlane, api: ApiServer, namespace: str) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    wait_until(lambda: is_found(api, f"{accounts}/default"))
    token = api.request("POST", f"{accounts}/default/token", {"spec": {}})["status"]["token"]
    authority = control_plane.layout.certificate_authority
    port = int(api.url.rpartition(":")[2])
    with pytest.raises(ApiError, match="cannot list resource") as refused:
        ApiServer(port, token, authority).request("GET", f"/api/v1/namespaces/{namespace}/secrets")
    assert refused.value.code == 403
    with pytest.raises(ApiError, match="Unauthorized"):
        ApiServer(port, "nobody's", authority).request("GET", "/api")


def test_custom_resource_with_cel(api: ApiServer, namespace: str) -> None:
    spec = {
        "type": "object",
        "properties": {"replicas": {"type": "integer"}, "maximum": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.replicas <= self.maximum", "message": "more than the maximum"}],
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.sandbox.test"},
        "spec": {
            "group": "sandbox.test",
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    api.request("POST", definitions, definition)
    wait_established(api, "things.sandbox.test")

    things = f"/apis/sandbox.test/v1/namespaces/{namespace}/things"
    thing = {"apiVersion": "sandbox.test/v1", "kind": "Thing", "metadata": {"name": "one"}}
    wait_until(lambda: is_found(api, things))
    with pytest.raises(ApiError, match="more than the maximum") as refused:
        api.request("POST", things, thing | {"spec": {"replicas": 3, "maximum": 2}})
    assert refused.value.code == 422
    created = api.request("POST", things, thing | {"spec": {"replicas": 2, "maximum": 2}})
    assert created["metadata"]["generation"] == 1


def test_deployment_runs_on_gpus_and_ends_with_its_namespace(api: ApiServer, namespace: str) -> None:
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    api.request("POST", deployments, _deployment(gpus=2, replicas=2))
    wait_until(lambda: api.request("GET", f"{deployments}/tgi")["status"].get("readyReplicas") == 2)
    pods = _pods(api, namespace)
    assert [pod["spec"]["nodeName"] for pod in pods] == ["g5-12xlarge-2"] * 2
    assert all(pod["status"]["phase"] == "Running" and pod["status"]["podIP"] for pod in pods)
    assert all(pod["status"]["containerStatuses"][0]["ready"] for pod in pods)
    api.request("DELETE", f"/api/v1/namespaces/{namespace}")
    wait_until(lambda: not is_found(api, f"/api/v1/namespaces/{namespace}"))


def test_pod_that_asks_for_more_gpus_than_a_node_has_stays_pending(api: ApiServer, namespace: str) -> None:
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    api.request("POST", deployments, _deployment(gpus=5, replicas=1))

    def reason() -> str:
        conditions = [condition for pod in _pods(api, namespace) for condition in pod["status"].get("conditions", [])]
        return next((condition["message"] for condition in conditions if condition["type"] == "PodScheduled"), "")

    wait_until(lambda: "Insufficient nvidia.com/gpu" in reason())


def test_job_completes(api: ApiServer, namespace: str) -> None:
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    template = _pod_template(gpus=0)
    template["spec"]["restartPolicy"] = "Never"
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "download"}, "spec": {"template": template}}
    api.request("POST", jobs, job)
    wait_until(lambda: api.request("GET", f"{jobs}/download")["status"].get("succeeded") == 1)


def test_node_can_be_added_later(control_plane: ControlPlane, api: ApiServer) -> None:
    name = control_plane.add_node("p4d.24xlarge")
    assert api.request("GET", f"/api/v1/nodes/{name}")["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    api.request("DELETE", f"/api/v1/nodes/{name}")
