"""Pods through the API server: requests, streams, logs."""

import os
import re
import signal
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from integration.sandbox.conftest import Pods
from tgi_sandbox.cluster import ControlPlane, build
from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.script import Outcome, annotations
from waiting import wait_until

_PROMPT = {"inputs": "What is deep learning?", "parameters": {"max_new_tokens": 20}}


def _tgi(**variables: str) -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in {"MODEL_ID": "acme/model-7b", **variables}.items()]
    return {
        "env": env,
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _expose(api: ApiServer, namespace: str, name: str, port: int) -> str:
    """Create a service for a pod, and return the path of its proxy once it is reachable."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}
    api.request("POST", f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": name}, "spec": spec})
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    wait_until(lambda: any(item["endpoints"] for item in api.request("GET", slices)["items"]))
    return f"/api/v1/namespaces/{namespace}/services/http:{name}:http/proxy"


def _pids(control_plane: ControlPlane) -> list[int]:
    """Return the process ids of the simulators that the network has started."""
    network = control_plane.processes["network"].pid
    children = Path(f"/proc/{network}/task").glob("*/children")
    pids = [int(pid) for threads in children for pid in threads.read_text().split()]
    return [pid for pid in pids if _has_not_ended(pid)]


def _has_not_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""  # empty: ended, and not yet reaped
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kubectl(control_plane: ControlPlane, *arguments: str) -> str:
    kubectl = build.find(["kubectl"])["kubectl"]
    command = [str(kubectl), "--kubeconfig", str(control_plane.kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(autouse=True)
def no_other_simulators(control_plane: ControlPlane) -> None:
    wait_until(lambda: not _pids(control_plane))


def test_requests_reach_a_simulator_through_service_and_pod(
    control_plane: ControlPlane, api: ApiServer, namespace: str, pods: Pods
) -> None:
    pods.create("tgi", annotations(start_seconds=0), _tgi(PORT="8080", MAX_TOTAL_TOKENS="777"))
    pods.wait_ready("tgi")
    service = _expose(api, namespace, "tgi", 8080)
    assert api.request("GET", f"{service}/info")["max_total_tokens"] == 777
    assert "generated_text" in api.request("POST", f"{service}/generate", _PROMPT)
    assert api.request("GET", f"{pods.path}/http:tgi:8080/proxy/info")["model_id"] == "acme/model-7b"
    assert len(_pids(control_plane)) == 1

    assert "Connected" in _kubectl(control_plane, "logs", "-n", namespace, "tgi")
    assert len(_kubectl(control_plane, "logs", "-n", namespace, "tgi", "--tail=1").splitlines()) == 1

    api.request("DELETE", f"{pods.path}/tgi")
    wait_until(lambda: not _pids(control_plane))


def test_stream_arrives_as_it_is_made(control_plane: ControlPlane, api: ApiServer, namespace: str, pods: Pods) -> None:
    token = control_plane.layout.tokens.read_text().partition(",")[0]
    pods.create("tgi", annotations(start_seconds=0), _tgi(SANDBOX_TOKEN_DELAY="0.1"))
    pods.wait_ready("tgi")
    service = _expose(api, namespace, "tgi", 80)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = b'{"inputs": "Hello", "parameters": {"max_new_tokens": 10, "ignore_eos_token": true}}'
    request = Request(f"{api.url}{service}/generate_stream", body, headers)  # noqa: S310
    context = ssl.create_default_context(cafile=str(control_plane.layout.certificate_authority))
    with urlopen(request, context=context) as answer:  # noqa: S310
        arrivals = [time.monotonic() for line in answer if line.startswith(b"data:")]
    assert len(arrivals) == 10
    assert arrivals[-1] - arrivals[0] > 0.5


def test_secret_reaches_the_simulator(api: ApiServer, namespace: str, pods: Pods) -> None:
    secret = {"metadata": {"name": "hub"}, "stringData": {"token": "hf_test"}}
    api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    container = _tgi(MODEL_ID="acme/gated-7b")
    container["env"].append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}})
    pods.create("tgi", annotations(start_seconds=0), container)
    pods.wait_ready("tgi")
    assert api.request("GET", f"{pods.path}/tgi:80/proxy/info")["model_id"] == "acme/gated-7b"


def test_nothing_answers_where_nothing_listens(api: ApiServer, pods: Pods) -> None:
    pods.create("tgi", annotations(start_seconds=0), _tgi())
    pods.create("starting", annotations(start_seconds=60), _tgi())
    pods.wait_ready("tgi")
    pods.wait("starting", lambda container: "running" in container.get("state", {}))
    with pytest.raises(ApiError, match="nothing in pod tgi is listening on port 9000"):
        api.request("GET", f"{pods.path}/tgi:9000/proxy/info")
    with pytest.raises(ApiError, match="tgi of pod starting has not started"):
        api.request("GET", f"{pods.path}/starting:80/proxy/info")


def test_simulator_ends_with_its_container_and_a_new_one_serves_the_next(
    control_plane: ControlPlane, api: ApiServer, namespace: str, pods: Pods
) -> None:
    pods.create("tgi", annotations(start_seconds=0), _tgi())
    pods.wait_ready("tgi")
    assert api.text(f"{pods.path}/tgi:80/proxy/health") == ""
    first = _pids(control_plane)
    control_plane.annotate_pod(namespace, "tgi", annotations(Outcome.OOM_KILLED))
    wait_until(lambda: not _pids(control_plane))
    pods.wait("tgi", lambda container: container["restartCount"] >= 1)
    assert "Connected" in _kubectl(control_plane, "logs", "-n", namespace, "tgi", "--previous")
    control_plane.annotate_pod(namespace, "tgi", annotations(Outcome.OK))
    pods.wait_ready("tgi")
    assert api.text(f"{pods.path}/tgi:80/proxy/health") == ""
    assert _pids(control_plane) != first


def test_simulator_that_died_is_started_again(control_plane: ControlPlane, api: ApiServer, pods: Pods) -> None:
    pods.create("tgi", annotations(start_seconds=0), _tgi())
    pods.wait_ready("tgi")
    assert api.text(f"{pods.path}/tgi:80/proxy/health") == ""
    (pid,) = _pids(control_plane)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in _pids(control_plane))
    assert api.text(f"{pods.path}/tgi:80/proxy/health") == ""


def test_pod_whose_environment_the_launcher_refuses_crashes_with_its_words(
    control_plane: ControlPlane, namespace: str, pods: Pods
) -> None:
    pods.create("tgi", container=_tgi(QUANTIZE="awq4"))
    container = pods.wait("tgi", lambda container: "terminated" in container.get("lastState", {}))
    last = container["lastState"]["terminated"]
    assert last["exitCode"] == 2
    assert re.match(r"error: invalid value 'awq4' for '--quantize <QUANTIZE>'", last["message"])
    assert not container["ready"]
    assert "invalid value 'awq4'" in _kubectl(control_plane, "logs", "-n", namespace, "tgi", "--previous")


def test_log_is_what_the_annotation_says_where_nothing_was_started(
    control_plane: ControlPlane, namespace: str, pods: Pods
) -> None:
    pods.create("tgi", annotations(start_seconds=0, logs="one\ntwo\n"))
    pods.create("silent", annotations(start_seconds=0))
    for name in ("tgi", "silent"):
        pods.wait_ready(name)
    assert _kubectl(control_plane, "logs", "-n", namespace, "tgi", "--tail=1") == "two\n"
    assert _kubectl(control_plane, "logs", "-n", namespace, "silent") == ""
