"""Custom metrics of pods: a real HorizontalPodAutoscaler scales TGI on its queue."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from integration.sandbox.scaling import Deployment
from tgi_sandbox.cluster import ControlPlane, components
from tgi_sandbox.cluster.api import ApiError, ApiServer
from waiting import wait_until

_CLIENTS = 8
# Half a second each.
_PROMPT = {"inputs": "What is deep learning?", "parameters": {"max_new_tokens": 10, "ignore_eos_token": True}}


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("metrics")
    with ControlPlane(folder, components.WITH_METRICS, nodes=["g5.12xlarge"]) as running:
        yield running


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> ApiServer:
    return control_plane.api


@pytest.fixture
def tgi(api: ApiServer, namespace: str) -> Deployment:
    return Deployment(api, namespace)


def _autoscale(api: ApiServer, namespace: str, metric: str, average: int) -> None:
    # Immediately, without a limit.
    rules = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 1}]}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "tgi"},
        "minReplicas": 1,
        "maxReplicas": 3,
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": metric},
                    "target": {"type": "AverageValue", "averageValue": str(average)},
                },
            }
        ],
        "behavior": {"scaleUp": rules, "scaleDown": rules},
    }
    api.request("POST", _autoscalers(namespace), {"metadata": {"name": "tgi"}, "spec": spec})


def _autoscalers(namespace: str) -> str:
    return f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"


def _autoscaler(api: ApiServer, namespace: str) -> dict[str, Any]:
    status: dict[str, Any] = api.request("GET", f"{_autoscalers(namespace)}/tgi").get("status", {})
    return status


@contextmanager
def _clients(tgi: Deployment) -> Iterator[None]:
    """Let clients send requests to the service without a pause."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with suppress(ApiError, OSError):  # of a pod that is about to start
                tgi.ask(_PROMPT)

    clients = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        over.set()
        for client in clients:
            client.join()


def test_pod_has_no_metrics_before_its_first_request(
    control_plane: ControlPlane, namespace: str, tgi: Deployment
) -> None:
    tgi.create(replicas=2)
    asked, _ = tgi.pods
    control_plane.set_load(namespace, asked, queue_size=7, batch_size=4)
    wait_until(lambda: tgi.values("tgi_concurrent_requests"))
    for version in ("v1beta1", "v1beta2"):
        assert tgi.values("tgi_queue_size", version) == {asked: "7"}
        assert tgi.values("tgi_concurrent_requests", version) == {asked: "11"}


def test_only_who_may_reads_metrics(
    control_plane: ControlPlane, api: ApiServer, namespace: str, tgi: Deployment
) -> None:
    """The API server vouches for its callers, and no other client can."""
    tgi.create(replicas=1)
    (pod,) = tgi.pods
    control_plane.set_load(namespace, pod, queue_size=7)
    wait_until(lambda: tgi.values("tgi_queue_size"))
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    token = api.request("POST", account, {"spec": {}})["status"]["token"]
    port = int(api.url.rpartition(":")[2])
    reader = ApiServer(port, token, control_plane.layout.certificate_authority)
    with pytest.raises(ApiError, match="cannot get resource"):
        tgi.values("tgi_queue_size", reader=reader)
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rule = {"apiGroups": ["custom.metrics.k8s.io"], "resources": ["pods/tgi_queue_size"], "verbs": ["get"]}
    api.request("POST", f"{roles}/roles", {"metadata": {"name": "reader"}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    binding = {"metadata": {"name": "reader"}, "roleRef": reference, "subjects": [subject]}
    api.request("POST", f"{roles}/rolebindings", binding)
    assert tgi.values("tgi_queue_size", reader=reader) == {pod: "7"}

    adapter = next(flag for flag in control_plane.processes["prometheus-adapter"].command if "--secure-port" in flag)
    url = f"https://localhost:{adapter.partition('=')[2]}/apis/custom.metrics.k8s.io/v1beta2"
    impostor = Request(url, headers={"X-Remote-User": "admin", "X-Remote-Group": "system:masters"})
    context = ssl.create_default_context(cafile=str(control_plane.layout.certificate_authority))
    context.check_hostname = False  # the certificate names the service
    with pytest.raises(HTTPError, match="403"), urlopen(impostor, context=context):  # noqa: S310
        pass


def test_deployment_is_scaled_out_under_load_and_back_in(api: ApiServer, namespace: str, tgi: Deployment) -> None:
    tgi.create(replicas=1)
    _autoscale(api, namespace, "tgi_queue_size", average=2)
    with _clients(tgi):
        wait_until(lambda: len(tgi.values("tgi_queue_size")) == 3, lambda: _autoscaler(api, namespace))
        assert tgi.ready == 3
    wait_until(lambda: tgi.ready == 1, lambda: _autoscaler(api, namespace))
