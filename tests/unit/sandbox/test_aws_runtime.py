"""Invocations that reach a TGI simulator, and services that moto answers."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tgi_sandbox.aws.server import AwsDouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6"
ACCOUNT = "111122223333"
PROMPT = json.dumps({"inputs": "Hello", "parameters": {"max_new_tokens": 4}}).encode()
STREAMED = json.dumps({"inputs": "Hello", "stream": True, "parameters": {"max_new_tokens": 4}}).encode()


@pytest.fixture(scope="module")
def double() -> Iterator[AwsDouble]:
    with AwsDouble(clock="manual", durations={"create": 1, "delete": 1}) as started:
        yield started


def client_of(double: AwsDouble, service: str, **credentials: str) -> BaseClient:
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox", **credentials}
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=double.address, region_name="us-east-1", config=config, **keys)


@pytest.fixture(scope="module")
def sagemaker(double: AwsDouble) -> BaseClient:
    return client_of(double, "sagemaker")


@pytest.fixture(scope="module")
def runtime(double: AwsDouble) -> BaseClient:
    return client_of(double, "sagemaker-runtime")


@pytest.fixture(scope="module")
def endpoint(double: AwsDouble, sagemaker: BaseClient) -> str:
    return serve(double, sagemaker, "Falcon", IMAGE)


def serve(double: AwsDouble, sagemaker: BaseClient, name: str, image: str) -> str:
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": image, "Environment": {"HF_MODEL_ID": "tiiuae/falcon-7b", "SM_NUM_GPUS": "1"}},
        ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/tgi-exec",
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.g5.xlarge"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    double.control.advance(1)
    return name


def containers(double: AwsDouble) -> set[int]:
    lists = Path(f"/proc/{double.pid}/task").glob("*/children")
    return {int(pid) for listed in lists for pid in listed.read_text().split()}


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_invoke_endpoint(runtime: BaseClient, endpoint: str) -> None:
    response = runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT, ContentType="application/json")
    (generated,) = json.loads(response["Body"].read())
    assert generated["generated_text"].startswith("Hello")
    assert response["InvokedProductionVariant"] == "AllTraffic"


def test_invoke_endpoint_with_response_stream(runtime: BaseClient, endpoint: str) -> None:
    response = runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=STREAMED, ContentType="application/json"
    )
    assert response["ContentType"].startswith("text/event-stream")
    text = b"".join(event["PayloadPart"]["Bytes"] for event in response["Body"]).decode()
    events = [json.loads(line.removeprefix("data:")) for line in text.splitlines() if line]
    assert len(events) == 4
    assert events[-1]["generated_text"]


@pytest.mark.parametrize("operation", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_errors_of_the_model(runtime: BaseClient, endpoint: str, operation: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(runtime, operation)(EndpointName=endpoint, Body=b'{"nope": 1}', ContentType="application/json")
    response: dict[str, Any] = caught.value.response
    assert response["Error"]["Code"] == "ModelError"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 422
    assert response["Error"]["Message"].startswith("Received client error (422) from primary with message")
    assert "/aws/sagemaker/Endpoints/Falcon in account" in response["Error"]["Message"]


@pytest.mark.parametrize("name", ["nope", "falcon"])
def test_endpoints_that_are_not_there(runtime: BaseClient, endpoint: str, name: str) -> None:
    with pytest.raises(ClientError, match=f"Endpoint {name} of account {ACCOUNT} not found.") as caught:
        runtime.invoke_endpoint(EndpointName=name, Body=PROMPT)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_variants(runtime: BaseClient, endpoint: str) -> None:
    with pytest.raises(ClientError, match="Variant other"):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT, TargetVariant="other")


def test_images_that_cannot_be_run(double: AwsDouble, sagemaker: BaseClient, runtime: BaseClient) -> None:
    name = serve(double, sagemaker, "other", "763104351884.dkr.ecr.us-east-1.amazonaws.com/other:1")
    with pytest.raises(ClientError, match="can only run images of TGI"):
        runtime.invoke_endpoint(EndpointName=name, Body=PROMPT)


def test_faults(double: AwsDouble, runtime: BaseClient, endpoint: str) -> None:
    double.control.throttle("InvokeEndpoint", times=1)
    with pytest.raises(ClientError, match="Rate exceeded"):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)
    double.control.deny("InvokeEndpoint", times=1)
    with pytest.raises(ClientError, match="is not authorized to perform: sagemaker:InvokeEndpoint"):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)
    double.control.cut("InvokeEndpoint")
    with pytest.raises(ConnectionClosedError):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)
    outcomes = [request.outcome for request in double.control.requests() if request.operation == "InvokeEndpoint"]
    assert outcomes[-3:] == ["ThrottlingException", "AccessDeniedException", "cut"]


def test_a_container_goes_with_its_endpoint(double: AwsDouble, sagemaker: BaseClient, runtime: BaseClient) -> None:
    name = serve(double, sagemaker, "short-lived", IMAGE)
    before = containers(double)
    runtime.invoke_endpoint(EndpointName=name, Body=PROMPT)["Body"].read()
    (started,) = containers(double) - before
    sagemaker.delete_endpoint(EndpointName=name)
    double.control.advance(1)
    wait_until_gone(started)


def test_containers_end_with_a_double_that_is_killed() -> None:
    with AwsDouble(clock="manual", durations={"create": 1}) as double:
        name = serve(double, client_of(double, "sagemaker"), "e", IMAGE)
        client_of(double, "sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=PROMPT)["Body"].read()
        (container,) = containers(double)
        assert double.pid is not None
        os.kill(double.pid, signal.SIGKILL)
        wait_until_gone(container)


def test_other_services_and_the_accounts_of_assumed_roles(double: AwsDouble, sagemaker: BaseClient) -> None:
    sts = client_of(double, "sts")
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    role = "arn:aws:iam::999999999999:role/other"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    elsewhere = client_of(
        double,
        "sagemaker",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert elsewhere.list_endpoints()["Endpoints"] == []
    created = elsewhere.create_model(
        ModelName="m",
        PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1"},
        ExecutionRoleArn=role,
    )
    assert created["ModelArn"] == "arn:aws:sagemaker:us-east-1:999999999999:model/m"
    cloudwatch = client_of(double, "cloudwatch")
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    services = {request.service for request in double.control.requests()}
    assert {"sts", "monitoring", "sagemaker"} <= services
