"""The shared parts of requests to Application Auto Scaling: the target that they name, and their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.autoscaling.targets import DIMENSION, parse
from tgi_sandbox.aws.errors import AwsError, validation

if TYPE_CHECKING:
    from tgi_sandbox.aws.autoscaling.targets import Target
    from tgi_sandbox.aws.operations.call import Call, Request

NAMESPACE: Final = "sagemaker"


def addressed(request: Request) -> tuple[str, str]:
    """Return the endpoint and the variant that a request names; the endpoint as AWS stores it, in lowercase."""
    check_kind(request)
    found = parse(request["ResourceId"])
    if found is None:
        raise _unsupported()
    endpoint, variant = found
    return endpoint.lower(), variant


def check_kind(request: Request) -> None:
    """Refuse anything but variants of endpoints, the only targets in the emulator."""
    if request["ServiceNamespace"] != NAMESPACE or request.get("ScalableDimension", DIMENSION) != DIMENSION:
        raise _unsupported()


def target(call: Call, request: Request) -> Target:
    """Return the target that a request names; raises AwsError if it does not exist."""
    found = call.region.scaling.target_of(*addressed(request))
    if found is None:
        raise not_found(f"No scalable target found for {words(request)}")
    return found


def target_to_hang_on(call: Call, request: Request) -> Target:
    """Return the target of a new policy or scheduled action; raises AwsError if it does not exist."""
    found = call.region.scaling.target_of(*addressed(request))
    if found is None:
        raise not_found(f"No scalable target registered for {words(request)}")
    return found


def mutate(call: Call, changed: Target) -> None:
    """Record a write; raises AwsError if it comes too soon after another one to the same target."""
    # assumed: that a write that is refused for other reasons does not count.
    if call.now < changed.changed + call.world.concurrent_update_seconds:
        raise AwsError("ConcurrentUpdateException", "You already have a pending update to an Auto Scaling resource.")
    changed.changed = call.now
    call.region.scaling.woken.add(changed.endpoint)


def words(request: Request) -> str:
    """Format a target as errors do."""
    dimension = request.get("ScalableDimension", DIMENSION)
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']}, "
        f"scalable dimension: {dimension}"
    )


def not_found(message: str) -> AwsError:
    """The error for a target, policy or scheduled action that does not exist."""
    return AwsError("ObjectNotFoundException", message)


def limit_exceeded(what: str, most: int) -> AwsError:
    """The error for too many resources of a kind."""
    # assumed: the text.
    return AwsError("LimitExceededException", f"You have reached the limit of {most} {what}.")


def _unsupported() -> AwsError:
    # assumed: the text.
    return validation("Unsupported service namespace, resource type or scalable dimension")
