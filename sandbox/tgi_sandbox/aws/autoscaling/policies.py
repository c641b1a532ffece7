"""PutScalingPolicy and DeleteScalingPolicy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.autoscaling import requests
from tgi_sandbox.aws.autoscaling.alarms import Tracking
from tgi_sandbox.aws.autoscaling.arns import new_alarms, new_policy_arn
from tgi_sandbox.aws.autoscaling.descriptions import alarms, publish_policy
from tgi_sandbox.aws.autoscaling.expressions import ids_of
from tgi_sandbox.aws.autoscaling.metrics import PREDEFINED
from tgi_sandbox.aws.autoscaling.targets import DIMENSION, Policy
from tgi_sandbox.aws.errors import validation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgi_sandbox.aws.autoscaling.targets import Target
    from tgi_sandbox.aws.operations.call import Call, Request, Response

MOST_POLICIES: Final = 50
_TRACKING: Final = "TargetTrackingScaling"
_STEPS: Final = "StepScaling"
_CONFIGURATIONS: Final = {
    _TRACKING: "TargetTrackingScalingPolicyConfiguration",
    _STEPS: "StepScalingPolicyConfiguration",
}
_WHAT_IS_TRACKED: Final = ("PredefinedMetricSpecification", "CustomizedMetricSpecification", "TargetValue")


def put_scaling_policy(call: Call, request: Request) -> Response:
    """Add a policy to a target, or change it. Step scaling is stored and does nothing: it needs user-defined alarms."""
    target = requests.target_to_hang_on(call, request)
    name = request["PolicyName"]
    former = target.policies.get(name)
    # assumed: that a policy without a type keeps its type, and that a new one is a step scaling policy.
    body = {**(former.body if former else {"PolicyType": _STEPS}), **copy.deepcopy(request)}
    _check(target, body)
    if former is None and len(target.policies) >= MOST_POLICIES:
        raise requests.limit_exceeded("scaling policies for a scalable target", MOST_POLICIES)
    requests.mutate(call, target)
    policy = _put(call, target, body, former)
    publish_policy(call, target, policy)
    return {"PolicyARN": policy.arn, "Alarms": alarms(call.region, policy)}


def delete_scaling_policy(call: Call, request: Request) -> Response:
    """Delete a policy with its alarms."""
    target = call.region.scaling.target_of(*requests.addressed(request))
    name = request["PolicyName"]
    if target is None or name not in target.policies:
        raise requests.not_found(f"No scaling policy found for {requests.words(request)}, policy name: {name}")
    requests.mutate(call, target)
    del target.policies[name]
    call.region.scaling.shown_policies.write((target.key, name), None, call.visible_at)
    return {}


def _put(call: Call, target: Target, body: dict[str, Any], former: Policy | None) -> Policy:
    name = body["PolicyName"]
    if former is None:
        own_alarms = new_alarms(target.resource_id) if body["PolicyType"] == _TRACKING else None
        made = Policy(new_policy_arn(call.region, target.resource_id, name), body, call.now, own_alarms)
        target.policies[name] = made
        return made
    if _tracked(body) != _tracked(former.body):
        # assumed: that the alarms keep their names, and restart their counts.
        former.tracking = Tracking()
    former.body = body
    return former


def _tracked(body: Mapping[str, Any]) -> list[Any]:
    configuration = body.get(_CONFIGURATIONS[_TRACKING]) or {}
    return [configuration.get(name) for name in _WHAT_IS_TRACKED]


def _check(target: Target, body: Mapping[str, Any]) -> None:
    kind = body["PolicyType"]
    # assumed: the texts here and below, unless a comment names another source.
    former = target.policies.get(body["PolicyName"])
    if kind not in _CONFIGURATIONS:
        raise validation(f"Policy type {kind} is not supported for scalable dimension {DIMENSION}.")
    if former is not None and former.body["PolicyType"] != kind:
        raise validation(f"The type of scaling policy {former.name} cannot be changed.")
    if not body.get(_CONFIGURATIONS[kind]):
        raise validation(f"{_CONFIGURATIONS[kind]} is required for policy type {kind}.")
    if kind == _TRACKING:
        _check_tracking(target, body["PolicyName"], body[_CONFIGURATIONS[kind]])


def _check_tracking(target: Target, name: str, configuration: Mapping[str, Any]) -> None:
    predefined = configuration.get("PredefinedMetricSpecification")
    customized = configuration.get("CustomizedMetricSpecification")
    if (predefined is None) is (customized is None):
        raise validation("Specify exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification.")
    if configuration["TargetValue"] <= 0:
        raise validation("TargetValue must be greater than 0.")
    if customized is not None:
        _check_customized(customized)
    if predefined is not None and (metric := predefined["PredefinedMetricType"]) not in PREDEFINED:
        raise validation(f"Predefined metric type {metric} is not supported for scalable dimension {DIMENSION}.")
    specification = _specification(configuration)
    others = (other for other in target.policies.values() if other.name != name and other.configuration)
    if any(_specification(other.configuration or {}) == specification for other in others):
        # gravitational/teleport handles this text (lib/backend/dynamo), as do users of ECS. assumed: that customized
        # specifications are the same if all of their members are, whatever the order of the dimensions.
        raise validation(f"Only one {_TRACKING} policy for a given metric specification is allowed.")


def _specification(configuration: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the metric that a policy tracks, in a form that can be compared."""
    customized = configuration.get("CustomizedMetricSpecification")
    if customized and "Dimensions" in customized:
        dimensions = sorted((each["Name"], each["Value"]) for each in customized["Dimensions"])
        customized = {**customized, "Dimensions": dimensions}
    return configuration.get("PredefinedMetricSpecification"), customized


def _check_customized(specification: Mapping[str, Any]) -> None:
    queries = specification.get("Metrics")
    single = ("MetricName", "Namespace", "Statistic")
    if not queries:
        if missing := [member for member in single if not specification.get(member)]:
            raise validation(f"CustomizedMetricSpecification needs {', '.join(missing)}.")
        return
    if any(specification.get(member) for member in single):
        raise validation("Specify either Metrics or a single metric, not both.")
    _check_queries({query["Id"]: query for query in queries}, len(queries))


def _check_queries(queries: Mapping[str, Mapping[str, Any]], count: int) -> None:
    if len(queries) < count:
        raise validation("Ids of metrics must be unique.")
    if sum(bool(query.get("ReturnData", True)) for query in queries.values()) != 1:
        raise validation("Exactly one of the metrics must have ReturnData true.")
    for name, query in queries.items():
        if ("Expression" in query) is ("MetricStat" in query):
            raise validation(f"Metric {name} needs either Expression or MetricStat.")
        metric = (query.get("MetricStat") or {}).get("Metric", {})
        if "MetricStat" in query and not (metric.get("Namespace") and metric.get("MetricName")):
            raise validation(f"Metric {name} needs Namespace and MetricName.")
    _check_expressions({name: query["Expression"] for name, query in queries.items() if "Expression" in query}, queries)


def _check_expressions(expressions: Mapping[str, str], queries: Mapping[str, Any]) -> None:
    try:
        needed = {name: ids_of(expression) for name, expression in expressions.items()}
    except ValueError as error:
        raise validation(str(error)) from None
    for name, ids in needed.items():
        if unknown := sorted(ids - queries.keys()):
            raise validation(f"Expression {name} uses {', '.join(unknown)}, which is no metric.")
    left = dict(needed)
    while left:
        ready = [name for name, ids in left.items() if not ids & left.keys()]
        if not ready:
            raise validation(f"Expressions use each other: {', '.join(sorted(left))}.")
        for name in ready:
            del left[name]
