"""The load of the scaling demo on a real endpoint, shortened."""

from pathlib import Path

import pytest

from e2e.conftest import Cloud, until
from e2e.test_scaling import AUTOSCALED
from tgi_sandbox.demo.load import LoadGenerator
from tgi_sandbox.demo.load_plan import LoadPlan
from tgi_sandbox.demo.series import Series

pytestmark = pytest.mark.installation("sageMaker")


def test_an_endpoint_follows_the_clients_of_locust(cloud: Cloud, tmp_path: Path) -> None:
    cloud.apply("falcon-7b", AUTOSCALED)
    cloud.wait_ready("falcon-7b")
    points = ((0, 9), (8, 9), (9, 1), (60, 1))
    plan = LoadPlan(points, samples=str(tmp_path / "samples"), target=cloud.endpoint_name("falcon-7b"))
    environment = {**cloud.aws.environment, "AWS_DEFAULT_REGION": "eu-west-1"}
    series = Series(cloud.control.now())
    with LoadGenerator("SageMakerClient", plan, tmp_path, environment) as load:

        def is_over() -> bool:
            load.check()
            series.add(cloud.control.now(), load.sample, cloud.get("falcon-7b"))
            return series.went_out_and_in and series.is_back

        until(is_over, lambda: str(series.moments[-1]))
    assert [(each.before, each.after) for each in series.scalings] == [(1, 2), (2, 1)]
    assert max(moment.load.in_flight for moment in series.moments) == 9
    assert series.moments[-1].load.failures == 0
