"""Application Auto Scaling of the emulator over HTTP: boto3, the control API and real invocations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tgi_sandbox.aws.server import AwsDouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient

ROLE = "arn:aws:iam::111122223333:role/tgi-exec"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/falcon/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture(scope="module")
def double() -> Iterator[AwsDouble]:
    with AwsDouble(clock="manual") as started:
        yield started


def client_of(double: AwsDouble, service: str) -> BaseClient:
    return boto3.client(
        service,
        endpoint_url=double.address,
        region_name="us-east-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def autoscaling(double: AwsDouble) -> BaseClient:
    """An endpoint `falcon` in service, registered, whose policy wants 60 invocations per minute and instance."""
    double.control.reset()
    sagemaker = client_of(double, "sagemaker")
    environment = {"HF_MODEL_ID": "tiiuae/falcon-7b", "SM_NUM_GPUS": "1"}
    container = {"Image": IMAGE, "Environment": environment}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="falcon", EndpointConfigName="c")
    double.control.advance(240)
    made = client_of(double, "application-autoscaling")
    made.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    track(made, "invocations", "SageMakerVariantInvocationsPerInstance", 60.0)
    return made


def track(client: BaseClient, name: str, metric: str, target: float) -> dict[str, Any]:
    configuration = {"TargetValue": target, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}}
    answer: dict[str, Any] = client.put_scaling_policy(
        **TARGET,
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=configuration,
    )
    return answer


def test_boto3_drives_it_and_the_control_api_sees_it(double: AwsDouble, autoscaling: BaseClient) -> None:
    control = double.control
    made = track(autoscaling, "concurrency", "SageMakerVariantConcurrentRequestsPerModelHighResolution", 5.0)
    assert [alarm["AlarmName"][:15] for alarm in made["Alarms"]] == ["TargetTracking-"] * 2
    autoscaling.put_scheduled_action(
        **TARGET,
        ScheduledActionName="nightly",
        Schedule="cron(0 20 * * ? *)",
        Timezone="Europe/Madrid",
        ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 2},
    )
    control.load("falcon", concurrentRequests=18)
    control.metric("AWS/SageMaker", "Queue", 7.5, {"EndpointName": "falcon"})
    control.advance(40)
    endpoint = control.endpoint("falcon")
    assert endpoint is not None
    assert endpoint["ProductionVariants"][0]["DesiredInstanceCount"] == 4
    (target,) = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert target["CreationTime"].timestamp() == pytest.approx(control.now() - 40, abs=0.01)
    (activity,) = autoscaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    assert activity["StatusCode"] == "InProgress"
    state = control.state()
    assert state["load"] == {"falcon": {"concurrentRequests": 18, "invocationsPerMinute": None}}
    metric = {"namespace": "AWS/SageMaker", "metricName": "Queue", "value": 7.5}
    assert state["metrics"] == [{**metric, "dimensions": {"EndpointName": "falcon"}}]
    (region,) = state["regions"]
    shown = control.scaling("falcon")
    assert shown == region["scalable_targets"][TARGET["ResourceId"]]
    assert shown is not None
    assert (shown["least"], shown["most"]) == (1, 4)
    assert (list(shown["policies"]), list(shown["actions"])) == (["invocations", "concurrency"], ["nightly"])
    assert [each["id"] for each in region["scaling_activities"]] == [activity["ActivityId"]]
    pages = autoscaling.get_paginator("describe_scaling_policies").paginate(ServiceNamespace="sagemaker")
    assert sum(len(page["ScalingPolicies"]) for page in pages) == 2
    control.reset()
    assert control.state()["load"] == {}
    assert control.scaling("falcon") is None


def test_errors_and_faults(double: AwsDouble, autoscaling: BaseClient) -> None:
    control = double.control
    with pytest.raises(autoscaling.exceptions.ObjectNotFoundException):
        autoscaling.delete_scaling_policy(**TARGET, PolicyName="nope")
    control.scalable_targets(0)
    control.concurrent_updates(60)
    with pytest.raises(autoscaling.exceptions.ConcurrentUpdateException):
        autoscaling.register_scalable_target(**TARGET, MaxCapacity=3)
    control.advance(60)
    autoscaling.deregister_scalable_target(**TARGET)
    with pytest.raises(autoscaling.exceptions.LimitExceededException):
        autoscaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=3)
    control.scalable_targets(1)
    control.fail("RegisterScalableTarget", "FailedResourceAccessException", "no", name="falcon")
    with pytest.raises(ClientError, match="FailedResourceAccessException"):
        autoscaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=3)
    control.cut("RegisterScalableTarget")
    with pytest.raises(ConnectionClosedError):
        autoscaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=3)
    assert control.scaling("falcon") is not None, "it was cut after the effect"
    outcomes = [each.outcome for each in control.requests() if each.service == "application-autoscaling"]
    assert outcomes[-2:] == ["FailedResourceAccessException", "cut"]
    for wrong in ({"requests": 1.0}, {"concurrentRequests": -1.0}):
        with pytest.raises(HTTPError, match="400"):
            control.load("falcon", **wrong)


def test_real_invocations_scale(double: AwsDouble, autoscaling: BaseClient) -> None:
    track(autoscaling, "invocations", "SageMakerVariantInvocationsPerInstance", 1.0)
    runtime = client_of(double, "sagemaker-runtime")
    prompt = json.dumps({"inputs": "Hello", "parameters": {"max_new_tokens": 1}}).encode()
    for _ in range(3):
        for _ in range(2):
            runtime.invoke_endpoint(EndpointName="falcon", Body=prompt, ContentType="application/json")
        assert autoscaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"] == []
        double.control.advance(60)
    (activity,) = autoscaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    assert activity["Description"] == "Setting desired instance count to 2."
