"""Pods that follow the load, with a real HorizontalPodAutoscaler controller, and by hand."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from e2e.conftest import ZEPHYR, Cloud, until
from e2e.test_scaling import reach

pytestmark = pytest.mark.installation("pods")

SMALL: Mapping[str, Any] = {**ZEPHYR, "inCluster": {"gpu": {"count": 1, "products": ["NVIDIA-A100-SXM4-40GB"]}}}
AUTOSCALED: Mapping[str, Any] = {**SMALL, "autoscaling": {"minReplicas": 2, "maxReplicas": 4}}


def test_pods_are_handed_over_to_the_autoscaler_and_back(cloud: Cloud) -> None:
    cloud.apply("zephyr", {**SMALL, "replicas": 2})
    cloud.wait_ready("zephyr")
    cloud.apply("zephyr", AUTOSCALED)
    until(lambda: cloud.object("horizontalpodautoscalers", "zephyr") is not None, lambda: cloud.kubectl("get", "hpa"))
    until(lambda: not _owns_replicas(cloud), lambda: str(cloud.object("deployments", "zephyr")))
    deployment = cloud.object("deployments", "zephyr")
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 2, "within the bounds, so nothing changes"
    # Like an HPA: through the scale subresource.
    cloud.kubectl("scale", "deployment/zephyr", "--replicas=3")
    reach(cloud, "zephyr", 3)
    assert cloud.get("zephyr")["status"]["desiredReplicas"] == 3
    cloud.apply("zephyr", {**AUTOSCALED, "runtime": {"maxTotalTokens": 2048}})
    cloud.wait_ready("zephyr")
    assert cloud.get("zephyr")["status"]["readyReplicas"] == 3, "a new revision keeps the number"
    cloud.apply("zephyr", {**SMALL, "runtime": {"maxTotalTokens": 2048}, "replicas": 1})
    reach(cloud, "zephyr", 1)
    assert cloud.object("horizontalpodautoscalers", "zephyr") is None
    assert cloud.condition("zephyr", "ScalingActive") == {}


def _owns_replicas(cloud: Cloud) -> bool:
    path = f"/apis/apps/v1/namespaces/{cloud.namespace}/deployments/zephyr"
    managed = cloud.plane.api.request("GET", path)["metadata"]["managedFields"]
    ours = (each for each in managed if each["manager"] == "tgi-operator" and each["operation"] == "Apply")
    return any("f:replicas" in each["fieldsV1"].get("f:spec", {}) for each in ours)


def test_bounds_are_kept_and_put_back_by_the_real_controller(cloud: Cloud) -> None:
    cloud.apply("zephyr", AUTOSCALED)
    cloud.wait_ready("zephyr")
    assert cloud.get("zephyr")["status"]["readyReplicas"] == 2
    cloud.apply("zephyr", {**SMALL, "autoscaling": {"minReplicas": 3, "maxReplicas": 4}})
    reach(cloud, "zephyr", 3)
    cloud.kubectl("patch", "hpa", "zephyr", "--type=merge", "-p", '{"spec":{"maxReplicas":40}}')

    def most() -> int:
        hpa = cloud.object("horizontalpodautoscalers", "zephyr")
        return int(hpa["spec"]["maxReplicas"]) if hpa is not None else 0

    until(lambda: most() == 4, lambda: str(cloud.object("horizontalpodautoscalers", "zephyr")))
    cloud.kubectl("delete", "hpa", "zephyr")
    until(lambda: most() == 4, lambda: cloud.kubectl("get", "hpa"))


def test_an_hpa_on_the_resource_scales_its_pods(cloud: Cloud) -> None:
    cloud.apply("zephyr", {**SMALL, "replicas": 1})
    cloud.wait_ready("zephyr")
    target = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "name": "zephyr"}
    metric = {"metric": {"name": "tgi_queue_size"}, "target": {"type": "AverageValue", "averageValue": "5"}}
    spec = {"minReplicas": 3, "maxReplicas": 4, "metrics": [{"type": "Pods", "pods": metric}]}
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "on-the-resource"},
        "spec": {"scaleTargetRef": target, **spec},
    }
    cloud.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(hpa))
    reach(cloud, "zephyr", 3)
    assert cloud.get("zephyr")["spec"]["replicas"] == 3
    cloud.kubectl("delete", "hpa", "on-the-resource")
