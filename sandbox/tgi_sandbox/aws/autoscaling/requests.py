"""What requests to Application Auto Scaling have in common: the target they name, and how they are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.autoscaling.targets import DIMENSION, parse
from tgi_sandbox.aws.errors import AwsError, validation

if TYPE_CHECKING:
    from tgi_sandbox.aws.autoscaling.targets import Target
    from tgi_sandbox.aws.operations.call import Call, Request

NAMESPACE: Final = "sagemaker"


def addressed(request: Request) -> tuple[str, str]:
    """The endpoint and the variant a request names; the endpoint as AWS spells it, in lower case."""
    check_kind(request)
    found = parse(request["ResourceId"])
    if found is None:
        raise _unsupported()
    endpoint, variant = found
    return endpoint.lower(), variant


def check_kind(request: Request) -> None:
    """Refuse what is about something else than variants of endpoints, the only targets that the emulator has."""
    if request["ServiceNamespace"] != NAMESPACE or request.get("ScalableDimension", DIMENSION) != DIMENSION:
        raise _unsupported()


def target(call: Call, request: Request) -> Target:
    """The target a request names; raises AwsError when there is none."""
    found = call.region.scaling.target_of(*addressed(request))
    if found is None:
        raise not_found(f"No scalable target found for {words(request)}")
    return found


def target_to_hang_on(call: Call, request: Request) -> Target:
    """The target of a policy or scheduled action to be; raises AwsError when there is none."""
    found = call.region.scaling.target_of(*addressed(request))
    if found is None:
        raise not_found(f"No scalable target registered for {words(request)}")
    return found


def mutate(call: Call, changed: Target) -> None:
    """Note a write; raises AwsError when it comes too soon after another one to the same target."""
    # assumed: that a write which is refused for other reasons does not count.
    if call.now < changed.changed + call.world.concurrent_update_seconds:
        raise AwsError("ConcurrentUpdateException", "You already have a pending update to an Auto Scaling resource.")
    changed.changed = call.now
    call.region.scaling.woken.add(changed.endpoint)


def words(request: Request) -> str:
    """A target as errors name it."""
    dimension = request.get("ScalableDimension", DIMENSION)
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']}, "
        f"scalable dimension: {dimension}"
    )


def not_found(message: str) -> AwsError:
    """There is no such target, policy or scheduled action."""
    return AwsError("ObjectNotFoundException", message)


def limit_exceeded(what: str, most: int) -> AwsError:
    """There are too many of a thing."""
    # assumed: the text.
    return AwsError("LimitExceededException", f"You have reached the limit of {most} {what}.")


def _unsupported() -> AwsError:
    # assumed: the text.
    return validation("Unsupported service namespace, resource type or scalable dimension")
