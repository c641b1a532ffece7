"""One cluster for all tests here: each leaves a state over which the next one can install."""

from collections.abc import Iterator

import pytest

from integration.install.cluster import Cluster
from tgi_sandbox.cluster import ControlPlane, components


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Yield a cluster without other installations."""
    with ControlPlane(tmp_path_factory.mktemp("cluster"), components.CORE) as plane:
        yield Cluster(plane)
