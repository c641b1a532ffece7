"""An empty cluster for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.install.cluster import Cluster
from tgi_sandbox.cluster import ControlPlane, components


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Yield a cluster that nothing was installed into."""
    with ControlPlane(tmp_path / "cluster", components.CORE) as plane:
        yield Cluster(plane)
