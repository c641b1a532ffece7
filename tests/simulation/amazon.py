"""SageMaker and Application Auto Scaling: the emulator's world in process, with faults for each operation."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulation.copying import copied
from tgi_operator.backends.sagemaker.aws.errors import AWSError, meaning
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_sandbox.aws import errors
from tgi_sandbox.aws.authorization import needs
from tgi_sandbox.aws.autoscaling.operations import AUTOSCALING_OPERATIONS
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.iam import Policy
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT
from tgi_sandbox.aws.operations import OPERATIONS
from tgi_sandbox.aws.operations.call import Call
from tgi_sandbox.aws.state import Region
from tgi_sandbox.aws.validation import validate
from tgi_sandbox.aws.world import World

_OPERATIONS = {**OPERATIONS, **AUTOSCALING_OPERATIONS}

SECONDS_PER_CALL = 0.1

READS = ("Describe", "List")

EVERY = "*"


@dataclass(frozen=True)
class Fault:
    """The answer of AWS instead: a refusal or, with HTTP status 0, a failed connection without an answer.

    `seconds` pass before the answer. `after_effect`: AWS runs the operation, and only its answer is lost. `only` limits
    the fault to requests about names that contain the text.
    """

    code: str
    text: str
    status: int = 400
    seconds: float = 0.0
    after_effect: bool = False
    only: str = ""

    def error(self, operation: str) -> AWSError:
        """Return the error as the client raises it."""
        status = self.status or 500
        return AWSError(meaning(self.code, self.text, status), operation, self.code, self.text)


DENIED = Fault(
    "AccessDeniedException",
    f"User: arn:aws:sts::{DEFAULT_ACCOUNT}:assumed-role/operator/session is not authorized to perform this action "
    "because no identity-based policy allows the action",
)
THROTTLED = Fault("ThrottlingException", "Rate exceeded")
UNREACHABLE = Fault("EndpointConnectionError", "Could not connect to the endpoint URL", 0, seconds=15.0)
INTERNAL = Fault("InternalFailure", "Request to service failed.", 500)
HANGS = Fault("ReadTimeoutError", "Read timeout on endpoint URL", 0, seconds=75.0)
EXPIRED = Fault("ExpiredTokenException", "The security token included in the request is expired", 400)
CUT_OFF = Fault("ConnectionClosedError", "Connection was closed before we received a valid response", 0, 0.0, True)
UNREADABLE_DATA = Fault(
    "ValidationException",
    "Could not access model data at s3://weights/llm/. Please ensure that the role "
    f'"arn:aws:iam::{DEFAULT_ACCOUNT}:role/tgi-exec-falcon" exists and that its trust relationship policy allows the '
    'action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has '
    '"s3:GetObject" permissions and that the object is located in eu-west-1.',
)
NO_IMAGE = Fault(
    "ValidationException",
    f"Requested image {DEFAULT_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/tgi:1 not found.",
)
INVALID_ROLE = Fault(
    "ValidationException",
    f'The execution role ARN "arn:aws:iam::{DEFAULT_ACCOUNT}:role/tgi-exec-falcon" is invalid. Please ensure that the '
    'role exists and that its trust relationship policy allows the action "sts:AssumeRole" for the service principal '
    '"sagemaker.amazonaws.com".',
)


@dataclass(frozen=True)
class Made:
    """One call that AWS has run, at a virtual time."""

    time: float
    region: str
    operation: str
    request: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the object that the request is about."""
        names = ("EndpointConfigName", "EndpointName", "ModelName", "ResourceId", "ResourceArn")
        return next((str(self.request[each]) for each in names if each in self.request), "")


@dataclass
class Amazon:
    """One account in every region.

    `faults` are by region and operation, each of which may be EVERY. `stale` are outdated answers to reads. `cut` is
    how many changes lose their answer. `policy` is the operator's IAM policy; None: everything is allowed.
    """

    world: World
    calls: list[Made] = field(default_factory=list)
    attempts: list[tuple[float, str, str]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    stale: dict[str, Mapping[str, Any] | AWSError] = field(default_factory=dict)
    cut: int = 0
    policy: Policy | None = None

    # Requests of the operator's client

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run one operation of the operator. Raises AWSError."""
        await asyncio.sleep(SECONDS_PER_CALL / 2)
        self.attempts.append((self.world.clock.now(), scope.region, operation))
        fault = self._fault(scope.region, operation, request)
        if fault is not None and not fault.after_effect:
            await asyncio.sleep(fault.seconds)
            raise fault.error(operation)
        response = self._recorded(scope.region, operation, request)
        await asyncio.sleep(SECONDS_PER_CALL / 2)
        if fault is not None:
            raise fault.error(operation)
        return response

    def _recorded(self, region: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._authorize(region, operation, request)
            response = self._past(operation) or self.direct(operation, request, region)
        except AWSError as error:
            self.refusals.append((operation, error.message))
            raise
        self.calls.append(Made(self.world.clock.now(), region, operation, copied(dict(request))))
        return response

    def _authorize(self, region: str, operation: str, request: Mapping[str, Any]) -> None:
        """Raise AWSError if the operator's policy does not allow a request."""
        if self.policy is None:
            return
        service = "application-autoscaling" if operation in AUTOSCALING_OPERATIONS else "sagemaker"
        for need in needs(service, operation, request, self.region(region)):
            if not self.policy.allows(need.action, need.resource, need.context):
                refused = errors.access_denied("operator", need.action.partition(":")[2], need.resource, service)
                found = meaning(refused.code, refused.message, refused.status)
                raise AWSError(found, operation, refused.code, refused.message)

    def _past(self, operation: str) -> dict[str, Any] | None:
        """Return the outdated answer to an operation, None if it gets a current one."""
        past = self.stale.get(operation)
        if isinstance(past, AWSError):
            raise past
        return copied(dict(past)) if past is not None else None

    def _fault(self, region: str, operation: str, request: Mapping[str, Any]) -> Fault | None:
        if self.cut and not operation.startswith(READS):
            self.cut -= 1
            return CUT_OFF
        places = ((region, operation), (EVERY, operation), (region, EVERY), (EVERY, EVERY))
        found = next((self.faults[place] for place in places if place in self.faults), None)
        return found if found is not None and found.only in str(request) else None

    # Actions of tests, users and AWS itself

    def direct(self, operation: str, request: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Run one operation as any user of the account. Raises AWSError."""
        plain = copied(dict(request))
        try:
            validate(operation, plain)
            call = Call(self.world, self.region(region), self.world.clock.now())
            response = _OPERATIONS[operation](call, plain)
        except AwsError as error:
            found = meaning(error.code, error.message, error.status)
            raise AWSError(found, operation, error.code, error.message) from None
        return {name: _typed(name, value) for name, value in response.items()}

    def region(self, region: str) -> Region:
        """Return the current state of a region."""
        return self.world.region(DEFAULT_ACCOUNT, region)

    @contextmanager
    def failing(self, fault: Fault, *operations: str, region: str = EVERY) -> Iterator[None]:
        """Let operations fail, all of them if none is named."""
        self.fail(fault, *operations, region=region)
        try:
            yield
        finally:
            self.mend(*operations, region=region)

    def fail(self, fault: Fault, *operations: str, region: str = EVERY) -> None:
        """Let operations fail until `mend` is called."""
        self.faults.update({(region, operation): fault for operation in operations or (EVERY,)})

    def mend(self, *operations: str, region: str = EVERY) -> None:
        """End the faults of operations, of all if none is named."""
        for operation in operations or (EVERY,):
            self.faults.pop((region, operation), None)

    def made(self, *operations: str, since: int = 0) -> list[str]:
        """Return the named operations that AWS has run, in order."""
        return [call.operation for call in self.calls[since:] if call.operation in operations]

    def changes(self, since: int = 0) -> list[str]:
        """Return the operations that change resources, in order."""
        return [call.operation for call in self.calls[since:] if not call.operation.startswith(READS)]

    def attempted(self, *operations: str, since: float = 0.0) -> list[float]:
        """Return when operations were attempted, regardless of the answer."""
        return [time for time, _, operation in self.attempts if operation in operations and time >= since]


def _typed(name: str, value: Any) -> Any:
    """Return a value in boto3's types: times are datetimes."""
    if name.endswith("Time"):
        return datetime.fromtimestamp(value, UTC)
    if name in ("Endpoints", "ScalingActivities"):
        return [{key: _typed(key, inner) for key, inner in entry.items()} for entry in value]
    return value
