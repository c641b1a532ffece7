"""Faults between a caller and the emulator, as boto3 sees them; and the journal of calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tgi_sandbox.aws import moto_services
from tgi_sandbox.aws.clock import Clock
from tgi_sandbox.aws.faults import Drawn, Fault, FaultKind, Faults
from tgi_sandbox.aws.identity import Identity
from tgi_sandbox.aws.json_service import Reply
from tgi_sandbox.aws.outages import Outage
from tgi_sandbox.aws.sagemaker import SageMaker
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.aws.world import NoIam, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient

    from tgi_sandbox.aws.control import Control

ROLE = "arn:aws:iam::111122223333:role/tgi-exec"


@pytest.fixture(scope="module")
def double() -> Iterator[AwsDouble]:
    with AwsDouble(clock="manual") as started:
        yield started


@pytest.fixture
def control(double: AwsDouble) -> Control:
    double.control.reset()
    return double.control


@pytest.fixture(scope="module")
def client(double: AwsDouble) -> BaseClient:
    return client_of(double, attempts=1)


@pytest.fixture
def sagemaker(control: Control, client: BaseClient) -> BaseClient:
    return client


def client_of(double: AwsDouble, attempts: int) -> BaseClient:
    return boto3.client(
        "sagemaker",
        endpoint_url=double.address,
        region_name="us-east-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
    )


def create_model(sagemaker: BaseClient, name: str = "m") -> None:
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1"},
        ExecutionRoleArn=ROLE,
    )


def create_config(sagemaker: BaseClient, name: str = "c") -> None:
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InstanceType": "ml.g5.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def test_throttling_of_the_next_calls(sagemaker: BaseClient, control: Control) -> None:
    control.throttle("CreateModel", times=2)
    for _ in range(2):
        with pytest.raises(ClientError, match="Rate exceeded") as caught:
            create_model(sagemaker)
        assert code_of(caught.value) == "ThrottlingException"
    sagemaker.list_models()
    create_model(sagemaker)


def test_throttling_of_a_share_repeats_with_its_seed(sagemaker: BaseClient, control: Control) -> None:
    def outcomes() -> list[bool]:
        control.clear_faults()
        control.seed(7)
        control.throttle(probability=0.5)
        found = []
        for _ in range(20):
            try:
                sagemaker.list_models()
                found.append(True)
            except ClientError:
                found.append(False)
        return found

    first = outcomes()
    assert set(first) == {True, False}
    assert outcomes() == first


def test_denial_names_the_operation_and_the_resource(sagemaker: BaseClient, control: Control) -> None:
    control.deny("CreateModel")
    with pytest.raises(ClientError) as caught:
        create_model(sagemaker)
    assert code_of(caught.value) == "AccessDeniedException"
    assert caught.value.response["Error"]["Message"].endswith(
        "is not authorized to perform: sagemaker:CreateModel on resource: "
        "arn:aws:sagemaker:us-east-1:111122223333:model/m because no identity-based policy allows the "
        "sagemaker:CreateModel action"
    )
    control.clear_faults()
    create_model(sagemaker)


def test_an_error_of_ones_own(sagemaker: BaseClient, control: Control) -> None:
    control.fail("CreateModel", "ValidationException", f'The execution role ARN "{ROLE}" is invalid.')
    with pytest.raises(ClientError, match="execution role ARN"):
        create_model(sagemaker)
    create_model(sagemaker)


def test_a_connection_cut_after_the_effect(sagemaker: BaseClient, control: Control) -> None:
    control.cut("CreateModel")
    with pytest.raises(ConnectionClosedError):
        create_model(sagemaker)
    assert sagemaker.describe_model(ModelName="m")["ModelName"] == "m"


def test_a_retry_after_a_cut_finds_its_own_creation(control: Control, double: AwsDouble) -> None:
    control.cut("CreateModel")
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        create_model(client_of(double, attempts=3))
    assert control.counts() == {"CreateModel": {"ValidationException": 1, "cut": 1}}


def test_a_connection_cut_before_the_effect(sagemaker: BaseClient, control: Control) -> None:
    control.cut("CreateModel", after_effect=False)
    with pytest.raises(ConnectionClosedError):
        create_model(sagemaker)
    assert sagemaker.list_models()["Models"] == []


def test_faults_of_one_name(sagemaker: BaseClient, control: Control) -> None:
    control.throttle(name="unlucky")
    create_model(sagemaker, "lucky")
    with pytest.raises(ClientError):
        create_model(sagemaker, "unlucky")


def test_latency(sagemaker: BaseClient, control: Control) -> None:
    control.delay(0.2, "ListModels", times=1)
    started = time.monotonic()
    sagemaker.list_models()
    assert time.monotonic() - started >= 0.2


def test_what_was_just_created_cannot_be_referred_to_yet(sagemaker: BaseClient, control: Control) -> None:
    control.consistency_delay(30)
    create_model(sagemaker)
    with pytest.raises(ClientError, match="Could not find model"):
        create_config(sagemaker)
    control.advance(30)
    create_config(sagemaker)
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    control.advance(30)
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")


def test_the_journal(sagemaker: BaseClient, control: Control) -> None:
    create_model(sagemaker)
    with pytest.raises(ClientError):
        create_model(sagemaker)
    requests = control.requests()
    assert [(request.operation, request.name, request.outcome) for request in requests] == [
        ("CreateModel", "m", "OK"),
        ("CreateModel", "m", "ValidationException"),
    ]
    assert control.requests(since=requests[0].seq) == requests[1:]
    assert control.counts() == {"CreateModel": {"OK": 1, "ValidationException": 1}}
    cpu = control.cpu()
    assert cpu["calls"] == 2
    assert 0 < cpu["handling_seconds"] < cpu["process_seconds"]


def in_region(double: AwsDouble, region: str, service: str = "sagemaker") -> BaseClient:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=0.5, connect_timeout=5)
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
    return boto3.client(service, endpoint_url=double.address, region_name=region, config=config, **keys)


@pytest.mark.parametrize(
    ("kind", "error", "outcome"),
    [
        ("hang", ReadTimeoutError, "held"),
        ("refuse", ConnectionClosedError, "cut"),
        ("unavailable", ClientError, "ServiceUnavailable"),
    ],
)
def test_a_region_fails_apart_from_the_others(
    control: Control, double: AwsDouble, kind: str, error: type[Exception], outcome: str
) -> None:
    broken, healthy = in_region(double, "us-east-1"), in_region(double, "eu-west-1")
    control.outage("us-east-1", kind)
    for call in (broken.list_models, lambda: create_model(broken)):
        with pytest.raises(error):
            call()
        healthy.list_models()
    assert {request.outcome for request in control.requests() if request.region == "us-east-1"} == {outcome}
    control.end_outage("us-east-1")
    assert broken.list_models()["Models"] == []


@pytest.mark.parametrize(
    ("service", "operation", "request_body"),
    [
        ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "sagemaker"}),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"{}"}),
        ("sts", "get_caller_identity", {}),
        ("logs", "describe_log_groups", {}),
    ],
)
def test_every_service_of_a_region_fails_with_it(
    control: Control, double: AwsDouble, service: str, operation: str, request_body: dict[str, object]
) -> None:
    control.outage("eu-west-1", "unavailable")
    with pytest.raises(ClientError) as caught:
        getattr(in_region(double, "eu-west-1", service), operation)(**request_body)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    (recorded,) = control.requests()
    assert recorded.outcome == "ServiceUnavailable"


@pytest.mark.parametrize(
    ("outage", "expected"),
    [(Outage.HANG, Reply(held=True)), (Outage.REFUSE, Reply(cut=True)), (Outage.UNAVAILABLE, None)],
)
async def test_outages_work_without_http(outage: Outage, expected: Reply | None) -> None:
    world = World(Clock(0))
    service = SageMaker(world)
    world.outages.begin("us-east-1", outage)
    reply = await service.answer(Identity("1", "us-east-1", "sagemaker"), "ListModels", b"{}")
    assert reply == expected if expected else reply.status == 503
    assert (await service.answer(Identity("1", "us-east-2", "sagemaker"), "ListModels", b"{}")).status == 200
    world.reset()
    assert (await service.answer(Identity("1", "us-east-1", "sagemaker"), "ListModels", b"{}")).status == 200


@pytest.mark.parametrize(
    ("service", "operation", "request_body", "code"),
    [
        ("sagemaker", "list_models", {}, "ExpiredTokenException"),
        (
            "application-autoscaling",
            "describe_scalable_targets",
            {"ServiceNamespace": "sagemaker"},
            "ExpiredTokenException",
        ),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"{}"}, "ExpiredTokenException"),
        ("logs", "describe_log_groups", {}, "ExpiredTokenException"),
        ("sts", "get_caller_identity", {}, "ExpiredToken"),
    ],
)
def test_expired_credentials_are_refused_by_every_service(
    control: Control, double: AwsDouble, service: str, operation: str, request_body: dict[str, object], code: str
) -> None:
    control.expire_credentials()
    with pytest.raises(ClientError, match="The security token included in the request is expired") as caught:
        getattr(in_region(double, "us-east-1", service), operation)(**request_body)
    assert code_of(caught.value) == code


def test_credentials_are_valid_again_once_renewed(sagemaker: BaseClient, control: Control) -> None:
    control.expire_credentials()
    with pytest.raises(ClientError, match="expired"):
        create_model(sagemaker)
    control.renew_credentials()
    create_model(sagemaker)


def test_a_session_issued_after_the_expiry_is_valid() -> None:
    class Sts(NoIam):
        keys: frozenset[str] = frozenset({"old"})

        def session_keys(self) -> frozenset[str]:
            return self.keys

    world = World(Clock(0))
    world.iam = sts = Sts()
    assert not world.is_expired("old")
    world.expire_credentials()
    sts.keys |= {"new"}
    assert {key: world.is_expired(key) for key in ("old", "static", "new")} == {
        "old": True,
        "static": True,
        "new": False,
    }


def test_sessions_of_sts_are_known() -> None:
    role = "arn:aws:iam::111122223333:role/operator"
    before = moto_services.session_keys()
    issued = moto_services.session(role, "test")["AccessKeyId"]
    assert moto_services.session_keys() - before == {issued}


def test_unknown_outcomes_are_refused(control: Control) -> None:
    with pytest.raises(HTTPError, match="400") as caught:
        control.script("e", "explode")
    caught.value.close()


def test_unknown_durations_are_refused(control: Control) -> None:
    with pytest.raises(HTTPError, match="400") as caught:
        control.durations(nap=3)
    caught.value.close()


def test_operations_of_other_resources_are_unknown(sagemaker: BaseClient) -> None:
    with pytest.raises(ClientError) as caught:
        sagemaker.list_training_jobs()
    assert code_of(caught.value) == "UnknownOperationException"


def test_drawing_without_faults_costs_nothing() -> None:
    faults = Faults()
    assert faults.draw("CreateModel", "m") == Drawn(())
    faults.add(Fault(FaultKind.THROTTLE, times=1))
    assert faults.draw("CreateModel", "m").has(FaultKind.THROTTLE)
    assert faults.pending() == []
