"""The operations of Application Auto Scaling that the double answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.arns import partition
from tgi_sandbox.aws.autoscaling import engine, schedules
from tgi_sandbox.aws.autoscaling.metrics import PREDEFINED
from tgi_sandbox.aws.autoscaling.targets import DIMENSION, NOT_SUSPENDED, Policy, ScheduledAction, Target, parse
from tgi_sandbox.aws.errors import AwsError, validation
from tgi_sandbox.aws.operations.call import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tgi_sandbox.aws.lifecycle import Variant
    from tgi_sandbox.aws.operations.call import Call, Operation, Request, Response

MOST_POLICIES: Final = 50
MOST_ACTIONS: Final = 200
_TARGETS_PAGE: Final = 50
_POLICIES_PAGE: Final = 10
_PAGE: Final = 50


def register_scalable_target(call: Call, request: Request) -> Response:
    """Make a variant a scalable target, or change the bounds of one."""
    endpoint, variant = _addressed(request)
    found = call.region.scaling.target_of(endpoint, variant)
    living = _living(call, endpoint, variant)
    least = request.get("MinCapacity", found.least if found else None)
    most = request.get("MaxCapacity", found.most if found else None)
    if least is None or most is None:
        # assumed: the text.
        raise validation("MinCapacity and MaxCapacity must be specified when registering a new scalable target.")
    if least < 1:
        # assumed: the text; a real-time variant cannot scale to zero.
        raise validation("MinCapacity must be at least 1 for a real-time endpoint variant.")
    if least > most:
        # assumed: the text.
        raise validation("Maximum capacity cannot be less than minimum capacity")
    if str(living.instance_type).startswith("ml.t"):
        raise validation(
            f"You cannot register a variant with {living.instance_type} instance type as a scalable target. This is "
            "because the burstable performance instance types do not support autoscaling."
        )
    if found is None:
        if len(call.region.scaling.targets) >= call.world.scalable_targets_quota:
            raise _limit("scalable targets", call.world.scalable_targets_quota)
        found = _new_target(call, request["ResourceId"], endpoint, variant, least, most)
    _mutate(call, found)
    found.least, found.most = least, most
    found.suspended = found.suspended | request.get("SuspendedState", {})
    found.tags |= request.get("Tags", {})
    engine.clamp(call, found)
    return {"ScalableTargetARN": found.arn}


def _new_target(call: Call, resource_id: str, endpoint: str, variant: str, least: int, most: int) -> Target:
    region = call.region
    of = partition(region.region)
    number = f"{region.scaling.number():012x}"
    arn = f"arn:{of}:application-autoscaling:{region.region}:{region.account}:scalable-target/{number}"
    target = Target(resource_id, arn, endpoint, variant, least, most, call.now, call.visible_at)
    target.suspended = dict(NOT_SUSPENDED)
    region.scaling.targets[resource_id.lower()] = target
    return target


def deregister_scalable_target(call: Call, request: Request) -> Response:
    """Forget a target with its policies and scheduled actions."""
    target = _target(call, request)
    _mutate(call, target)
    del call.region.scaling.targets[target.resource_id.lower()]
    return {}


def put_scaling_policy(call: Call, request: Request) -> Response:
    """Add a policy to a target, or change it."""
    target = _target(call, request)
    _mutate(call, target)
    name = request["PolicyName"]
    former = target.policies.get(name)
    _check_policy(target, request)
    if former is None and len(target.policies) >= MOST_POLICIES:
        raise _limit("scaling policies", MOST_POLICIES)
    number = call.region.scaling.number()
    arn = former.arn if former else f"{target.arn.replace('scalable-target', 'scalingPolicy')}:policyName/{name}"
    kept = former.body if former else {}
    alarms = tuple(f"TargetTracking-{target.resource_id}-{kind}-{number:012d}" for kind in ("AlarmHigh", "AlarmLow"))
    found = Policy(arn, {**kept, **request}, call.now, former.alarms if former else (alarms[0], alarms[1]))
    target.policies[name] = found
    return {"PolicyARN": arn, "Alarms": _alarms(target, found)}


def _check_policy(target: Target, request: Request) -> None:
    configuration = request.get("TargetTrackingScalingPolicyConfiguration")
    if request.get("PolicyType", "StepScaling") != "TargetTrackingScaling":
        return
    if configuration is None:
        raise validation("TargetTrackingScalingPolicyConfiguration is required for TargetTrackingScaling.")
    predefined = (configuration.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
    if (predefined is None) is ("CustomizedMetricSpecification" not in configuration):
        # assumed: the text.
        raise validation("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification is required.")
    if predefined is None:
        return
    if predefined not in PREDEFINED:
        # assumed: the text.
        raise validation(f"Metric type {predefined} cannot be used with scalable dimension {DIMENSION}.")
    for other in target.policies.values():
        tracked = ((other.configuration or {}).get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
        if other.name != request["PolicyName"] and tracked == predefined:
            # assumed: the text.
            raise validation(f"Only one TargetTrackingScaling policy for metric {predefined} is allowed.")


def delete_scaling_policy(call: Call, request: Request) -> Response:
    """Delete a policy."""
    target = _target(call, request)
    if request["PolicyName"] not in target.policies:
        raise _not_found(f"No scaling policy found for {_words(request)}")
    _mutate(call, target)
    del target.policies[request["PolicyName"]]
    return {}


def put_scheduled_action(call: Call, request: Request) -> Response:
    """Add a scheduled action to a target, or change it."""
    target = _target(call, request)
    _mutate(call, target)
    name = request["ScheduledActionName"]
    former = target.actions.get(name)
    body = {**(former.body if former else {}), **request}
    if "Schedule" not in body:
        raise validation("Schedule is required for a new scheduled action.")
    bounds = body.get("ScalableTargetAction", {})
    if bounds.get("MinCapacity", 1) < 1 or bounds.get("MinCapacity", 0) > bounds.get("MaxCapacity", 10**9):
        # assumed: the text.
        raise validation("MinCapacity and MaxCapacity of the action do not fit.")
    try:
        schedules.check(body["Schedule"], body.get("Timezone"))
        due = schedules.next_time(body["Schedule"], body.get("Timezone"), call.now, call.now)
    except ValueError as error:
        # assumed: the text.
        raise validation(f"Invalid schedule: {error}") from None
    if former is None and len(target.actions) >= MOST_ACTIONS:
        raise _limit("scheduled actions", MOST_ACTIONS)
    arn = f"{target.arn.replace('scalable-target', 'scheduledAction')}:scheduledActionName/{name}"
    target.actions[name] = ScheduledAction(arn, body, former.created if former else call.now, due)
    return {}


def delete_scheduled_action(call: Call, request: Request) -> Response:
    """Delete a scheduled action."""
    target = _target(call, request)
    if request["ScheduledActionName"] not in target.actions:
        raise _not_found(f"No scheduled action found for {_words(request)}")
    _mutate(call, target)
    del target.actions[request["ScheduledActionName"]]
    return {}


def describe_scalable_targets(call: Call, request: Request) -> Response:
    """Return targets, all or those of some ResourceIds."""
    wanted = {name.lower() for name in request.get("ResourceIds", ())}
    found = [
        _described_target(target)
        for key, target in sorted(call.region.scaling.targets.items())
        if target.visible_at <= call.now and (not wanted or key in wanted)
    ]
    return _page(request, "ScalableTargets", found, _TARGETS_PAGE)


def describe_scaling_policies(call: Call, request: Request) -> Response:
    """Return policies, ten at a time."""
    found = [
        _described_policy(target, policy)
        for target in _asked(call, request)
        for _, policy in sorted(target.policies.items())
        if policy.created + call.world.consistency_delay <= call.now
        if request.get("PolicyNames") is None or policy.name in request["PolicyNames"]
    ]
    return _page(request, "ScalingPolicies", found, _POLICIES_PAGE)


def describe_scheduled_actions(call: Call, request: Request) -> Response:
    """Return scheduled actions."""
    found = [
        {**action.body, "ScheduledActionARN": action.arn, "CreationTime": timestamp(action.created)}
        for target in _asked(call, request)
        for _, action in sorted(target.actions.items())
        if action.created + call.world.consistency_delay <= call.now
    ]
    return _page(request, "ScheduledActions", found, _PAGE)


def describe_scaling_activities(call: Call, request: Request) -> Response:
    """Return activities, the newest first."""
    wanted = request.get("ResourceId")
    found = [
        {
            "ActivityId": activity.id,
            "ServiceNamespace": "sagemaker",
            "ResourceId": activity.resource_id,
            "ScalableDimension": DIMENSION,
            "Description": activity.description,
            "Cause": activity.cause,
            "StartTime": timestamp(activity.start),
            **({"EndTime": timestamp(activity.end)} if activity.end is not None else {}),
            "StatusCode": activity.status,
            "StatusMessage": activity.message,
        }
        for activity in call.region.scaling.activities
        if wanted is None or activity.resource_id.lower() == wanted.lower()
    ]
    return _page(request, "ScalingActivities", found, _PAGE)


def tag_resource(call: Call, request: Request) -> Response:
    """Add tags to a target."""
    _by_arn(call, request).tags |= request["Tags"]
    return {}


def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags from a target."""
    tags = _by_arn(call, request).tags
    for key in request["TagKeys"]:
        tags.pop(key, None)
    return {}


def list_tags_for_resource(call: Call, request: Request) -> Response:
    """Return the tags of a target."""
    return {"Tags": dict(_by_arn(call, request).tags)}


def _addressed(request: Request) -> tuple[str, str]:
    if request["ServiceNamespace"] != "sagemaker" or request.get("ScalableDimension", DIMENSION) != DIMENSION:
        # assumed: the text; the double knows variants of endpoints only.
        raise validation("Unsupported service namespace, resource type or scalable dimension")
    found = parse(request["ResourceId"])
    if found is None:
        # assumed: the text.
        raise validation("Unsupported service namespace, resource type or scalable dimension")
    return found


def _living(call: Call, endpoint: str, variant: str) -> Variant:
    living = call.region.endpoints.get(endpoint.lower())
    variants = (*living.variants, *(living.pending.variants if living.pending else ())) if living else ()
    found = next((each for each in variants if each.name == variant), None)
    if found is None:
        # assumed: the text.
        raise validation(f"SageMaker endpoint variant does not exist: endpoint/{endpoint}/variant/{variant}")
    return found


def _target(call: Call, request: Request) -> Target:
    endpoint, variant = _addressed(request)
    found = call.region.scaling.target_of(endpoint, variant)
    if found is None:
        raise _not_found(f"No scalable target found for {_words(request)}")
    return found


def _words(request: Request) -> str:
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']}, "
        f"scalable dimension: {request.get('ScalableDimension', DIMENSION)}"
    )


def _by_arn(call: Call, request: Request) -> Target:
    found = (each for each in call.region.scaling.targets.values() if each.arn == request["ResourceARN"])
    target = next(found, None)
    if target is None:
        raise AwsError("ResourceNotFoundException", f"No scalable target found for ARN {request['ResourceARN']}")
    return target


def _mutate(call: Call, target: Target) -> None:
    """Refuse a change that comes too soon after another one of the same target."""
    if call.now - target.changed < call.world.concurrent_update_seconds:
        raise AwsError("ConcurrentUpdateException", "You already have a pending update to an Auto Scaling resource.")
    target.changed = call.now


def _asked(call: Call, request: Request) -> Iterable[Target]:
    wanted = request.get("ResourceId")
    targets = sorted(call.region.scaling.targets.items())
    return [target for key, target in targets if wanted is None or key == wanted.lower()]


def _described_target(target: Target) -> Response:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": target.resource_id,
        "ScalableDimension": DIMENSION,
        "MinCapacity": target.least,
        "MaxCapacity": target.most,
        "RoleARN": "arn:aws:iam::111122223333:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        "CreationTime": timestamp(target.created),
        "SuspendedState": target.suspended,
        "ScalableTargetARN": target.arn,
    }


def _described_policy(target: Target, policy: Policy) -> Response:
    return {
        **policy.body,
        "PolicyARN": policy.arn,
        "Alarms": _alarms(target, policy),
        "CreationTime": timestamp(policy.created),
    }


def _alarms(target: Target, policy: Policy) -> list[dict[str, str]]:
    prefix = target.arn.partition(":application-autoscaling")[0]
    if policy.configuration is None:
        return []
    return [{"AlarmName": name, "AlarmARN": f"{prefix}:cloudwatch:alarm:{name}"} for name in policy.alarms]


def _page(request: Request, name: str, found: Sequence[Mapping[str, Any]], longest: int) -> Response:
    size = min(request.get("MaxResults", longest), longest)
    token = request.get("NextToken", "0")
    if not token.isdecimal():
        raise AwsError("InvalidNextTokenException", "The next token is not valid.")
    begin = int(token)
    rest = {"NextToken": str(begin + size)} if begin + size < len(found) else {}
    return {name: list(found[begin : begin + size]), **rest}


def _not_found(message: str) -> AwsError:
    return AwsError("ObjectNotFoundException", message)


def _limit(what: str, number: int) -> AwsError:
    # assumed: the text.
    return AwsError("LimitExceededException", f"You have reached the limit of {number} {what}.")


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
