"""Targets, policies, scheduled actions and activities in the formats of the Describe operations."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tgi_sandbox.aws.autoscaling.arns import alarm_arn, role_arn
from tgi_sandbox.aws.autoscaling.targets import DIMENSION
from tgi_sandbox.aws.operations.call import timestamp

if TYPE_CHECKING:
    from tgi_sandbox.aws.autoscaling.activities import Activity
    from tgi_sandbox.aws.autoscaling.targets import Policy, ScheduledAction, Target
    from tgi_sandbox.aws.operations.call import Call
    from tgi_sandbox.aws.state import Region

Description = dict[str, Any]


def publish_target(call: Call, target: Target) -> None:
    """Let reads show the current state of a target."""
    described = {
        **_addressed(target.resource_id),
        "MinCapacity": target.least,
        "MaxCapacity": target.most,
        "RoleARN": role_arn(call.region),
        "CreationTime": timestamp(target.created),
        "SuspendedState": dict(target.suspended),
        "ScalableTargetARN": target.arn,
    }
    call.region.scaling.shown_targets.write((target.key,), described, call.visible_at)


def publish_policy(call: Call, target: Target, policy: Policy) -> None:
    """Let reads show the current state of a policy."""
    described = {
        **copy.deepcopy(policy.body),
        **_addressed(target.resource_id),
        "PolicyARN": policy.arn,
        "Alarms": alarms(call.region, policy),
        "CreationTime": timestamp(policy.created),
    }
    call.region.scaling.shown_policies.write((target.key, policy.name), described, call.visible_at)


def publish_action(call: Call, target: Target, action: ScheduledAction) -> None:
    """Let reads show the current state of a scheduled action."""
    described = {
        **copy.deepcopy(action.body),
        **_addressed(target.resource_id),
        "ScheduledActionARN": action.arn,
        "CreationTime": timestamp(action.created),
    }
    name = action.body["ScheduledActionName"]
    call.region.scaling.shown_actions.write((target.key, name), described, call.visible_at)


def activity(of: Activity) -> Description:
    """Return a scaling activity in the format of DescribeScalingActivities."""
    end = {} if of.end is None else {"EndTime": timestamp(of.end)}
    return {
        "ActivityId": of.id,
        **_addressed(of.resource_id),
        "Description": of.description,
        "Cause": of.cause,
        "StartTime": timestamp(of.start),
        **end,
        "StatusCode": of.status,
        "StatusMessage": of.message,
    }


def alarms(region: Region, policy: Policy) -> list[dict[str, str]]:
    """Return the alarms of a policy."""
    return [{"AlarmName": name, "AlarmARN": alarm_arn(region, name)} for name in policy.alarms or ()]


def _addressed(resource_id: str) -> dict[str, str]:
    return {"ServiceNamespace": "sagemaker", "ResourceId": resource_id, "ScalableDimension": DIMENSION}
