"""Reads of Application Auto Scaling: for one endpoint, or for all endpoints of a scope."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tgi_operator.backends.sagemaker.aws.client import Calls
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired import scaling_policies
from tgi_operator.backends.sagemaker.seen import scalable_target
from tgi_operator.backends.sagemaker.seen.scalable_target import Activity, Registered

MOST_ACTIVITIES = 10
MAX_PAGES = 2000

_EVERYTHING = {"ServiceNamespace": scaling_policies.NAMESPACE}
"""AWS accepts a ScalableDimension only together with a ResourceId, or ResourceIds (Describe operations of its API)."""


async def activities(api: Calls, scope: Scope, endpoint: str) -> tuple[Activity, ...]:
    """Return the latest scaling activities of an endpoint, newest first. Raises AWSError."""
    request = {**scaling_policies.addressed(endpoint), "MaxResults": MOST_ACTIVITIES}
    page = await api.call(scope, "DescribeScalingActivities", request)
    return tuple(scalable_target.activity(each) for each in page["ScalingActivities"][:MOST_ACTIVITIES])


async def registered(api: Calls, scope: Scope, endpoint: str) -> Registered:
    """Return the scalable target of an endpoint with its policies and scheduled actions. Raises AWSError."""
    name = scaling_policies.resource_id(endpoint)
    one = {"ServiceNamespace": scaling_policies.NAMESPACE, "ScalableDimension": scaling_policies.DIMENSION}
    found = await api.call(scope, "DescribeScalableTargets", {**one, "ResourceIds": [name]})
    if not found["ScalableTargets"]:
        # Policies and scheduled actions are deleted with their target.
        return Registered(None, {}, {})
    addressed = scaling_policies.addressed(endpoint)
    policies = [each async for each in _pages(api, scope, "DescribeScalingPolicies", "ScalingPolicies", addressed)]
    actions = [each async for each in _pages(api, scope, "DescribeScheduledActions", "ScheduledActions", addressed)]
    return Registered(
        target=scalable_target.target(found["ScalableTargets"][0]),
        policies={each["PolicyName"]: scalable_target.policy(each) for each in policies},
        actions={each["ScheduledActionName"]: scalable_target.action(each) for each in actions},
    )


async def all_targets(api: Calls, scope: Scope) -> dict[str, Mapping[str, Any]]:
    """Return the scalable targets of all endpoints by ResourceId. Raises AWSError."""
    pages = _pages(api, scope, "DescribeScalableTargets", "ScalableTargets", _EVERYTHING)
    return {each["ResourceId"]: scalable_target.target(each) async for each in pages}


async def all_policies(api: Calls, scope: Scope) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the scaling policies of all endpoints by ResourceId and name. Raises AWSError."""
    found: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    async for each in _pages(api, scope, "DescribeScalingPolicies", "ScalingPolicies", _EVERYTHING):
        found[each["ResourceId"]][each["PolicyName"]] = scalable_target.policy(each)
    return found


async def all_actions(api: Calls, scope: Scope) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the scheduled actions of all endpoints by ResourceId and name. Raises AWSError."""
    found: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    async for each in _pages(api, scope, "DescribeScheduledActions", "ScheduledActions", _EVERYTHING):
        found[each["ResourceId"]][each["ScheduledActionName"]] = scalable_target.action(each)
    return found


async def failed_since(api: Calls, scope: Scope, known: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the IDs of the latest activities of all endpoints, and the ResourceIds of failed ones not `known`.

    Reads one page, newest first. If a minute has more activities, the oldest are not seen. Raises AWSError.
    """
    request = {"ServiceNamespace": scaling_policies.NAMESPACE, "MaxResults": 50}
    page = (await api.call(scope, "DescribeScalingActivities", request))["ScalingActivities"]
    news = (each for each in page if each["ActivityId"] not in known and each.get("StatusCode") == "Failed")
    return frozenset(each["ActivityId"] for each in page), frozenset(each["ResourceId"] for each in news)


async def _pages(
    api: Calls, scope: Scope, operation: str, items: str, request: Mapping[str, Any]
) -> AsyncIterator[Mapping[str, Any]]:
    asked = dict(request)
    for _ in range(MAX_PAGES):
        page = await api.call(scope, operation, asked)
        for each in page[items]:
            yield each
        if not page.get("NextToken"):
            return
        asked["NextToken"] = page["NextToken"]
