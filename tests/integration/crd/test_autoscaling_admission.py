"""The values of `autoscaling` that the CRD accepts, and its error messages for others."""

from typing import Any

import pytest

from integration.crd.test_in_cluster_admission import SAGEMAKER, Endpoints, Spec, spec
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiError

CLOUD_WATCH = {"namespace": "AWS/SageMaker", "metricName": "ModelLatency", "statistic": "Average"}
QUEUE = {"type": "QueueDepth", "target": {"averageValue": 5}}
CONCURRENT = {"type": "ConcurrentRequests", "target": {"averageValue": "500m"}}
INVOCATIONS = {"type": "InvocationsPerInstance", "target": {"averageValue": "70"}}
ONE_A_MINUTE = {"type": "Pods", "value": 1, "periodSeconds": 60}
HOURS = {"name": "office-hours", "start": "0 8 * * MON-FRI", "end": "0 20 * * MON-FRI"}


@pytest.fixture
def endpoints(control_plane: ControlPlane, namespace: str) -> Endpoints:
    return Endpoints(control_plane, namespace)


def pods(**autoscaling: Any) -> Spec:
    """Return a spec of pods with these fields of autoscaling."""
    return spec({"autoscaling": {"maxReplicas": 4, **autoscaling}})


def sagemaker(**autoscaling: Any) -> Spec:
    """Return a spec of an endpoint with these fields of autoscaling."""
    made = spec({"autoscaling": {"maxReplicas": 4, **autoscaling}, "sageMaker": SAGEMAKER})
    del made["inCluster"]
    return made


def custom(**cloud_watch: Any) -> Spec:
    """Return a metric of CloudWatch."""
    return {"type": "CloudWatch", "target": {"value": "0.5"}, "cloudWatch": {"metrics": [CLOUD_WATCH], **cloud_watch}}


MATH = custom(expression="a / b", metrics=[{**CLOUD_WATCH, "id": "a"}, {**CLOUD_WATCH, "id": "b"}])


ACCEPTED = [
    pytest.param(pods(), id="the smallest of pods"),
    pytest.param(sagemaker(), id="the smallest on SageMaker"),
    pytest.param(pods(metrics=[QUEUE, CONCURRENT]), id="two"),
    pytest.param(sagemaker(metrics=[INVOCATIONS, custom(), MATH]), id="metric math"),
    pytest.param(pods(behavior={"scaleUp": {"policies": [ONE_A_MINUTE]}}), id="policies of pods"),
    pytest.param(sagemaker(behavior={"scaleDown": {"selectPolicy": "Disabled"}}), id="never down"),
    pytest.param(pods(schedules=[{**HOURS, "timeZone": "Europe/Madrid", "minReplicas": 2}]), id="a schedule"),
    pytest.param(pods(schedules=[{**HOURS, "minReplicas": 5, "maxReplicas": 8}]), id="beyond the base"),
]


@pytest.mark.parametrize("described", ACCEPTED)
def test_what_is_let_in(endpoints: Endpoints, described: Spec) -> None:
    stored = endpoints.create(described)["spec"]["autoscaling"]
    assert stored["minReplicas"] == 1


REFUSED = [
    (pods() | {"replicas": 2}, "at most one of replicas and autoscaling may be set"),
    (pods(minReplicas=0), "minReplicas must be at least 1"),
    (sagemaker(minReplicas=5), "minReplicas must not be greater than maxReplicas"),
    (
        pods(metrics=[INVOCATIONS]),
        "for pods, autoscaling.metrics[].type must be one of ConcurrentRequests, QueueDepth",
    ),
    (sagemaker(metrics=[QUEUE]), "on SageMaker, autoscaling.metrics[].type must be one of"),
    (pods(metrics=[QUEUE, QUEUE]), "each metric type except CloudWatch may appear only once"),
    (pods(metrics=[{"type": "QueueDepth", "target": {}}]), "exactly one of averageValue and value must be set"),
    (
        pods(metrics=[{"type": "QueueDepth", "target": {"value": 1}}]),
        "and target.averageValue must be set for other types",
    ),
    (
        sagemaker(metrics=[{"type": "CloudWatch", "target": {"value": 1}}]),
        "cloudWatch must be set if type is CloudWatch",
    ),
    (
        sagemaker(metrics=[custom(metrics=[CLOUD_WATCH, CLOUD_WATCH])]),
        "if there is more than one metric, expression must be set",
    ),
    (sagemaker(metrics=[custom(expression="a")]), "each metric must have an id"),
    (
        sagemaker(behavior={"scaleUp": {"selectPolicy": "Disabled"}}),
        "on SageMaker, autoscaling.behavior may contain only stabilizationWindowSeconds",
    ),
    (
        sagemaker(behavior={"scaleDown": {"policies": [ONE_A_MINUTE]}}),
        "on SageMaker, autoscaling.behavior may contain only stabilizationWindowSeconds",
    ),
    (pods(schedules=[HOURS]), "minReplicas or maxReplicas must be set"),
    (pods(schedules=[{**HOURS, "minReplicas": 5}]), "minReplicas of a schedule must not be greater"),
    (pods(schedules=[{**HOURS, "start": "every day", "minReplicas": 2}]), "must be five cron fields"),
    (pods(schedules=[{**HOURS, "minReplicas": 2}, {**HOURS, "minReplicas": 3}]), "Duplicate value"),
]


@pytest.mark.parametrize(("described", "words"), REFUSED)
def test_what_is_refused_and_in_which_words(endpoints: Endpoints, described: Spec, words: str) -> None:
    with pytest.raises(ApiError) as refused:
        endpoints.create(described)
    assert words in str(refused.value)
