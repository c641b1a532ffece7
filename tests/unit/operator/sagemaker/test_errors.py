"""Error messages of AWS, verbatim, and their meaning."""

import re

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.sagemaker.aws.client import from_botocore
from tgi_operator.backends.sagemaker.aws.errors import NOT_FOUND, AWSError, Meaning, failure, meaning
from tgi_operator.backends.sagemaker.remedies import HANDLING
from tgi_operator.backends.secret_values import SecretValue, SecretValues

ARN = "arn:aws:sagemaker:us-east-2:111122223333"
INVALID_ROLE = (
    'The execution role ARN "arn:aws:iam::111122223333:role/x" is invalid. Please ensure that the role exists and that '
    'its trust relationship policy allows the action "sts:AssumeRole" for the service principal '
    '"sagemaker.amazonaws.com".'
)
NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a "
    "different ML instance type or after some time."
)
QUOTA = (
    "The account-level service limit 'ml.g6.48xlarge for endpoint usage' is 0 Instances, with current utilization of 0 "
    "Instances and a request delta of 1 Instances. Please use AWS Service Quotas to request an increase for this quota."
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            f'Could not find endpoint "{ARN}:endpoint/x".', Meaning.ENDPOINT_NOT_FOUND, id="there is no endpoint"
        ),
        pytest.param(
            f'Could not find endpoint configuration "{ARN}:endpoint-config/x".',
            Meaning.CONFIG_NOT_FOUND,
            id="there is no configuration",
        ),
        pytest.param(f'Could not find model "{ARN}:model/x".', Meaning.MODEL_NOT_FOUND, id="there is no model"),
        pytest.param(
            f'Cannot create already existing endpoint "{ARN}:endpoint/x".',
            Meaning.ALREADY_EXISTS,
            id="the endpoint exists",
        ),
        pytest.param(
            f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/x".',
            Meaning.ALREADY_EXISTS,
            id="the configuration exists",
        ),
        pytest.param(
            f'Cannot create already existing model "{ARN}:model/x".', Meaning.ALREADY_EXISTS, id="the model exists"
        ),
        pytest.param(
            f'Cannot update in-progress endpoint "{ARN}:endpoint/x".',
            Meaning.IN_PROGRESS,
            id="AWS is at work, said of a delete too",
        ),
        pytest.param(
            'Cannot update endpoint with the currently in use endpoint configuration "x"',
            Meaning.CONFIG_IN_USE,
            id="the endpoint runs that configuration already",
        ),
        pytest.param(INVALID_ROLE, Meaning.INVALID_ROLE, id="SageMaker cannot assume the role"),
        pytest.param(
            "An Application AutoScaling scalable target exists for a variant being deleted, and the IAM identity used "
            "to invoke DeleteEndpoint does not have application-autoscaling:DeregisterScalableTarget permission to "
            "deregister the scalable target.",
            Meaning.ACCESS_DENIED,
            id="a scalable target may not be removed",
        ),
        pytest.param(NO_CAPACITY, Meaning.NO_CAPACITY, id="no instances are free"),
        pytest.param(
            "Could not access model data at s3://weights/falcon/. Please ensure that the role "
            '"arn:aws:iam::111122223333:role/x" exists and that its trust relationship policy allows the action '
            '"sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has '
            '"s3:GetObject" permissions and that the object is located in eu-west-1. If your Model uses multiple '
            'models or uncompressed models, please ensure that the role has "s3:ListBucket" permission.',
            Meaning.MODEL_DATA_NOT_READABLE,
            id="the role may not read the weights",
        ),
        pytest.param(
            "Could not find model data at s3://weights/falcon/.",
            Meaning.MODEL_DATA_NOT_READABLE,
            id="there are no weights, which is not a missing model",
        ),
        pytest.param(
            "Requested image 111122223333.dkr.ecr.eu-west-1.amazonaws.com/tgi:3.3.6 not found.",
            Meaning.IMAGE_NOT_FOUND,
            id="there is no such image",
        ),
        pytest.param(
            "The repository of your image 111122223333.dkr.ecr.eu-west-1.amazonaws.com/tgi:3.3.6 does not grant "
            "ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, ecr:BatchCheckLayerAvailability permission to "
            "sagemaker.amazonaws.com service principal.",
            Meaning.IMAGE_NOT_FOUND,
            id="the repository does not let SageMaker in, which no permission of the operator changes",
        ),
        pytest.param(
            "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
            Meaning.METRIC_TAKEN,
            id="another policy has the metric",
        ),
        pytest.param(
            f'Cannot update endpoint "{ARN}:endpoint/x": variant "AllTraffic" is registered with Application Auto '
            "Scaling, so its instance type cannot be changed. Deregister the scalable target first.",
            Meaning.TARGET_REGISTERED,
            id="the instance type of a scalable target cannot change",
        ),
        pytest.param(
            'The variant(s) "AllTraffic" must be deregistered as scalable targets with AWS Auto Scaling before they '
            "can be removed or have their instance type changed in an endpoint update.",
            Meaning.TARGET_REGISTERED,
            id="the same in other words",
        ),
        pytest.param(
            "You cannot register a variant with ml.t2.medium instance type as a scalable target. This is because the "
            "burstable performance",
            Meaning.REJECTED,
            id="an instance type that does not scale",
        ),
        pytest.param(
            "RoleArn: Cross-account pass role is not allowed.", Meaning.REJECTED, id="a role of another account"
        ),
        pytest.param(
            "ManagedInstanceScaling is only supported for inference component endpoints.",
            Meaning.REJECTED,
            id="a feature of other endpoints",
        ),
        pytest.param(
            "User: arn:aws:sts::111122223333:assumed-role/tgi/x is not authorized to perform: iam:PassRole on "
            "resource: arn:aws:iam::111122223333:role/x with an explicit deny in a service control policy",
            Meaning.ACCESS_DENIED,
            id="a service control policy",
        ),
        pytest.param(
            "1 validation error detected: Value 'x' at 'executionRoleArn' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: ^arn:aws",
            Meaning.REJECTED,
            id="a value of the wrong form",
        ),
        pytest.param(
            "1 validation error detected: Value 'ml.x' at 'productionVariants.1.member.instanceType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [ml.g5.xlarge]",
            Meaning.REJECTED,
            id="a value that is not in the list",
        ),
        pytest.param(
            "Specify one of either Image and Model Data URL or ModelPackageName in container definition.",
            Meaning.REJECTED,
            id="fields that do not go together",
        ),
        pytest.param(
            'Could not find endpoint variant "AllTraffic".', Meaning.REJECTED, id="something of the endpoint is missing"
        ),
        pytest.param(
            f"Value 'Could not find endpoint \"{ARN}:endpoint/x\".' at 'tags' is not valid",
            Meaning.REJECTED,
            id="a text that only quotes another",
        ),
    ],
)
def test_validation_exception_is_known_by_its_message(message: str, expected: Meaning) -> None:
    assert meaning("ValidationException", message, 400) is expected


@given(st.text())
def test_missing_configuration_is_never_taken_for_a_missing_endpoint(rest: str) -> None:
    """One is a rollout to repair, the other a missing endpoint: if confused, the endpoint would be created twice."""
    text = f"Could not find endpoint configuration {rest}"
    assert meaning("ValidationException", text, 400) is Meaning.CONFIG_NOT_FOUND


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        ("ResourceLimitExceeded", QUOTA, 400, Meaning.QUOTA_EXCEEDED),
        ("ThrottlingException", "Rate exceeded", 400, Meaning.THROTTLED),
        (
            "AccessDeniedException",
            f"User: {ARN} is not authorized to perform: sagemaker:AddTags on resource: {ARN}:endpoint-config/x",
            400,
            Meaning.ACCESS_DENIED,
        ),
        ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403, Meaning.ACCESS_DENIED),
        (
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for https://oidc.eks.eu-west-1.amazonaws.com/id/X",
            400,
            Meaning.ACCESS_DENIED,
        ),
        ("InvalidIdentityToken", "Incorrect token audience", 400, Meaning.ACCESS_DENIED),
        (
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider",
            400,
            Meaning.CREDENTIALS_EXPIRED,
        ),
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            400,
            Meaning.CREDENTIALS_EXPIRED,
        ),
        ("ExpiredToken", "Token must be redeemed within configured interval", 400, Meaning.CREDENTIALS_EXPIRED),
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            400,
            Meaning.CREDENTIALS_EXPIRED,
        ),
        ("InvalidSignatureException", "Signature expired: 1 is now earlier than 2", 403, Meaning.CREDENTIALS_EXPIRED),
        ("ResourceLimitExceeded", "A resource can have at most 50 tags.", 400, Meaning.REJECTED),
        ("TooManyTagsException", "Too many tags", 400, Meaning.REJECTED),
        ("LimitExceededException", "You have reached the limit of 500 scalable targets.", 400, Meaning.QUOTA_EXCEEDED),
        (
            "ObjectNotFoundException",
            "No scalable target found for service namespace: sagemaker, resource ID: x, scalable dimension: y",
            400,
            Meaning.TARGET_NOT_FOUND,
        ),
        (
            "ConcurrentUpdateException",
            "You already have a pending update to an Auto Scaling resource.",
            400,
            Meaning.CONCURRENT_UPDATE,
        ),
        ("FailedResourceAccessException", "", 400, Meaning.ACCESS_DENIED),
        ("NotAuthorized", "You do not have permission to perform this action.", 400, Meaning.ACCESS_DENIED),
        ("OptInRequired", "The AWS access key ID needs a subscription for the service.", 403, Meaning.ACCESS_DENIED),
        ("RegionDisabledException", "STS is not activated in this region", 403, Meaning.ACCESS_DENIED),
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid",
            403,
            Meaning.CREDENTIALS_EXPIRED,
        ),
        ("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2", 403, Meaning.CREDENTIALS_EXPIRED),
        ("IDPCommunicationError", "Error communicating with IDP", 400, Meaning.CREDENTIALS_EXPIRED),
        ("ConflictException", "There was a conflict.", 400, Meaning.UNKNOWN),
        ("InternalFailure", "", 500, Meaning.UNAVAILABLE),
        ("ServiceUnavailable", "", 503, Meaning.UNAVAILABLE),
        ("SomethingNew", "A code nobody has seen yet.", 502, Meaning.UNAVAILABLE),
        ("SomethingNew", "A code nobody has seen yet.", 400, Meaning.UNKNOWN),
        ("SomethingNew", "Rate exceeded", 400, Meaning.THROTTLED),
    ],
)
def test_error_is_known_by_its_code(code: str, message: str, status: int, expected: Meaning) -> None:
    assert meaning(code, message, status) is expected


def client_error(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "DescribeEndpoint",
    )


def test_refusal_keeps_the_message_of_aws() -> None:
    error = from_botocore("DescribeEndpoint", client_error("ValidationException", 'Could not find endpoint "x".'))
    assert (error.meaning, error.operation, error.code) == (
        Meaning.ENDPOINT_NOT_FOUND,
        "DescribeEndpoint",
        "ValidationException",
    )
    assert str(error) == 'DescribeEndpoint: ValidationException: Could not find endpoint "x".'


def test_response_that_says_nothing_is_not_taken_for_a_refusal_of_the_request() -> None:
    assert from_botocore("DescribeEndpoint", client_error("503", "Service Unavailable", 503)).meaning is (
        Meaning.UNAVAILABLE
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(EndpointConnectionError(endpoint_url="https://x"), Meaning.UNAVAILABLE, id="no connection"),
        pytest.param(ConnectTimeoutError(endpoint_url="https://x"), Meaning.UNAVAILABLE, id="no connection in time"),
        pytest.param(ReadTimeoutError(endpoint_url="https://x"), Meaning.UNAVAILABLE, id="no answer in time"),
        pytest.param(NoCredentialsError(), Meaning.ACCESS_DENIED, id="no credentials"),
        pytest.param(
            CredentialRetrievalError(provider="container-role", error_msg="404"),
            Meaning.CREDENTIALS_EXPIRED,
            id="no credentials from the agent of EKS Pod Identity",
        ),
        pytest.param(
            PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            Meaning.ACCESS_DENIED,
            id="half of the credentials",
        ),
    ],
)
def test_call_that_did_not_get_through(error: BotoCoreError, expected: Meaning) -> None:
    found = from_botocore("ListEndpoints", error)
    assert found.meaning is expected
    assert found.code == type(error).__name__
    assert str(error) in str(found)


@given(st.text(min_size=8), st.text(), st.text())
def test_secret_is_removed_wherever_aws_quotes_it(secret: str, before: str, after: str) -> None:
    error = AWSError(Meaning.REJECTED, "CreateModel", "ValidationException", f"{before}{secret}{after}{secret}")
    clean = error.without(SecretValues(SecretValue(secret, "s-1")))
    assert secret not in clean.message.replace("[redacted]", "")
    assert (clean.meaning, clean.operation, clean.code) == (error.meaning, error.operation, error.code)


def test_without_a_secret_the_message_stays() -> None:
    error = AWSError(Meaning.REJECTED, "CreateModel", "ValidationException", "As it was.")
    assert error.without(None).message == "As it was."


def test_every_meaning_but_a_rejection_has_a_remedy() -> None:
    assert set(HANDLING) == set(Meaning) - {Meaning.REJECTED}
    assert set(Meaning) > NOT_FOUND


@pytest.mark.parametrize("meant", HANDLING)
def test_pauses_grow_and_stay_within_half_an_hour(meant: Meaning) -> None:
    remedy = HANDLING[meant]
    assert 0 < remedy.first <= remedy.longest <= 1800


def test_a_person_is_asked_only_for_what_a_person_can_change() -> None:
    assert {meant for meant, remedy in HANDLING.items() if remedy.stalled} == {
        Meaning.QUOTA_EXCEEDED,
        Meaning.INVALID_ROLE,
        Meaning.MODEL_DATA_NOT_READABLE,
        Meaning.IMAGE_NOT_FOUND,
        Meaning.ACCESS_DENIED,
        Meaning.NOT_OWNED,
        Meaning.UNKNOWN,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f"{NO_CAPACITY} Consider configuring InstancePools in your EndpointConfig with multiple instance types for "
            "priority-based fallback to improve capacity availability.",
            Reason.INSUFFICIENT_CAPACITY,
            id="no instances are free",
        ),
        pytest.param(NO_CAPACITY, Reason.INSUFFICIENT_CAPACITY, id="the older text"),
        pytest.param(
            "Request to service failed. If failure persists after retry, contact customer support.",
            Reason.INTERNAL_FAILURE,
            id="AWS failed inside",
        ),
        pytest.param(
            "The primary container for production variant AllTraffic did not pass the ping health check. Please check "
            "CloudWatch logs for this endpoint.",
            Reason.CONTAINER_NOT_HEALTHY,
            id="the container does not answer",
        ),
        pytest.param(
            "CannotStartContainerError. Please ensure the model container for variant AllTraffic starts correctly when "
            "invoked with 'docker run <image> serve'",
            Reason.CONTAINER_NOT_HEALTHY,
            id="the container does not start",
        ),
        pytest.param(
            'Failed to download model data for container "container_1" from URL: s3://x/y/',
            Reason.MODEL_DOWNLOAD_FAILED,
            id="the weights cannot be had",
        ),
        pytest.param(
            "Please make sure all images included in the model for the production variant AllTraffic exist, and that "
            "the execution role used to create the model has permissions to access them.",
            Reason.IMAGE_NOT_FOUND,
            id="the image cannot be had",
        ),
        pytest.param(INVALID_ROLE, Reason.INVALID_EXECUTION_ROLE, id="the role is no more"),
        pytest.param(QUOTA, Reason.QUOTA_EXCEEDED, id="the quota is used up"),
        pytest.param("Something nobody has seen yet.", Reason.ENDPOINT_FAILED, id="an unknown text"),
        pytest.param(
            "The container said: Request to service failed",
            Reason.ENDPOINT_FAILED,
            id="a text that only quotes another",
        ),
        pytest.param("", Reason.ENDPOINT_FAILED, id="no text"),
    ],
)
def test_failure_reason_of_an_endpoint(text: str, expected: Reason) -> None:
    assert failure(text, otherwise=Reason.ENDPOINT_FAILED) == expected


def test_unknown_failure_has_the_reason_of_its_situation() -> None:
    assert failure("?", otherwise=Reason.UPDATE_ROLLED_BACK) is Reason.UPDATE_ROLLED_BACK


def test_reasons_are_those_of_the_api() -> None:
    for remedy in HANDLING.values():
        assert re.fullmatch(r"[A-Za-z]+", Reason(remedy.reason))
