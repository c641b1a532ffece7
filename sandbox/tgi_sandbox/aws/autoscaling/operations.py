"""The operations of Application Auto Scaling that the emulator implements, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.autoscaling.actions import delete_scheduled_action, put_scheduled_action
from tgi_sandbox.aws.autoscaling.policies import delete_scaling_policy, put_scaling_policy
from tgi_sandbox.aws.autoscaling.reading import (
    describe_scalable_targets,
    describe_scaling_activities,
    describe_scaling_policies,
    describe_scheduled_actions,
)
from tgi_sandbox.aws.autoscaling.registration import deregister_scalable_target, register_scalable_target
from tgi_sandbox.aws.autoscaling.tagging import list_tags_for_resource, tag_resource, untag_resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgi_sandbox.aws.operations.call import Operation

AUTOSCALING_OPERATIONS: Final[Mapping[str, Operation]] = {
    "DeleteScalingPolicy": delete_scaling_policy,
    "DeleteScheduledAction": delete_scheduled_action,
    "DeregisterScalableTarget": deregister_scalable_target,
    "DescribeScalableTargets": describe_scalable_targets,
    "DescribeScalingActivities": describe_scaling_activities,
    "DescribeScalingPolicies": describe_scaling_policies,
    "DescribeScheduledActions": describe_scheduled_actions,
    "ListTagsForResource": list_tags_for_resource,
    "PutScalingPolicy": put_scaling_policy,
    "PutScheduledAction": put_scheduled_action,
    "RegisterScalableTarget": register_scalable_target,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
