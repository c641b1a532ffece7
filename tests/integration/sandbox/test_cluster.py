"""The control plane as a whole: started, used and ended for real."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from tgi_sandbox.cluster import ControlPlane, components
from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.control_plane import DEFAULT_NODES
from tgi_sandbox.cluster.ports import answers
from tgi_sandbox.processes import ProcessError
from waiting import WAIT_SECONDS, is_found, wait_until

_START_SCRIPT = """
import sys, time
from pathlib import Path
from tgi_sandbox.cluster import ControlPlane, components

control_plane = ControlPlane(Path(sys.argv[1]))
control_plane.start()
print(*(process.pid for process in control_plane.processes.values()), flush=True)
time.sleep(60)
"""


def _is_alive(pid: int) -> bool:
    """Whether the process exists and is not just waiting for its parent to collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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


def _established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []  # null in the first moment
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


def test_nodes_are_ready_with_their_gpus(api: ApiServer) -> None:
    nodes = api.request("GET", "/api/v1/nodes")["items"]
    gpus = {node["metadata"]["name"]: node["status"]["allocatable"].get("nvidia.com/gpu") for node in nodes}
    assert gpus == {"m5-xlarge-1": None, "g5-12xlarge-2": "4"}
    for node in nodes:
        ready = next(condition for condition in node["status"]["conditions"] if condition["type"] == "Ready")
        assert ready["status"] == "True"
    # What keeps them Ready from here on: a node without a renewed lease counts as lost.
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
    wait_until(lambda: _established(api.request("GET", f"{definitions}/things.sandbox.test")))

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


def test_core_alone_starts_empty_each_time_and_survives_restarts_of_its_parts(tmp_path: Path) -> None:
    control_plane = ControlPlane(tmp_path, components.CORE)
    with control_plane:
        assert set(control_plane.processes) == {"etcd", "kube-apiserver"}
        control_plane.create_namespace("kept")
        with pytest.raises(RuntimeError, match="already running"):
            control_plane.start()
        apiserver = control_plane.processes["kube-apiserver"]
        apiserver.stop()
        with pytest.raises(ProcessError, match="kube-apiserver ended"):
            control_plane.check()
        apiserver.start()
        apiserver.wait_ready(control_plane.api.ready, WAIT_SECONDS)
        assert is_found(control_plane.api, "/api/v1/namespaces/kept")
        pids = [process.pid for process in control_plane.processes.values()]
    assert not any(_is_alive(pid) for pid in pids if pid is not None)
    with control_plane:
        assert not is_found(control_plane.api, "/api/v1/namespaces/kept")


def test_component_that_fails_is_named_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = tmp_path / "assets" / "etcd"
    etcd.parent.mkdir()
    etcd.write_text("#!/bin/sh\necho the disk is full\nexit 3\n")
    etcd.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(etcd.parent))
    control_plane = ControlPlane(tmp_path / "cluster", components.CORE)
    with pytest.raises(ProcessError, match=r"(?s)etcd ended with exit code 3.*the disk is full"):
        control_plane.start()
    assert not any(process.running for process in control_plane.processes.values())


def test_killed_parent_leaves_no_component_alive(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _START_SCRIPT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == len(components.ALL)
        assert all(_is_alive(pid) for pid in pids)
        parent.kill()
    wait_until(lambda: not any(_is_alive(pid) for pid in pids))


def _run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tgi_sandbox.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _pids(folder: Path) -> list[int]:
    rows = _run_cli("status", "--dir", str(folder)).stdout.partition("\n\n")[0].splitlines()[1:]
    return [int(next(word for word in row.split() if word.isdigit())) for row in rows]


def test_up_detached_and_down(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    up = _run_cli("up", "--detach", "--dir", str(folder))
    try:
        assert up.returncode == 0, up.stderr
        script = f". {folder / 'env'} && kubectl get nodes --no-headers && echo $AWS_ENDPOINT_URL"
        used = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert used.returncode == 0, used.stderr
        assert used.stdout.count(" Ready ") == len(DEFAULT_NODES)
        assert answers(int(used.stdout.rstrip().rpartition(":")[2]), "/_sandbox/clock")
        pids = _pids(folder)
        assert len(pids) == 8
        again = _run_cli("up", "--detach", "--dir", str(folder))
        assert again.returncode == 0
        assert "already up" in again.stdout
        assert _pids(folder) == pids
    finally:
        down = _run_cli("down", "--dir", str(folder))
    assert down.returncode == 0
    assert not any(_is_alive(pid) for pid in pids[1:])
    wait_until(lambda: not _is_alive(pids[0]))
    assert not (folder / "env").exists()
    assert _run_cli("down", "--dir", str(folder)).returncode == 0


def test_up_in_the_foreground_ends_with_an_interrupt(tmp_path: Path) -> None:
    """SIGTERM is what `down` sends."""
    command = [sys.executable, "-m", "tgi_sandbox.cli", "up", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        wait_until(lambda: (tmp_path / "env").exists() or up.poll() is not None)
        pids = _pids(tmp_path)
        up.send_signal(signal.SIGINT)
        assert up.wait(WAIT_SECONDS) == 0
    assert len(pids) == 8
    assert not any(_is_alive(pid) for pid in pids)


def test_up_ends_where_a_component_ends(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    command = [sys.executable, "-m", "tgi_sandbox.cli", "up", "--dir", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as up:
        wait_until(lambda: (folder / "env").exists() or up.poll() is not None)
        _, etcd, *rest = _pids(folder)
        os.kill(etcd, signal.SIGKILL)
        assert up.wait(WAIT_SECONDS) == 1
        assert up.stderr is not None
        assert "etcd ended with exit code -9" in up.stderr.read()
    assert not any(_is_alive(pid) for pid in rest)
