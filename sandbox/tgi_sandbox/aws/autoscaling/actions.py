"""PutScheduledAction and DeleteScheduledAction."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.autoscaling import requests, schedules
from tgi_sandbox.aws.autoscaling.arns import new_action_arn
from tgi_sandbox.aws.autoscaling.descriptions import publish_action
from tgi_sandbox.aws.autoscaling.registration import refused_bounds
from tgi_sandbox.aws.autoscaling.targets import ScheduledAction
from tgi_sandbox.aws.errors import validation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgi_sandbox.aws.operations.call import Call, Request, Response

MOST_ACTIONS: Final = 200
_ENDS: Final = ("StartTime", "EndTime")


def put_scheduled_action(call: Call, request: Request) -> Response:
    """Add a scheduled action to a target, or change it: omitted members keep their values, except start and end."""
    target = requests.target_to_hang_on(call, request)
    name = request["ScheduledActionName"]
    former = target.actions.get(name)
    kept = {key: value for key, value in (former.body if former else {}).items() if key not in _ENDS}
    body = {**kept, **copy.deepcopy(request)}
    created = former.created if former else call.now
    due = _checked(body, created, call.now)
    if former is None and len(target.actions) >= MOST_ACTIONS:
        raise requests.limit_exceeded("scheduled actions for a scalable target", MOST_ACTIONS)
    requests.mutate(call, target)
    arn = former.arn if former else new_action_arn(call.region, target.resource_id, name)
    action = target.actions[name] = ScheduledAction(arn, body, created, due)
    call.region.scaling.plan(target, name)
    publish_action(call, target, action)
    return {}


def delete_scheduled_action(call: Call, request: Request) -> Response:
    """Delete a scheduled action."""
    target = call.region.scaling.target_of(*requests.addressed(request))
    name = request["ScheduledActionName"]
    if target is None or name not in target.actions:
        # assumed: the text.
        raise requests.not_found(
            f"No scheduled action found for {requests.words(request)}, scheduled action name: {name}"
        )
    requests.mutate(call, target)
    del target.actions[name]
    call.region.scaling.shown_actions.write((target.key, name), None, call.visible_at)
    return {}


def _checked(body: Mapping[str, Any], created: float, now: float) -> float | None:
    """Return when the action runs first; raises AwsError for an action that AWS refuses."""
    # assumed: all texts.
    if "Schedule" not in body:
        raise validation("Schedule is required for a new scheduled action.")
    bounds = body.get("ScalableTargetAction") or {}
    if "MinCapacity" not in bounds and "MaxCapacity" not in bounds:
        raise validation("ScalableTargetAction needs MinCapacity or MaxCapacity.")
    if (refusal := refused_bounds(bounds.get("MinCapacity"), bounds.get("MaxCapacity"))) is not None:
        raise refusal
    if body.get("StartTime", now) > body.get("EndTime", float("inf")):
        raise validation("EndTime must be later than StartTime.")
    try:
        due = schedules.next_time(body["Schedule"], body.get("Timezone"), created, now)
    except ValueError as error:
        raise validation(f"Invalid schedule: {error}") from None
    # A recurring action runs at its start time too, and then on its schedule (user guide, "Schedule recurring scaling
    # actions").
    start = body.get("StartTime", now)
    return start if start > now and not body["Schedule"].startswith("at") else due
