"""The meaning of AWS's refusals.

SageMaker answers almost everything with HTTP 400 `ValidationException`, so only the message distinguishes refusals. The
rules are patterns that are tried in order. The first match decides.

Sources: `docs` is AWS's documentation of the operation or of its common errors, and `model` is the service model in
botocore. owner/name#number is an issue or pull request on GitHub that quotes the answer of a real account.
"""

import re
from enum import StrEnum

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.secret_values import SecretValues, without_secrets


class Meaning(StrEnum):
    """The meaning of a refused or failed call, which determines the next action."""

    ENDPOINT_NOT_FOUND = "EndpointNotFound"
    CONFIG_NOT_FOUND = "ConfigNotFound"
    MODEL_NOT_FOUND = "ModelNotFound"
    TARGET_NOT_FOUND = "TargetNotFound"
    ALREADY_EXISTS = "AlreadyExists"
    IN_PROGRESS = "InProgress"
    CONCURRENT_UPDATE = "ConcurrentUpdate"
    CONFIG_IN_USE = "ConfigInUse"
    QUOTA_EXCEEDED = "QuotaExceeded"
    NO_CAPACITY = "NoCapacity"
    INVALID_ROLE = "InvalidRole"
    MODEL_DATA_NOT_READABLE = "ModelDataNotReadable"
    IMAGE_NOT_FOUND = "ImageNotFound"
    METRIC_TAKEN = "MetricTaken"
    TARGET_REGISTERED = "TargetRegistered"
    ACCESS_DENIED = "AccessDenied"
    CREDENTIALS_EXPIRED = "CredentialsExpired"
    THROTTLED = "Throttled"
    UNAVAILABLE = "Unavailable"
    NOT_OWNED = "NotOwned"
    REJECTED = "Rejected"
    UNKNOWN = "Unknown"


NOT_FOUND = frozenset({Meaning.ENDPOINT_NOT_FOUND, Meaning.CONFIG_NOT_FOUND, Meaning.MODEL_NOT_FOUND})


_UNANSWERED = frozenset(
    {
        "ConnectionClosedError",
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "ProxyConnectionError",
        "ReadTimeoutError",
        "SSLError",
    }
)
"""Exceptions of botocore, as codes of AWSErrors, for calls without an answer."""


class AWSError(Exception):
    """A call that AWS refused or that did not reach AWS: its meaning, and AWS's error message."""

    def __init__(self, meaning: Meaning, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.meaning = meaning
        self.operation = operation
        self.code = code
        self.message = message

    @property
    def unanswered(self) -> bool:
        """Whether there was no answer, so that the next call would probably time out too."""
        return self.code in _UNANSWERED

    def without(self, secrets: SecretValues | None) -> "AWSError":
        """Return the error without the secret values, which AWS may quote from the request."""
        return AWSError(self.meaning, self.operation, self.code, without_secrets(self.message, secrets))


_BY_CODE = {
    "ResourceLimitExceeded": Meaning.QUOTA_EXCEEDED,
    "ResourceNotFound": Meaning.ENDPOINT_NOT_FOUND,
    "AccessDeniedException": Meaning.ACCESS_DENIED,
    "AccessDenied": Meaning.ACCESS_DENIED,
    # The account is not allowed to use the service, or the region is not enabled (docs: common errors; model of STS).
    "NotAuthorized": Meaning.ACCESS_DENIED,
    "OptInRequired": Meaning.ACCESS_DENIED,
    "RegionDisabledException": Meaning.ACCESS_DENIED,
    "ExpiredTokenException": Meaning.CREDENTIALS_EXPIRED,
    "ExpiredToken": Meaning.CREDENTIALS_EXPIRED,
    "UnrecognizedClientException": Meaning.CREDENTIALS_EXPIRED,
    "InvalidSignatureException": Meaning.CREDENTIALS_EXPIRED,
    # The same two errors in the spelling of query protocol services, such as STS (docs: common errors of STS).
    "InvalidClientTokenId": Meaning.CREDENTIALS_EXPIRED,
    "SignatureDoesNotMatch": Meaning.CREDENTIALS_EXPIRED,
    # STS could not reach the issuer of the service account's token (model of STS).
    "IDPCommunicationError": Meaning.CREDENTIALS_EXPIRED,
    "InvalidIdentityToken": Meaning.CREDENTIALS_EXPIRED,
    "RequestExpired": Meaning.CREDENTIALS_EXPIRED,
    "ThrottlingException": Meaning.THROTTLED,
    "Throttling": Meaning.THROTTLED,
    "RequestLimitExceeded": Meaning.THROTTLED,
    "TooManyRequestsException": Meaning.THROTTLED,
    "ThrottledException": Meaning.THROTTLED,
    "RequestThrottled": Meaning.THROTTLED,
    "RequestThrottledException": Meaning.THROTTLED,
    "SlowDown": Meaning.THROTTLED,
    "PriorRequestNotComplete": Meaning.THROTTLED,
    "RequestTimeout": Meaning.UNAVAILABLE,
    "RequestTimeoutException": Meaning.UNAVAILABLE,
    "InternalFailure": Meaning.UNAVAILABLE,
    "InternalServerError": Meaning.UNAVAILABLE,
    "ServiceUnavailable": Meaning.UNAVAILABLE,
    # Application Auto Scaling has its own codes.
    "ObjectNotFoundException": Meaning.TARGET_NOT_FOUND,
    "ConcurrentUpdateException": Meaning.CONCURRENT_UPDATE,
    "LimitExceededException": Meaning.QUOTA_EXCEEDED,
    "FailedResourceAccessException": Meaning.ACCESS_DENIED,
    "InternalServiceException": Meaning.UNAVAILABLE,
    # The limit is 50 tags, and no quota increase is possible (model: TagResource).
    "TooManyTagsException": Meaning.REJECTED,
}

_BY_CODE_AND_MESSAGE: tuple[tuple[str, re.Pattern[str], Meaning], ...] = (
    # Other errors with this code are temporary: the keys of the issuer could not be read.
    ("InvalidIdentityToken", re.compile(r"No OpenIDConnect provider|Incorrect token audience"), Meaning.ACCESS_DENIED),
    # A fixed limit of a resource is not a quota of the account, and only a changed spec has fewer tags (docs: AddTags,
    # 50 tags; the text is assumed).
    ("ResourceLimitExceeded", re.compile(r"\b[Tt]ags\b"), Meaning.REJECTED),
)
"""A code and a message that together mean something other than the code alone."""

_INVALID = frozenset({"ValidationException", "ValidationError", "SerializationException"})
"""Codes of invalid requests, which AWS will refuse again."""

_BY_MESSAGE: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        # The text for a configuration begins like that for an endpoint, and the text for weights like that for a model,
        # so these come first.
        (r"^Could not find endpoint configuration ", Meaning.CONFIG_NOT_FOUND),
        # CreateModel: philschmid/llm-sagemaker-sample#2, aws-ia/ecs-blueprints#223.
        (r"^Could not (access|find) model data at ", Meaning.MODEL_DATA_NOT_READABLE),
        (r'^Could not find endpoint "', Meaning.ENDPOINT_NOT_FOUND),
        (r"^Could not find model ", Meaning.MODEL_NOT_FOUND),
        (r"^Cannot create already existing (endpoint|endpoint configuration|model) ", Meaning.ALREADY_EXISTS),
        (r"^Cannot update in-progress endpoint ", Meaning.IN_PROGRESS),
        (r"^Cannot update endpoint with the currently in use endpoint configuration", Meaning.CONFIG_IN_USE),
        (r"^The execution role ARN .* is invalid", Meaning.INVALID_ROLE),
        # CreateModel: aws-samples/easy-amazon-sagemaker-deployments#4. The second text is for a repository whose policy
        # does not allow SageMaker. Public reports quote it only in part.
        (r"^Requested image .* not found", Meaning.IMAGE_NOT_FOUND),
        (r"does not grant ecr:", Meaning.IMAGE_NOT_FOUND),
        (r"is not authorized to perform|does not have .* permission", Meaning.ACCESS_DENIED),
        # PutScalingPolicy: gravitational/teleport quotes it in its DynamoDB backend.
        (r"^Only one TargetTrackingScaling policy for a given metric specification ", Meaning.METRIC_TAKEN),
        # UpdateEndpoint with another instance type (docs: endpoint-scaling-update; the text is not public). It comes
        # after the refusal of DeleteEndpoint, which mentions a missing permission and also deregistering.
        (r"\b[Dd]eregister(ed)?\b.* scalable target", Meaning.TARGET_REGISTERED),
        (r"InsufficientInstanceCapacity|Unable to provision requested ML compute capacity", Meaning.NO_CAPACITY),
        (r"^Rate exceeded", Meaning.THROTTLED),
    )
)


def meaning(code: str, message: str, status: int) -> Meaning:
    """Return the meaning of an error response with that code, message and HTTP status."""
    for known, pattern, found in _BY_CODE_AND_MESSAGE:
        if code == known and pattern.search(message):
            return found
    if code in _BY_CODE:
        return _BY_CODE[code]
    for pattern, found in _BY_MESSAGE:
        if pattern.search(message):
            return found
    if status >= 500:
        return Meaning.UNAVAILABLE
    return Meaning.REJECTED if code in _INVALID else Meaning.UNKNOWN


_FAILURES: tuple[tuple[re.Pattern[str], Reason], ...] = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (
            r"InsufficientInstanceCapacity|Unable to provision requested ML compute capacity",
            Reason.INSUFFICIENT_CAPACITY,
        ),
        (r"^Request to service failed", Reason.INTERNAL_FAILURE),
        (r"did not pass the ping health check|CannotStartContainerError", Reason.CONTAINER_NOT_HEALTHY),
        # aws-samples/cvat-on-aws-china#3: the object is missing, or the role is not allowed to read it.
        (r"^Failed to download model data", Reason.MODEL_DOWNLOAD_FAILED),
        (r"^The execution role ARN .* is invalid", Reason.INVALID_EXECUTION_ROLE),
        # yuyasugano/terraform-sagemaker-sample-1#1.
        (r"make sure all images included in the model .* exist", Reason.IMAGE_NOT_FOUND),
        (r"service limit '", Reason.QUOTA_EXCEEDED),
    )
)


def failure(failure_reason: str, otherwise: Reason) -> Reason:
    """Return the reason for an endpoint's FailureReason, or `otherwise` if the text is not known."""
    return next((reason for pattern, reason in _FAILURES if pattern.search(failure_reason)), otherwise)
