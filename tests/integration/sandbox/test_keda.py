"""KEDA scales TGI on its queue, down to none."""

from collections.abc import Iterator

import pytest

from integration.sandbox.scaling import Deployment
from tgi_sandbox.cluster import ControlPlane, components
from tgi_sandbox.cluster.api import ApiServer
from waiting import wait_until


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("keda"), components.WITH_KEDA, nodes=["g5.12xlarge"]) as running:
        yield running


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> ApiServer:
    return control_plane.api


def test_deployment_is_scaled_out_under_load_and_to_none(
    control_plane: ControlPlane, api: ApiServer, namespace: str
) -> None:
    tgi = Deployment(api, namespace)
    tgi.create(replicas=1)
    (pod,) = tgi.pods
    control_plane.set_load(namespace, pod, queue_size=5)
    wait_until(lambda: tgi.values("tgi_queue_size") == {pod: "5"})
    query = f'sum(tgi_queue_size{{namespace="{namespace}"}}) or vector(0)'
    metadata = {"serverAddress": control_plane.prometheus_url, "query": query, "threshold": "2"}
    spec = {
        "scaleTargetRef": {"name": "tgi"},
        "minReplicaCount": 0,
        "maxReplicaCount": 3,
        "pollingInterval": 1,
        "cooldownPeriod": 1,
        "triggers": [{"type": "prometheus", "metadata": metadata}],
    }
    objects = f"/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects"
    scaled = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "tgi"}, "spec": spec}
    api.request("POST", objects, scaled)

    def status() -> object:
        return api.request("GET", f"{objects}/tgi")

    wait_until(lambda: tgi.ready == 3, status)
    for living in tgi.pods:
        control_plane.set_load(namespace, living)
    wait_until(lambda: tgi.ready == 0, status)
