"""The Describe operations of Application Auto Scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws import pagination
from tgi_sandbox.aws.autoscaling import descriptions, requests
from tgi_sandbox.aws.errors import AwsError, validation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tgi_sandbox.aws.autoscaling.published import Key
    from tgi_sandbox.aws.operations.call import Call, Request, Response

_PAGE: Final = 50
_POLICIES_PAGE: Final = 10


def describe_scalable_targets(call: Call, request: Request) -> Response:
    """Describe targets, all or those of some ResourceIds."""
    _check_asked(request, "ResourceIds")
    shown = call.region.scaling.shown_targets.at(call.now)
    wanted = request.get("ResourceIds")
    if wanted is not None:
        keys = {(name.lower(),) for name in wanted}
        shown = {key: shown[key] for key in keys if key in shown}
    return _page(call, request, "ScalableTargets", _ordered(shown), _PAGE)


def describe_scaling_policies(call: Call, request: Request) -> Response:
    """Describe policies, of all targets or of one, ten at a time."""
    shown = _asked(request, call.region.scaling.shown_policies.at(call.now), "PolicyNames")
    return _page(call, request, "ScalingPolicies", _ordered(shown), _POLICIES_PAGE)


def describe_scheduled_actions(call: Call, request: Request) -> Response:
    """Describe scheduled actions, of all targets or of one."""
    shown = _asked(request, call.region.scaling.shown_actions.at(call.now), "ScheduledActionNames")
    return _page(call, request, "ScheduledActions", _ordered(shown), _PAGE)


def describe_scaling_activities(call: Call, request: Request) -> Response:
    """Describe activities, of all targets or of one, the newest first."""
    _check_asked(request, "ResourceId")
    # assumed: that IncludeNotScaledActivities adds nothing; the emulator stores no such activities.
    found = call.region.scaling.activities.newest_first(request.get("ResourceId"))
    return _page(call, request, "ScalingActivities", [descriptions.activity(each) for each in found], _PAGE)


def _check_asked(request: Request, resource: str) -> None:
    """Require the resource: "If you specify a scalable dimension, you must also specify a resource ID"."""
    requests.check_kind(request)
    if "ScalableDimension" in request and resource not in request:
        # assumed: the text; the rule is in the API reference.
        raise validation(f"A {resource} must be specified together with a scalable dimension.")


def _asked(request: Request, shown: Mapping[Key, dict[str, Any]], names: str) -> dict[Key, dict[str, Any]]:
    _check_asked(request, "ResourceId")
    target, wanted = request.get("ResourceId"), request.get(names)
    return {
        key: described
        for key, described in shown.items()
        if (target is None or key[0] == target.lower()) and (wanted is None or key[1] in wanted)
    }


def _ordered(shown: Mapping[Key, dict[str, Any]]) -> list[dict[str, Any]]:
    return [described for _, described in sorted(shown.items(), key=lambda item: item[0])]


def _page(call: Call, request: Request, name: str, found: Sequence[dict[str, Any]], most: int) -> Response:
    size = request.get("MaxResults", most)
    if not 1 <= size <= most:
        # assumed: the text; the bounds are documented.
        raise validation(f"MaxResults must be between 1 and {most}.")
    try:
        begin = int(pagination.read(call, name, request) or 0)
    except (ValueError, TypeError) as error:
        # assumed: the text.
        raise AwsError("InvalidNextTokenException", "The next token supplied was invalid.") from error
    end = begin + size
    rest = {"NextToken": pagination.issue(call, name, request, end)} if end < len(found) else {}
    return {name: list(found[begin:end]), **rest}
