"""One cluster for all tests here: each leaves what the next can install over."""

from collections.abc import Iterator

import pytest

from integration.install.cluster import Cluster
from tgi_sandbox.cluster import ControlPlane, components


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Yield a cluster into which nobody else installs."""
    with ControlPlane(tmp_path_factory.mktemp("cluster"), components.CORE) as plane:
        yield Cluster(plane)
