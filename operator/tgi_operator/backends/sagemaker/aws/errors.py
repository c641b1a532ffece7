"""What AWS' refusals mean.

SageMaker answers almost everything with HTTP 400 `ValidationException`, so a refusal is known by its message only.
The rules are anchored texts, read in order; the first that fits decides.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from tgi_operator.api.reasons import Reason


class Meaning(StrEnum):
    """What a refused or failed call means for what to do next."""

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
    ACCESS_DENIED = "AccessDenied"
    CREDENTIALS_EXPIRED = "CredentialsExpired"
    THROTTLED = "Throttled"
    UNAVAILABLE = "Unavailable"
    NOT_OWNED = "NotOwned"
    REJECTED = "Rejected"
    UNKNOWN = "Unknown"


NOT_FOUND = frozenset({Meaning.ENDPOINT_NOT_FOUND, Meaning.CONFIG_NOT_FOUND, Meaning.MODEL_NOT_FOUND})
NOT_LET_IN = frozenset({Meaning.ACCESS_DENIED, Meaning.CREDENTIALS_EXPIRED})


class AWSError(Exception):
    """A call that AWS refused or that did not get through: what it means, and AWS' own words."""

    def __init__(self, meaning: Meaning, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.meaning = meaning
        self.operation = operation
        self.code = code
        self.message = message

    def without(self, secret: str | None) -> "AWSError":
        """Return the error with `secret` blotted out of AWS' words."""
        message = self.message.replace(secret, "[redacted]") if secret else self.message
        return AWSError(self.meaning, self.operation, self.code, message)


_BY_CODE = {
    "ResourceLimitExceeded": Meaning.QUOTA_EXCEEDED,
    "ResourceNotFound": Meaning.ENDPOINT_NOT_FOUND,
    "AccessDeniedException": Meaning.ACCESS_DENIED,
    "AccessDenied": Meaning.ACCESS_DENIED,
    "ExpiredTokenException": Meaning.CREDENTIALS_EXPIRED,
    "ExpiredToken": Meaning.CREDENTIALS_EXPIRED,
    "UnrecognizedClientException": Meaning.CREDENTIALS_EXPIRED,
    "InvalidSignatureException": Meaning.CREDENTIALS_EXPIRED,
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
    # Application Auto Scaling has codes of its own.
    "ObjectNotFoundException": Meaning.TARGET_NOT_FOUND,
    "ConcurrentUpdateException": Meaning.CONCURRENT_UPDATE,
    "LimitExceededException": Meaning.QUOTA_EXCEEDED,
    "FailedResourceAccessException": Meaning.ACCESS_DENIED,
    "InternalServiceException": Meaning.UNAVAILABLE,
}

_SETTLED: tuple[tuple[str, re.Pattern[str], Meaning], ...] = (
    # Others of this code pass: the issuer's keys could not be read just now.
    ("InvalidIdentityToken", re.compile(r"No OpenIDConnect provider|Incorrect token audience"), Meaning.ACCESS_DENIED),
)
"""Code and words that tell another meaning than the code alone."""

_INVALID = frozenset({"ValidationException", "ValidationError", "SerializationException", "ConflictException"})
"""Codes that say that the request itself is wrong, so that it will be refused again."""

_BY_MESSAGE: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        # «Could not find endpoint configuration "arn:…".» begins like the endpoint's text: it comes first.
        (r"^Could not find endpoint configuration ", Meaning.CONFIG_NOT_FOUND),
        (r'^Could not find endpoint "', Meaning.ENDPOINT_NOT_FOUND),
        (r"^Could not find model ", Meaning.MODEL_NOT_FOUND),
        (r"^Cannot create already existing (endpoint|endpoint configuration|model) ", Meaning.ALREADY_EXISTS),
        (r"^Cannot update in-progress endpoint ", Meaning.IN_PROGRESS),
        (r"^Cannot update endpoint with the currently in use endpoint configuration", Meaning.CONFIG_IN_USE),
        (r"^The execution role ARN .* is invalid", Meaning.INVALID_ROLE),
        (r"is not authorized to perform|does not have .* permission", Meaning.ACCESS_DENIED),
        (r"InsufficientInstanceCapacity|Unable to provision requested ML compute capacity", Meaning.NO_CAPACITY),
        (r"^Rate exceeded", Meaning.THROTTLED),
    )
)


def meaning(code: str, message: str, status: int) -> Meaning:
    """Return what an error response with that code, message and HTTP status means."""
    for known, pattern, found in _SETTLED:
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


@dataclass(frozen=True)
class Remedy:
    """How to go on after an error: the reason shown, whether a person must act, and the pause before the next try.

    Pauses are in seconds and double from `first` to `longest`. The first `patience` failures in a row change nothing in
    the status: they are usually over before anybody could read it.
    """

    reason: Reason
    stalled: bool
    first: float
    longest: float
    patience: int = 0

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return min(self.first * 2.0 ** (failures - 1), self.longest)


REMEDIES: dict[Meaning, Remedy] = {
    # Reads are eventually consistent: what was just created may not be found for half a minute.
    Meaning.ENDPOINT_NOT_FOUND: Remedy(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.CONFIG_NOT_FOUND: Remedy(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.MODEL_NOT_FOUND: Remedy(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.TARGET_NOT_FOUND: Remedy(Reason.SCALING_FAILED, stalled=False, first=5, longest=120, patience=5),
    # botocore does not retry it; it is over in a minute or two.
    Meaning.CONCURRENT_UPDATE: Remedy(Reason.SCALING_FAILED, stalled=False, first=15, longest=120, patience=3),
    Meaning.ALREADY_EXISTS: Remedy(Reason.CREATING, stalled=False, first=0.5, longest=30, patience=3),
    Meaning.IN_PROGRESS: Remedy(Reason.UPDATING, stalled=False, first=1, longest=60, patience=3),
    Meaning.CONFIG_IN_USE: Remedy(Reason.UPDATING, stalled=False, first=1, longest=60, patience=3),
    Meaning.QUOTA_EXCEEDED: Remedy(Reason.QUOTA_EXCEEDED, stalled=True, first=600, longest=1800),
    Meaning.NO_CAPACITY: Remedy(Reason.INSUFFICIENT_CAPACITY, stalled=False, first=60, longest=1800),
    # A role just created takes a minute or two until SageMaker may assume it.
    Meaning.INVALID_ROLE: Remedy(Reason.INVALID_EXECUTION_ROLE, stalled=True, first=5, longest=600, patience=5),
    Meaning.ACCESS_DENIED: Remedy(Reason.ACCESS_DENIED, stalled=True, first=60, longest=300),
    Meaning.CREDENTIALS_EXPIRED: Remedy(Reason.CREDENTIALS_EXPIRED, stalled=False, first=1, longest=60, patience=3),
    Meaning.THROTTLED: Remedy(Reason.THROTTLED, stalled=False, first=1, longest=60, patience=3),
    Meaning.UNAVAILABLE: Remedy(Reason.AWS_UNAVAILABLE, stalled=False, first=1, longest=60, patience=3),
    Meaning.NOT_OWNED: Remedy(Reason.NOT_OWNED, stalled=True, first=2, longest=600, patience=3),
    Meaning.UNKNOWN: Remedy(Reason.REJECTED_BY_AWS, stalled=True, first=60, longest=1800),
}
"""By meaning; REJECTED has none: the same request is not sent again."""


@dataclass(frozen=True)
class Failure:
    """What the FailureReason of an endpoint means; `retryable` where the same revision may well succeed later."""

    reason: Reason
    retryable: bool


_FAILURES: tuple[tuple[re.Pattern[str], Failure], ...] = tuple(
    (re.compile(pattern), failure)
    for pattern, failure in (
        (
            r"InsufficientInstanceCapacity|Unable to provision requested ML compute capacity",
            Failure(Reason.INSUFFICIENT_CAPACITY, retryable=True),
        ),
        (r"^Request to service failed", Failure(Reason.INTERNAL_FAILURE, retryable=True)),
        (
            r"did not pass the ping health check|CannotStartContainerError",
            Failure(Reason.CONTAINER_NOT_HEALTHY, retryable=False),
        ),
        (r"^Failed to download model data", Failure(Reason.MODEL_DOWNLOAD_FAILED, retryable=False)),
        (r"^The execution role ARN .* is invalid", Failure(Reason.INVALID_EXECUTION_ROLE, retryable=False)),
        (r"service limit '", Failure(Reason.QUOTA_EXCEEDED, retryable=False)),
    )
)

RETRYABLE = frozenset(known.reason for _, known in _FAILURES if known.retryable)
"""Reasons of failures after which the same revision may well succeed."""


def failure(failure_reason: str, otherwise: Reason) -> Failure:
    """Return what an endpoint's FailureReason means; `otherwise` is the reason where the text is not known."""
    for pattern, known in _FAILURES:
        if pattern.search(failure_reason):
            return known
    return Failure(otherwise, retryable=False)
