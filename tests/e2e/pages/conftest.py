"""A new user with a cluster and an AWS of their own, which a page of the documentation fills and empties."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import SPEED
from e2e.pages.newcomer import Newcomer
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, components


@pytest.fixture
def aws() -> Iterator[AwsDouble]:
    with AwsDouble(speed=SPEED) as double:
        # As in `tgi-sandbox up`. No association has a role for the operator until a page creates one.
        double.control.cluster(components.EKS_CLUSTER, components.ISSUER)
        yield double


@pytest.fixture
def plane(aws: AwsDouble, tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path / "cluster", nodes=["m5.xlarge"], aws=aws.address) as running:
        yield running


@pytest.fixture
def newcomer(plane: ControlPlane, aws: AwsDouble, tmp_path: Path) -> Newcomer:
    return Newcomer.in_clone(tmp_path, plane, aws)
