"""Pods that follow TGI's own load metrics: a real HPA with Prometheus and its adapter, and real KEDA."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import pytest

from e2e.conftest import ZEPHYR, Cloud, Operators, cluster, until
from e2e.test_scaling import reach
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, components
from tgi_sandbox.cluster.api import ApiError

pytestmark = pytest.mark.installation("pods")

WITH_KEDA_ALONE = tuple(part for part in components.WITH_KEDA if part != components.ADAPTER)
"""Without the custom metrics API, the operator uses KEDA."""

QUICK = {"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": {"stabilizationWindowSeconds": 0}}
SPEC: Mapping[str, Any] = {
    **ZEPHYR,
    "inCluster": {"gpu": {"count": 1, "products": ["NVIDIA-A100-SXM4-40GB"]}},
    "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "behavior": QUICK},
}


@pytest.fixture(scope="module", params=[components.WITH_METRICS, WITH_KEDA_ALONE], ids=["hpa", "keda"])
def plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with cluster(tmp_path_factory.mktemp("cluster"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def operators(plane: ControlPlane, aws: AwsDouble, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    made = Operators(plane, aws, tmp_path_factory.mktemp("operator"), {"prometheus_address": plane.prometheus_url})
    yield made
    made.stop()


def scaler(cloud: Cloud) -> str:
    """Return the kind of the object that changes the replica count."""
    return str(cloud.get("zephyr")["status"]["scaling"]["scaler"])


def put_load(cloud: Cloud, queue_size: int) -> None:
    """Let so many requests wait in each existing pod; a pod can be deleted meanwhile."""
    for pod in cloud.pods("zephyr"):
        try:
            cloud.plane.set_load(cloud.namespace, pod["metadata"]["name"], queue_size=queue_size)
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise


def test_a_queue_scales_out_and_its_end_scales_in(cloud: Cloud) -> None:
    cloud.apply("zephyr", SPEC)
    cloud.wait_ready("zephyr")
    put_load(cloud, 14)
    reach(cloud, "zephyr", 3)
    cloud.wait_reason("zephyr", "ScalingActive", "Autoscaling")
    scaling = cloud.get("zephyr")["status"]["scaling"]
    assert scaling["scaler"] in ("HorizontalPodAutoscaler", "ScaledObject")
    assert (scaling["minReplicas"], scaling["maxReplicas"]) == (1, 3)
    assert scaling["history"][0]["to"] == 3
    assert "metric" in scaling["history"][0]["reason"], scaling
    put_load(cloud, 0)
    reach(cloud, "zephyr", 1)
    assert cloud.get("zephyr")["status"]["scaling"]["history"][0]["to"] == 1


def test_pods_that_nobody_asked_anything_are_no_failure(cloud: Cloud) -> None:
    """TGI has no metrics before its first request."""
    cloud.apply("zephyr", SPEC)
    cloud.wait_ready("zephyr")
    expected = {"HorizontalPodAutoscaler": "NoMetrics", "ScaledObject": "Autoscaling"}[scaler(cloud)]
    cloud.wait_reason("zephyr", "ScalingActive", expected)
    assert cloud.condition("zephyr", "Ready")["status"] == "True"
    assert cloud.condition("zephyr", "Stalled") == {}
    warnings = cloud.kubectl("get", "events", "--field-selector=type=Warning,regarding.kind=TGIEndpoint", check=False)
    assert "NoMetrics" not in warnings


def test_the_end_of_autoscaling_keeps_the_number(cloud: Cloud) -> None:
    cloud.apply("zephyr", SPEC)
    cloud.wait_ready("zephyr")
    put_load(cloud, 14)
    reach(cloud, "zephyr", 3)
    cloud.apply("zephyr", {key: value for key, value in SPEC.items() if key != "autoscaling"})
    until(lambda: cloud.condition("zephyr", "ScalingActive") == {}, lambda: str(cloud.get("zephyr")["status"]))
    until(lambda: cloud.objects("horizontalpodautoscalers") == [], lambda: cloud.kubectl("get", "hpa"))
    assert cloud.get("zephyr")["status"]["desiredReplicas"] == 3
