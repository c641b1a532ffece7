"""Policies are read strictly, and allow what IAM would."""

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
    ],
)
def test_what_a_statement_allows(statement: dict[str, Any], action: str, resource: str, allowed: bool) -> None:
    assert policy(**statement).allows(action, resource) is allowed


@pytest.mark.parametrize(("value", "allowed"), [("sagemaker", True), ("ecs", False), (None, False)])
def test_conditions_hold_or_not(value: str | None, allowed: bool) -> None:
    found = policy(Condition={"StringEquals": {"service": "sagemaker"}})
    assert found.allows("sagemaker:X", "*", {"service": value} if value else {}) is allowed


@pytest.mark.parametrize(
    "statement", [{"Effect": "Deny"}, {"NotAction": "x"}, {"Condition": {"IpAddress": {"aws:SourceIp": "x"}}}]
)
def test_what_is_not_known_is_refused(statement: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not known"):
        policy(**statement)


def test_what_requests_need() -> None:
    region = World(Clock(0)).region("111122223333", "eu-west-1")
    role = "arn:aws:iam::111122223333:role/r"
    request = {"ModelName": "ml-M", "ExecutionRoleArn": role, "Tags": [{"Key": "k", "Value": "v"}]}
    assert list(needs("sagemaker", "CreateModel", request, region)) == [
        Need("sagemaker:CreateModel", f"{ARN}model/ml-m"),
        Need("sagemaker:AddTags", f"{ARN}model/ml-m"),
        Need("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    ]
    update = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert [need.resource for need in needs("sagemaker", "UpdateEndpoint", update, region)] == [
        f"{ARN}endpoint/e",
        f"{ARN}endpoint-config/c",
    ]
    assert list(needs("sagemaker", "ListEndpoints", {}, region)) == [Need("sagemaker:ListEndpoints", "*")]
    tags = {"ResourceArn": f"{ARN}endpoint/e"}
    assert list(needs("sagemaker", "ListTags", tags, region)) == [Need("sagemaker:ListTags", f"{ARN}endpoint/e")]
    scaling = {"ServiceNamespace": "sagemaker"}
    assert list(needs("application-autoscaling", "PutScalingPolicy", scaling, region)) == [
        Need(
            "application-autoscaling:PutScalingPolicy", "*", {"application-autoscaling:service-namespace": "sagemaker"}
        )
    ]
