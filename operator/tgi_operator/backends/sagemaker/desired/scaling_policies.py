"""spec.autoscaling -> requests to Application Auto Scaling. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tgi_operator.api.autoscaling import (
    Autoscaling,
    CloudWatch,
    CloudWatchMetric,
    Metric,
    MetricType,
    ScalingRules,
    Schedule,
    SelectPolicy,
)
from tgi_operator.api.identifiers import FIELD_MANAGER
from tgi_operator.backends import naming
from tgi_operator.backends.plans import scaling, schedules
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.sagemaker.desired import names

Request = dict[str, Any]

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"

OWN_PREFIX = f"{FIELD_MANAGER}-"
"""Prefix of the names of our policies and scheduled actions. Others on the same target are not changed."""

DEFAULT_METRIC = MetricType.CONCURRENT_REQUESTS

_PREDEFINED = {
    MetricType.CONCURRENT_REQUESTS: "SageMakerVariantConcurrentRequestsPerModelHighResolution",
    MetricType.INVOCATIONS_PER_INSTANCE: "SageMakerVariantInvocationsPerInstance",
}
"""PredefinedMetricType of Application Auto Scaling."""

OUT_COOLDOWN_SECONDS = 60
IN_COOLDOWN_SECONDS = 300

NOT_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


def resource_id(endpoint: str) -> str:
    """Return the ResourceId of the variant of an endpoint."""
    return f"endpoint/{endpoint}/variant/{names.VARIANT}"


def addressed(endpoint: str) -> Request:
    """Return the fields by which every request addresses the scalable target."""
    return {"ServiceNamespace": NAMESPACE, "ResourceId": resource_id(endpoint), "ScalableDimension": DIMENSION}


def target(bounds: Bounds) -> Request:
    """Return the desired description of a scalable target."""
    return {"MinCapacity": bounds.least, "MaxCapacity": bounds.most, "SuspendedState": NOT_SUSPENDED}


@dataclass(frozen=True)
class Scaling:
    """The desired objects at Application Auto Scaling: `policies` and `actions` by name, without their address."""

    endpoint: str
    autoscaling: Autoscaling
    policies: Mapping[str, Request]
    actions: Mapping[str, Request]
    revision: str

    def register(self, bounds: Bounds) -> Request:
        """Return the RegisterScalableTarget request. AWS immediately brings the instance count within the bounds."""
        return {**addressed(self.endpoint), **target(bounds)}

    def put_policy(self, name: str) -> Request:
        """Return the PutScalingPolicy request."""
        return {
            **addressed(self.endpoint),
            "PolicyName": name,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": self.policies[name],
        }

    def put_action(self, name: str) -> Request:
        """Return the PutScheduledAction request."""
        return {**addressed(self.endpoint), "ScheduledActionName": name, **self.actions[name]}


def wanted(autoscaling: Autoscaling, endpoint: str) -> Scaling:
    """Return the desired objects at Application Auto Scaling for a spec that passed the checks."""
    policies = dict(_policy(metric, autoscaling, endpoint) for metric in scaling.metrics(autoscaling, DEFAULT_METRIC))
    actions = _actions(autoscaling)
    bounds = [autoscaling.min_replicas, autoscaling.max_replicas]
    content = json.dumps([bounds, policies, actions], sort_keys=True)
    return Scaling(endpoint, autoscaling, policies, actions, naming.revision(content))


def _policy(metric: Metric, autoscaling: Autoscaling, endpoint: str) -> tuple[str, Request]:
    up = autoscaling.behavior.scale_up or ScalingRules()
    down = autoscaling.behavior.scale_down or ScalingRules()
    configuration: Request = {
        "TargetValue": scaling.target(metric),
        "ScaleOutCooldown": _or(up.stabilization_window_seconds, OUT_COOLDOWN_SECONDS),
        "ScaleInCooldown": _or(down.stabilization_window_seconds, IN_COOLDOWN_SECONDS),
        "DisableScaleIn": down.select_policy is SelectPolicy.DISABLED,
    }
    if metric.cloud_watch is None:
        configuration["PredefinedMetricSpecification"] = {"PredefinedMetricType": _PREDEFINED[metric.type]}
        return f"{OWN_PREFIX}{metric.type}", configuration
    customized = _customized(metric.cloud_watch, endpoint)
    configuration["CustomizedMetricSpecification"] = customized
    # Another target of the same metric changes the policy. Another metric creates another policy.
    which = naming.digest(json.dumps(customized, sort_keys=True))[:8]
    return f"{OWN_PREFIX}{metric.type}-{which}", configuration


def _customized(metric: CloudWatch, endpoint: str) -> Request:
    if metric.expression is None:
        only = metric.metrics[0]
        return {**_metric(only, endpoint), "Statistic": str(only.statistic)}
    queries: list[Request] = [
        {
            "Id": each.id,
            "MetricStat": {"Metric": _metric(each, endpoint), "Stat": str(each.statistic)},
            "ReturnData": False,
        }
        for each in metric.metrics
    ]
    taken = {each.id for each in metric.metrics}
    name = next(name for name in ("result", "kept", "tracked") if name not in taken)
    return {"Metrics": [*queries, {"Id": name, "Expression": metric.expression, "ReturnData": True}]}


def _metric(metric: CloudWatchMetric, endpoint: str) -> Request:
    own = [("EndpointName", endpoint), ("VariantName", names.VARIANT)]
    given = own if metric.dimensions is None else [(each.name, each.value) for each in metric.dimensions]
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.metric_name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in given],
    }


def _actions(autoscaling: Autoscaling) -> dict[str, Request]:
    base = Bounds(autoscaling.min_replicas, autoscaling.max_replicas)
    starts = {(each.start, each.time_zone) for each in autoscaling.schedules}
    found = {}
    for schedule in autoscaling.schedules:
        begins = _action(schedule, schedule.start, schedules.of(autoscaling, schedule))
        found[f"{OWN_PREFIX}{schedule.name}-start"] = begins
        # In the same minute, a start comes after an end. AWS does not document which of its actions is the last.
        if (schedule.end, schedule.time_zone) not in starts:
            found[f"{OWN_PREFIX}{schedule.name}-end"] = _action(schedule, schedule.end, base)
    return found


def _action(schedule: Schedule, cron: str, bounds: Bounds) -> Request:
    return {
        "Schedule": schedules.aws_cron(cron),
        "Timezone": schedule.time_zone,
        "ScalableTargetAction": {"MinCapacity": bounds.least, "MaxCapacity": bounds.most},
    }


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given
