"""The operator in its own pods, as created by the chart's manifests."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build
from tgi_sandbox.cluster.api import ApiError
from unit.docs.pages import ROOT
from waiting import wait_until

PODS = "/api/v1/namespaces/tgi-system/pods"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/tgi-system/leases/tgi-operator"
DEPLOYMENT = "/apis/apps/v1/namespaces/tgi-system/deployments/tgi-operator"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("installed")
    with AwsDouble() as aws, ControlPlane(folder, nodes=["m5.xlarge"], aws=aws.address) as running:
        aws.control.cluster("sandbox", "https://example.com")
        kubectl(running, "apply", "-k", str(ROOT / "manifests"))
        yield running


def kubectl(plane: ControlPlane, *arguments: str) -> str:
    command = [str(build.find(["kubectl"])["kubectl"]), "--kubeconfig", str(plane.kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def pods(plane: ControlPlane) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plane.api.request("GET", PODS)["items"]
    return found


def are_ready(plane: ControlPlane, number: int) -> bool:
    ready: int = plane.api.request("GET", DEPLOYMENT)["status"].get("readyReplicas", 0)
    return ready == number == len(pods(plane))


def answers_ready(plane: ControlPlane, name: str) -> bool:
    """Return whether an operator reports that it is ready."""
    try:
        return plane.api.text(f"{PODS}/{name}:8090/proxy/readyz") == "ok\n"
    except ApiError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return False


def leads(plane: ControlPlane) -> bool:
    """Return whether one of them is the leader: after a kill, the other waits until the Lease expires."""
    said = [plane.api.text(f"{PODS}/{pod['metadata']['name']}:8090/proxy/metrics") for pod in pods(plane)]
    return sum("\ntgi_operator_leader 1.0\n" in each for each in said) == 1


def processes(plane: ControlPlane) -> dict[str, int]:
    """Return the process ids of the operators, by the uid of their pod."""
    found = {}
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue
        for folder in plane.layout.pods.glob("*"):
            if f"KUBECONFIG={folder / 'kubeconfig'}" in variables:
                found[folder.name] = int(environ.parent.name)
    return found


def test_both_are_ready_and_one_leads(plane: ControlPlane) -> None:
    wait_until(lambda: are_ready(plane, 2), lambda: pods(plane))
    assert len(processes(plane)) == 2
    wait_until(lambda: leads(plane), lambda: pods(plane))
    for pod in pods(plane):
        name = pod["metadata"]["name"]
        # A new leader is ready once it has seen all resources.
        wait_until(partial(answers_ready, plane, name))
        wait_until(partial(kubectl, plane, "logs", "-n", "tgi-system", name))


def test_one_that_dies_is_started_again(plane: ControlPlane) -> None:
    wait_until(lambda: are_ready(plane, 2), lambda: pods(plane))
    uid, pid = next(iter(processes(plane).items()))
    os.kill(pid, signal.SIGKILL)

    def again() -> bool:
        (pod,) = (pod for pod in pods(plane) if pod["metadata"]["uid"] == uid)
        (container,) = pod["status"]["containerStatuses"]
        return bool(container["restartCount"] == 1 and container["ready"])

    wait_until(again, lambda: pods(plane))
    assert processes(plane)[uid] != pid


def test_the_process_ends_with_its_pod_and_gives_the_lease_back(plane: ControlPlane) -> None:
    wait_until(lambda: are_ready(plane, 2) and leads(plane), lambda: pods(plane))
    kubectl(plane, "scale", "--replicas=0", "deployment/tgi-operator", "-n", "tgi-system")
    wait_until(lambda: not processes(plane), lambda: processes(plane))
    wait_until(lambda: plane.api.request("GET", LEASE)["spec"].get("holderIdentity", "") == "")


def test_roles_by_namespace_reach_it_as_a_file(plane: ControlPlane) -> None:
    """A mounted ConfigMap, and one that does not exist yet."""
    patch = {
        "containers": [
            {
                "name": "tgi-operator",
                "env": [{"name": "TGI_OPERATOR_ALLOWED_ROLES_FILE", "value": "/etc/tgi-operator/roles.yaml"}],
                "volumeMounts": [{"name": "roles", "mountPath": "/etc/tgi-operator"}],
            }
        ],
        "volumes": [{"name": "roles", "configMap": {"name": "roles"}}],
    }
    change = {"spec": {"replicas": 1, "template": {"spec": patch}}}
    kubectl(plane, "patch", "deployment/tgi-operator", "-n", "tgi-system", "--patch", json.dumps(change))

    def message() -> str:
        found = (status for pod in pods(plane) for status in pod["status"].get("containerStatuses", []))
        return str([status.get("lastState", {}).get("terminated", {}).get("message") for status in found])

    wait_until(lambda: "configmaps roles in namespace tgi-system cannot be read" in message(), lambda: pods(plane))
    data = {"roles.yaml": "ml: [arn:aws:iam::111122223333:role/tgi-exec-ml]\n"}
    plane.api.request("POST", "/api/v1/namespaces/tgi-system/configmaps", {"metadata": {"name": "roles"}, "data": data})
    wait_until(lambda: are_ready(plane, 1), lambda: pods(plane))
    (uid,) = processes(plane)
    assert (plane.layout.pod(uid) / "volumes" / "roles" / "roles.yaml").read_text() == data["roles.yaml"]
