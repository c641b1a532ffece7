"""One real API server for all tests of a session, with the CRD installed, and a new namespace for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.definitions import PATH, install
from tgi_sandbox.cluster import ControlPlane, components

CRD = Path(__file__).parents[2] / "crds" / "tgiendpoints.yaml"


@pytest.fixture(scope="package")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Yield etcd and the API server; `kubeconfig` is the administrator's, `api` a small client."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), components.CORE) as running:
        yield running


@pytest.fixture(scope="package")
def crd(control_plane: ControlPlane) -> Callable[[], dict[str, Any]]:
    """Install the committed CRD, wait until its resources are served, and return a function that reads it."""
    committed = yaml.safe_load(CRD.read_text())
    install(control_plane.api, committed)
    return lambda: control_plane.api.request("GET", f"{PATH}/{committed['metadata']['name']}")


@pytest.fixture
def namespace(control_plane: ControlPlane, crd: object) -> str:
    """Return the name of a new namespace in a cluster that knows TGIEndpoints."""
    return control_plane.create_namespace()
