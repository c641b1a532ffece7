"""Policies are parsed strictly, and allow what IAM would allow."""

from typing import Any

import pytest

from tgi_sandbox.aws import iam
from tgi_sandbox.aws.authorization import Need, needs
from tgi_sandbox.aws.clock import Clock
from tgi_sandbox.aws.world import World

ARN = "arn:aws:sagemaker:eu-west-1:111122223333:"


def policy(**statement: Any) -> iam.Policy:
    return iam.read({"Statement": [{"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*", **statement}]})


@pytest.mark.parametrize(
    ("statement", "action", "resource", "allowed"),
    [
        ({"Action": "sagemaker:CreateModel"}, "sagemaker:CreateModel", "*", True),
        ({"Action": "sagemaker:createmodel"}, "sagemaker:CreateModel", "*", True),
        ({"Action": "sagemaker:Create*"}, "sagemaker:DeleteModel", "*", False),
        ({"Action": ["iam:PassRole", "sagemaker:?eleteModel"]}, "sagemaker:DeleteModel", "*", True),
        ({"Resource": "arn:aws:sagemaker:*:111122223333:model/ml-*"}, "sagemaker:X", f"{ARN}model/ml-a", True),
        ({"Resource": "arn:aws:sagemaker:*:111122223333:model/ml-*"}, "sagemaker:X", f"{ARN}model/dev-a", False),
        ({"Resource": f"{ARN}model/a.b"}, "sagemaker:X", f"{ARN}model/aXb", False),
        ({"Condition": {"StringEquals": {"k": ["a", "b"]}}}, "sagemaker:X", "*", False),
        ({"Condition": {"Null": {"k": "true"}}}, "sagemaker:X", "*", True),
        ({"Condition": {"Null": {"k": "false"}}}, "sagemaker:X", "*", False),
        ({"Condition": {"ForAllValues:StringLike": {"k": "a"}}}, "sagemaker:X", "*", True),
    ],
)
def test_what_a_statement_allows(statement: dict[str, Any], action: str, resource: str, allowed: bool) -> None:
    assert policy(**statement).allows(action, resource) is allowed


@pytest.mark.parametrize(("value", "allowed"), [("sagemaker", True), ("ecs", False), (None, False)])
def test_conditions_hold_or_not(value: str | None, allowed: bool) -> None:
    found = policy(Condition={"StringEquals": {"service": "sagemaker"}})
    assert found.allows("sagemaker:X", "*", {"service": value} if value else {}) is allowed


@pytest.mark.parametrize(
    ("values", "allowed"),
    [(("ml.g5.xlarge",), True), (("ml.g5.xlarge", "ml.g5.2xlarge"), True), (("ml.g5.xlarge", "ml.p5.48xlarge"), False)],
)
def test_all_of_several_values_must_fit(values: tuple[str, ...], allowed: bool) -> None:
    found = policy(Condition={"ForAllValues:StringLike": {"types": ["ml.g5.*", "ml.g6.*"]}})
    assert found.allows("sagemaker:X", "*", {"types": values}) is allowed
    assert not policy(Condition={"StringLike": {"types": "*"}}).allows("sagemaker:X", "*", {"types": ("a", "b")})


@pytest.mark.parametrize(
    "statement", [{"Effect": "Deny"}, {"NotAction": "x"}, {"Condition": {"IpAddress": {"aws:SourceIp": "x"}}}]
)
def test_what_is_not_known_is_refused(statement: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not known"):
        policy(**statement)


REGION = {"aws:RequestedRegion": "eu-west-1"}


def test_what_requests_need() -> None:
    region = World(Clock(0)).region("111122223333", "eu-west-1")
    role = "arn:aws:iam::111122223333:role/r"
    tagged = REGION | {"aws:RequestTag/k": "v"}
    request = {"ModelName": "ml-M", "ExecutionRoleArn": role, "Tags": [{"Key": "k", "Value": "v"}]}
    assert list(needs("sagemaker", "CreateModel", request, region)) == [
        Need("sagemaker:CreateModel", f"{ARN}model/ml-m", tagged),
        Need("sagemaker:AddTags", f"{ARN}model/ml-m", tagged | {"sagemaker:TaggingAction": "CreateModel"}),
        Need("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    ]
    config = {"EndpointConfigName": "c", "ProductionVariants": [{"InstanceType": "ml.g5.xlarge"}]}
    assert list(needs("sagemaker", "CreateEndpointConfig", config, region)) == [
        Need(
            "sagemaker:CreateEndpointConfig",
            f"{ARN}endpoint-config/c",
            REGION | {"sagemaker:InstanceTypes": ("ml.g5.xlarge",)},
        )
    ]
    region.tags[f"{ARN}endpoint/e"] = {"owner": "x"}
    update = {"EndpointName": "E", "EndpointConfigName": "c"}
    assert list(needs("sagemaker", "UpdateEndpoint", update, region)) == [
        Need("sagemaker:UpdateEndpoint", f"{ARN}endpoint/e", REGION | {"aws:ResourceTag/owner": "x"}),
        Need("sagemaker:UpdateEndpoint", f"{ARN}endpoint-config/c", REGION),
    ]
    assert list(needs("sagemaker", "ListEndpoints", {}, region)) == [Need("sagemaker:ListEndpoints", "*", REGION)]
    tags = {"ResourceArn": f"{ARN}endpoint/e"}
    assert [need.resource for need in needs("sagemaker", "ListTags", tags, region)] == [f"{ARN}endpoint/e"]
    scaling = {"ServiceNamespace": "sagemaker", "ScalableDimension": "d"}
    assert list(needs("application-autoscaling", "PutScalingPolicy", scaling, region)) == [
        Need(
            "application-autoscaling:PutScalingPolicy",
            "*",
            REGION
            | {
                "application-autoscaling:service-namespace": "sagemaker",
                "application-autoscaling:scalable-dimension": "d",
            },
        )
    ]
