"""One control plane with simulated nodes for all tests here, and a namespace for each."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiServer
from waiting import is_found, wait_until


@pytest.fixture(scope="package")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("cluster"), nodes=["m5.xlarge", "g5.12xlarge"]) as running:
        yield running


@pytest.fixture(scope="package")
def api(control_plane: ControlPlane) -> ApiServer:
    return control_plane.api


@pytest.fixture
def namespace(control_plane: ControlPlane, api: ApiServer) -> Iterator[str]:
    """Yield a namespace for pods, and delete its pods afterwards: GPUs are few."""
    name = control_plane.create_namespace()
    # Without its service account, no pod is admitted.
    wait_until(lambda: is_found(api, f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    yield name
    if is_found(api, f"/api/v1/namespaces/{name}"):
        api.request("DELETE", f"/api/v1/namespaces/{name}/pods")
        api.request("DELETE", f"/api/v1/namespaces/{name}")


class Pods:
    """The pods of one namespace."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self._api = api

    def create(
        self,
        name: str,
        annotations: dict[str, str] | None = None,
        container: dict[str, Any] | None = None,
        spec: dict[str, Any] | None = None,
    ) -> None:
        """Create a pod with one container, `tgi`."""
        containers = [{"name": "tgi", "image": "tgi:3.3.7", **(container or {})}]
        metadata = {"name": name, "labels": {"app": name}, "annotations": annotations}
        pod = {"metadata": metadata, "spec": {"containers": containers, **(spec or {})}}
        self._api.request("POST", self.path, pod)

    def get(self, name: str) -> dict[str, Any]:
        return self._api.request("GET", f"{self.path}/{name}")

    def container(self, name: str) -> dict[str, Any]:
        """Return the status of the one container, empty if there is none."""
        statuses: list[dict[str, Any]] = self.get(name)["status"].get("containerStatuses", [{}])
        return statuses[0]

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        conditions: list[dict[str, Any]] = self.get(name)["status"].get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def is_ready(self, name: str) -> bool:
        return self.condition(name, "Ready").get("status") == "True"

    def wait(self, name: str, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until the status of the one container matches, and return it."""
        wait_until(lambda: condition(self.container(name)), lambda: self.get(name)["status"])
        return self.container(name)

    def wait_ready(self, name: str) -> None:
        wait_until(lambda: self.is_ready(name), lambda: self.get(name)["status"])


@pytest.fixture
def pods(api: ApiServer, namespace: str) -> Pods:
    return Pods(api, namespace)
