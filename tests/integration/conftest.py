"""One real API server for all tests of a session, with the CRD installed, and a fresh namespace for each test."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tgi_sandbox.cluster import ControlPlane, components
from tgi_sandbox.cluster.api import ApiError

CRD = Path(__file__).parents[2] / "crds" / "tgiendpoints.yaml"

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WAIT_SECONDS = 30.0


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Yield etcd and the API server; `kubeconfig` is the administrator's, `api` a small client."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), components.CORE) as running:
        yield running


@pytest.fixture(scope="session")
def crd(control_plane: ControlPlane) -> Callable[[], dict[str, Any]]:
    """Install the committed CRD, wait until its resources are served, and return how to read it back."""
    committed = yaml.safe_load(CRD.read_text())
    name, group = committed["metadata"]["name"], committed["spec"]["group"]
    version = committed["spec"]["versions"][0]["name"]

    def read() -> dict[str, Any]:
        return control_plane.api.request("GET", f"{_DEFINITIONS}/{name}")

    control_plane.api.request("POST", _DEFINITIONS, committed)
    deadline = time.monotonic() + _WAIT_SECONDS
    while not _is_served(control_plane, f"/apis/{group}/{version}/{committed['spec']['names']['plural']}"):
        assert time.monotonic() < deadline, read()["status"]
        time.sleep(0.05)
    return read


@pytest.fixture
def namespace(control_plane: ControlPlane, crd: object) -> str:
    """Return the name of a new namespace in a cluster that knows TGIEndpoints."""
    return control_plane.create_namespace()


def _is_served(control_plane: ControlPlane, path: str) -> bool:
    try:
        control_plane.api.request("GET", path)
    except ApiError as error:
        if error.code in (404, 429):  # 429: the storage of a new resource is being set up
            return False
        raise
    return True
