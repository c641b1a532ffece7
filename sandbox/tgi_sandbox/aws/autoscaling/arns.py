"""Names in the formats of Application Auto Scaling: ARNs, alarms and the service-linked role."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tgi_sandbox.aws.arns import partition

if TYPE_CHECKING:
    from tgi_sandbox.aws.state import Region


def new_target_arn(region: Region) -> str:
    """The ARN of a new scalable target."""
    return _arn(region, "application-autoscaling", f"scalable-target/{uuid.uuid4().hex}")


def new_policy_arn(region: Region, resource_id: str, name: str) -> str:
    """The ARN of a new scaling policy."""
    place = f"scalingPolicy:{uuid.uuid4()}:resource/sagemaker/{resource_id}"
    return _arn(region, "autoscaling", f"{place}:policyName/{name}")


def new_action_arn(region: Region, resource_id: str, name: str) -> str:
    """The ARN of a new scheduled action."""
    place = f"scheduledAction:{uuid.uuid4()}:resource/sagemaker/{resource_id}"
    return _arn(region, "autoscaling", f"{place}:scheduledActionName/{name}")


def new_alarms(resource_id: str) -> tuple[str, str]:
    """The names of the alarms of a new target tracking policy: high and low."""
    high, low = (f"TargetTracking-{resource_id}-{kind}-{uuid.uuid4()}" for kind in ("AlarmHigh", "AlarmLow"))
    return high, low


def alarm_arn(region: Region, name: str) -> str:
    """The ARN of an alarm."""
    return _arn(region, "cloudwatch", f"alarm:{name}")


def role_arn(region: Region) -> str:
    """The ARN of the service-linked role."""
    role = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    path = "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
    return f"arn:{partition(region.region)}:iam::{region.account}:{path}/{role}"


def _arn(region: Region, service: str, resource: str) -> str:
    return f"arn:{partition(region.region)}:{service}:{region.region}:{region.account}:{resource}"
