"""The operator's process stays within its memory limit, with objects as large and as many as tenants can create."""

import asyncio
import base64
import random
import re
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from tgi_operator.api.identifiers import API_VERSION, KIND, LABEL_ALLOW_USE, PLURAL
from tgi_operator.backends.incluster.desired.names import LABEL_NAME
from tgi_operator.intake import Object
from tgi_operator.kube import Kube
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.ports import answers
from tgi_sandbox.operator import OperatorProcess

VALUES = Path(__file__).parents[3] / "manifests" / "chart" / "tgi-operator" / "values.yaml"

ENDPOINTS, SECRETS, STRANGERS, LARGE_STRANGERS = 16, 200, 1_000, 50
"""The API server takes about 20 s for them. tests/unit counts 60,000 objects that are not the operator's."""

AT_ONCE = 24
LIMIT_SECONDS = 120


def noise(length: int) -> str:
    """Return a text that cannot be compressed."""
    return random.randbytes(length // 2).hex()  # noqa: S311 - no secret


def endpoint(number: int) -> Object:
    """Return a TGIEndpoint with nearly all the characters of a spec, and annotations of maximum length."""
    annotations = {f"team.example/{each}": noise(7_300) for each in range(2)}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": f"large-{number}", "annotations": {"team.example/notes": noise(250_000)}},
        "spec": {
            "model": {"uri": "hf://a/b", "tokenSecretRef": {"name": f"large-{number}", "key": "token"}},
            "inCluster": {"podTemplate": {"metadata": {"annotations": annotations}}},
        },
    }


def secret(number: int) -> Object:
    """Return a Secret of a megabyte that TGIEndpoints are allowed to use."""
    data = {"token": base64.b64encode(b"hf_token").decode(), "other": base64.b64encode(b"x" * 760_000).decode()}
    metadata = {"name": f"large-{number}", "labels": {LABEL_ALLOW_USE: "true"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def stranger(number: int, size: int = 0) -> Object:
    """Return a Service with the operator's label, of a TGIEndpoint that does not exist."""
    metadata = {"name": f"s-{number}", "labels": {LABEL_NAME: f"nobody-{number}"}, "annotations": {"a": "x" * size}}
    ports = [{"port": port, "name": f"p{port}"} for port in range(1, 200 if size else 2)]
    spec = {"clusterIP": "None", "selector": {"app": "x"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def connect(plane: ControlPlane) -> Kube:
    configuration = Configuration()
    await config.load_kube_config(str(plane.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    return Kube(configuration)


async def all_of(requests: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Send requests, some concurrently."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(request: Coroutine[Any, Any, object]) -> None:
        async with slots:
            await request

    await asyncio.gather(*(one(request) for request in requests))


async def create_all(plane: ControlPlane, namespace: str) -> None:
    """Create as many objects as a tenant can."""
    kube = await connect(plane)
    core = f"/api/v1/namespaces/{namespace}"
    endpoints = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
    await all_of(kube.create(f"{core}/secrets", secret(number)) for number in range(SECRETS))
    await all_of(
        kube.create(f"{core}/services", stranger(number, 200_000 if number < LARGE_STRANGERS else 0))
        for number in range(STRANGERS)
    )
    await all_of(kube.create(endpoints, endpoint(number)) for number in range(ENDPOINTS))
    await kube.close()


def peak_mib(operator: OperatorProcess) -> float:
    """Return the largest resident set so far."""
    status = Path(f"/proc/{operator.process.pid}/status").read_text()
    (kib,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kib) / 1024


def observed(plane: ControlPlane, namespace: str) -> list[int]:
    """Return the generations that the operator has observed."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
    return [body["status"]["observedGeneration"] for body in plane.api.request("GET", path)["items"]]


def wait_until_observed(plane: ControlPlane, namespace: str, generation: int, log: Path) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while set(observed(plane, namespace)) != {generation}:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


@pytest.mark.timeout(400)
def test_memory_stays_within_the_limit(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    asyncio.run(create_all(control_plane, namespace))
    log = tmp_path / "operator.log"
    settings = {"leader_election": "on", "leader_election_namespace": namespace, "watch_namespaces": namespace}
    with OperatorProcess(control_plane.kubeconfig, {}, log, **settings) as operator:
        wait_until_observed(control_plane, namespace, 1, log)
        for number in range(ENDPOINTS):
            path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}/large-{number}"
            control_plane.api.request("PATCH", path, {"spec": {"replicas": 2}})
        wait_until_observed(control_plane, namespace, 2, log)
        assert answers(operator.port, "/healthz")
        peak = peak_mib(operator)
    limit = yaml.safe_load(VALUES.read_text())["resources"]["limits"]["memory"]
    assert peak < int(limit.removesuffix("Mi"))
    assert "does not lead" not in log.read_text()
