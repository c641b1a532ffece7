"""RegisterScalableTarget and DeregisterScalableTarget."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.autoscaling import capacity, requests
from tgi_sandbox.aws.autoscaling.arns import new_target_arn
from tgi_sandbox.aws.autoscaling.descriptions import publish_target
from tgi_sandbox.aws.autoscaling.tagging import with_tags
from tgi_sandbox.aws.autoscaling.targets import Target
from tgi_sandbox.aws.errors import AwsError, validation

if TYPE_CHECKING:
    from tgi_sandbox.aws.lifecycle import Variant
    from tgi_sandbox.aws.operations.call import Call, Request, Response

_BURSTABLE: Final = re.compile(r"ml\.t\d")
"""Families such as t2 and t3, but not ml.trn1 and similar types."""


def register_scalable_target(call: Call, request: Request) -> Response:
    """Register or change a variant as a scalable target, and bring its instance count within the bounds immediately."""
    endpoint, variant = requests.addressed(request)
    known = call.region.scaling.target_of(endpoint, variant)
    _check_type(_living(call, request, endpoint, variant))
    least = request.get("MinCapacity", known.least if known else None)
    most = request.get("MaxCapacity", known.most if known else None)
    bounds = _checked(least, most)
    tags = _tags(known, request.get("Tags") or {})
    found = known or _new(call, endpoint, variant)
    requests.mutate(call, found)
    if known is None:
        call.region.scaling.add(found)
    found.least, found.most = bounds
    found.suspended |= request.get("SuspendedState") or {}
    found.tags = tags
    publish_target(call, found)
    # While the endpoint changes, its instance count stays (RegisterScalableTarget reference).
    capacity.clamp(call, found)
    return {"ScalableTargetARN": found.arn}


def deregister_scalable_target(call: Call, request: Request) -> Response:
    """Delete a target with its policies and scheduled actions."""
    target = requests.target(call, request)
    requests.mutate(call, target)
    call.region.scaling.remove(target, call.visible_at)
    return {}


def _tags(known: Target | None, tags: dict[str, str]) -> dict[str, str]:
    if known is None or not tags:
        return known.tags if known else with_tags({}, tags)
    # terraform-aws-modules/terraform-aws-rds-aurora#420
    raise validation(
        "The scalable target that you tried to tag already exists. To update tags on an existing scalable target, use "
        "the TagResource API."
    )


def _new(call: Call, endpoint: str, variant: str) -> Target:
    most = call.world.scalable_targets_quota
    if len(call.region.scaling.targets) >= most:
        raise requests.limit_exceeded("scalable targets", most)
    resource_id = f"endpoint/{endpoint}/variant/{variant}"
    never = call.now - call.world.concurrent_update_seconds
    return Target(resource_id, new_target_arn(call.region), endpoint, variant, 1, 1, call.now, changed=never)


def _living(call: Call, request: Request, endpoint: str, variant: str) -> Variant:
    found = call.region.endpoints.get(endpoint)
    variants = (*found.variants, *(found.pending.variants if found.pending else ())) if found else ()
    living = next((each for each in variants if each.name == variant), None)
    if living is None:
        # assumed: the text.
        raise validation(f"SageMaker endpoint variant does not exist: {request['ResourceId']}")
    return living


def _check_type(variant: Variant) -> None:
    if _BURSTABLE.match(variant.instance_type or ""):
        raise validation(
            f"You cannot register a variant with {variant.instance_type} instance type as a scalable target. This is "
            "because the burstable performance of these instances can lead to unpredictable behavior with Auto Scaling."
        )


def _checked(least: int | None, most: int | None) -> tuple[int, int]:
    if least is None or most is None:
        # assumed: the text.
        raise validation("MinCapacity and MaxCapacity must be specified when registering a new scalable target.")
    if (refusal := refused_bounds(least, most)) is not None:
        raise refusal
    return least, most


def refused_bounds(least: int | None, most: int | None) -> AwsError | None:
    """Return the error for bounds that a variant cannot have; a bound can be omitted."""
    if least is not None and least < 1:
        # assumed: the text; only asynchronous variants and inference components can scale to 0.
        return validation("MinCapacity must be at least 1 for a real-time endpoint variant.")
    if most is not None and (most < 1 or (least is not None and least > most)):
        # assumed: the text.
        return validation("Maximum capacity cannot be less than minimum capacity")
    return None
