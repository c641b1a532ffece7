"""Request validation: requests of boto3 pass, and violations have AWS's error messages."""

from __future__ import annotations

from typing import Any

import pytest

from tgi_sandbox.aws.autoscaling.operations import AUTOSCALING_OPERATIONS
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.operations import OPERATIONS
from tgi_sandbox.aws.validation import operation_model, validate

MODEL: dict[str, Any] = {
    "ModelName": "m",
    "PrimaryContainer": {"Image": "x", "Environment": {"A": "1"}},
    "ExecutionRoleArn": "arn:aws:iam::111122223333:role/service-role/x",
}


def violation(operation: str, request: dict[str, Any]) -> str:
    with pytest.raises(AwsError) as caught:
        validate(operation, request)
    return str(caught.value)


def test_every_operation_of_the_double_exists() -> None:
    for service, operations in (("sagemaker", OPERATIONS), ("application-autoscaling", AUTOSCALING_OPERATIONS)):
        for name in operations:
            model = operation_model(name)
            assert (model.name, model.service_model.service_name) == (name, service)


def test_names_of_scheduled_actions_follow_the_pattern_of_the_api() -> None:
    request = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/v",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    validate("PutScheduledAction", {**request, "ScheduledActionName": "by night"})
    for name in (" night", "a/b", "a:b", "a|b", ""):
        assert "at 'scheduledActionName'" in violation("PutScheduledAction", {**request, "ScheduledActionName": name})


def test_good_requests_pass() -> None:
    validate("CreateModel", MODEL)
    validate("ListEndpoints", {"MaxResults": 100, "CreationTimeAfter": 1.7e9, "NextToken": None})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"ModelName": "_"},
            (
                "Value '_' at 'modelName' failed to satisfy constraint: Member must satisfy regular expression "
                "pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?"
            ),
        ),
        (
            {"ModelName": "m" * 64},
            (
                f"Value '{'m' * 64}' at 'modelName' failed to satisfy constraint: "
                "Member must have length less than or equal to 63"
            ),
        ),
        (
            {"PrimaryContainer": {"Environment": {f"K{number}": "v" for number in range(101)}}},
            (
                "at 'primaryContainer.environment' failed to satisfy constraint: "
                "Member must have length less than or equal to 100"
            ),
        ),
        (
            {"PrimaryContainer": {"Environment": {"A-B": "v"}}},
            (
                "Value '{A-B=v}' at 'primaryContainer.environment' failed to satisfy constraint: Map keys must satisfy "
                "constraint: [Member must have length less than or equal to 1024, Member must satisfy regular "
                "expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]"
            ),
        ),
        ({"ExecutionRoleArn": "arn:aws:iam::1:user/x-and-much-more"}, "at 'executionRoleArn' failed to satisfy"),
        ({"Tags": [{"Key": "k"}]}, "Value null at 'tags.1.member.value' failed to satisfy constraint"),
        ({"Tags": [{"Key": "a!", "Value": ""}]}, "Value 'a!' at 'tags.1.member.key' failed to satisfy constraint"),
        ({"Extra": 1}, "Value at 'Extra' failed to satisfy constraint: Member must be known"),
    ],
)
def test_violations(change: dict[str, Any], text: str) -> None:
    found = violation("CreateModel", {**MODEL, **change})
    assert found.startswith("ValidationException: 1 validation error detected: Value")
    assert text in found


def test_numbers() -> None:
    assert violation("ListEndpoints", {"MaxResults": 0}).endswith(
        "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )


@pytest.mark.parametrize(
    ("operation", "request_body"),
    [
        ("ListEndpoints", {"MaxResults": "10"}),
        ("ListEndpoints", {"MaxResults": True}),
        ("DescribeModel", {"ModelName": ["m"]}),
        ("CreateModel", {**MODEL, "PrimaryContainer": {"Environment": {"A": 1}}}),
        ("CreateModel", {**MODEL, "EnableNetworkIsolation": "true"}),
    ],
)
def test_wrong_json_types(operation: str, request_body: dict[str, Any]) -> None:
    assert violation(operation, request_body).startswith("SerializationException")
