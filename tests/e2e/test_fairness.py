"""One namespace applies far too many resources, in regions that work and in regions that hang: no other is affected."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from e2e.conftest import FALCON, ZEPHYR, Cloud, manifest, operator_of, until
from tgi_operator.settings import Settings

pytestmark = pytest.mark.installation("all")

WAIT_SECONDS = 5.0

HANGING = (
    "af-south-1",
    "ap-south-1",
    "ca-central-1",
    "eu-north-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-west-2",
)


@pytest.fixture
def crowd(cloud: Cloud) -> Iterator[Cloud]:
    """Yield a namespace of another tenant; in the end, the usual operator, which is fast, deletes its resources."""
    made = replace(cloud, namespace=cloud.plane.create_namespace())
    yield made
    # One request: kubectl would send two for each of them, slowly.
    path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{made.namespace}/tgiendpoints"
    made.plane.api.request("DELETE", path)
    until(lambda: made.plane.api.request("GET", path)["items"] == [], lambda: str(made.leftovers()), 90)
    assert made.leftovers() == []


@pytest.fixture
def limited(cloud: Cloud, crowd: Cloud, tmp_path: Path) -> Iterator[Cloud]:
    """Yield the cloud with an operator that has the default rate limits; no other operator runs meanwhile."""
    cloud.operator.stop()
    limits = {name: Settings.model_fields[name].default for name in ("aws_reads_per_second", "aws_writes_per_second")}
    operator = operator_of(cloud.plane, cloud.aws, tmp_path, **limits, sweep_interval=10)
    operator.start()
    yield replace(cloud, operator=operator)
    for region in HANGING:
        cloud.control.end_outage(region)
    # A normal stop would wait for the calls that hang.
    operator.process.signal(signal.SIGKILL)
    operator.process.wait(10)
    cloud.operator.start()


def in_region(region: str) -> dict[str, object]:
    """Return the spec of an ordinary resource in a region."""
    return {**FALCON, "sageMaker": {**FALCON["sageMaker"], "region": region}}


def test_create_of_another_namespace_reaches_aws_and_pods_at_once(limited: Cloud, crowd: Cloud) -> None:
    limited.apply("before", FALCON)
    limited.wait_ready("before")
    for region in HANGING:
        limited.control.outage(region, "hang")
    resources = [manifest(f"each-{number}", FALCON) for number in range(80)]
    resources += [manifest(f"{region}-{number}", in_region(region)) for region in HANGING for number in range(5)]
    resources += [manifest(f"nowhere-{number}", in_region(f"aa-bb-{number}")) for number in range(30)]
    crowd.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(resources))
    until(lambda: crowd.accepted("CreateEndpoint") >= 5, lambda: str(crowd.requests()), 60)
    time.sleep(10)
    assert crowd.accepted("CreateEndpoint") < 80, "the crowd is still at it"

    since = len(limited.control.requests())
    limited.apply("falcon-7b", FALCON)
    limited.apply("zephyr-7b", ZEPHYR)
    until(
        lambda: (
            limited.accepted("CreateEndpoint", since) > 0 and limited.object("deployments", "zephyr-7b") is not None
        ),
        lambda: limited.operator.log.read_text()[-5000:],
        WAIT_SECONDS,
    )
    assert not any("aa-bb" in line for line in limited.operator.log.read_text().splitlines() if "ListEndpoints" in line)
    assert crowd.condition("nowhere-0", "Stalled")["reason"] == "UnknownRegion"
