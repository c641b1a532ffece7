"""A cluster for the tests of a module: each leaves what the next can install over."""

from collections.abc import Iterator

import pytest

from integration.install.cluster import Cluster
from tgi_sandbox.cluster import ControlPlane, components


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Yield a cluster that nothing was installed into but by the tests of the same module."""
    with ControlPlane(tmp_path_factory.mktemp("cluster"), components.CORE) as plane:
        yield Cluster(plane)
