"""The sweep of Application Auto Scaling with an API that describes from memory, on a virtual clock."""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from tgi_operator.api.autoscaling import Autoscaling
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired import scaling_policies
from tgi_operator.backends.sagemaker.desired.scaling_policies import Scaling, resource_id
from tgi_operator.backends.sagemaker.sweep.scalable_targets import (
    OUTAGE_SECONDS,
    POLICIES_EVERY,
    TARGETS_EVERY,
    FollowedTarget,
    ScalableTargetSweep,
)
from tgi_operator.backends.sagemaker.sweep.scopes import RETRY_SECONDS

pytestmark = pytest.mark.looptime

SCOPE, ELSEWHERE = Scope("", "eu-west-1"), Scope("", "us-east-1")
INTERVAL = 60.0
START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
AUTOSCALING = {"minReplicas": 1, "maxReplicas": 4}
SCHEDULED = {
    **AUTOSCALING,
    "schedules": [{"name": "day", "start": "0 8 * * *", "end": "0 20 * * *", "timeZone": "UTC", "minReplicas": 2}],
}
SILENT = AWSError(Meaning.UNAVAILABLE, "DescribeScalingActivities", "ConnectTimeoutError", "Connect timeout")
UNAVAILABLE = AWSError(Meaning.UNAVAILABLE, "DescribeScalingActivities", "ServiceUnavailable", "try later")

ITEMS = {
    "DescribeScalableTargets": "ScalableTargets",
    "DescribeScalingPolicies": "ScalingPolicies",
    "DescribeScheduledActions": "ScheduledActions",
    "DescribeScalingActivities": "ScalingActivities",
}


def wanted(endpoint: str, autoscaling: Mapping[str, Any] = AUTOSCALING) -> Scaling:
    return scaling_policies.wanted(Autoscaling.model_validate(autoscaling), endpoint)


class Amazon:
    """Describes the registered targets, two items per page by default."""

    def __init__(self) -> None:
        self.items: dict[str, list[dict[str, Any]]] = {operation: [] for operation in ITEMS}
        self.calls: Counter[str] = Counter()
        self.sweeps: list[float] = []
        self.failures: dict[Scope, Exception] = {}

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert request["ServiceNamespace"] == "sagemaker"
        self.calls[operation] += 1
        if operation == "DescribeScalingActivities":
            self.sweeps.append(asyncio.get_running_loop().time())
        if scope in self.failures:
            raise self.failures[scope]
        first, size = int(request.get("NextToken", 0)), int(request.get("MaxResults", 2))
        page = {ITEMS[operation]: copy.deepcopy(self.items[operation][first : first + size])}
        return page | ({"NextToken": str(first + size)} if first + size < len(self.items[operation]) else {})

    async def close(self) -> None:
        """Nothing to wait for."""

    def register(self, scaling: Scaling) -> None:
        """Register everything as required."""
        name = {"ResourceId": resource_id(scaling.endpoint)}
        bounds = {"MinCapacity": 1, "MaxCapacity": 4, "SuspendedState": dict(scaling_policies.NOT_SUSPENDED)}
        if scaling.actions:
            bounds["MinCapacity"] = 2
        self.items["DescribeScalableTargets"].append(name | bounds)
        for policy in scaling.policies:
            self.items["DescribeScalingPolicies"].append(scaling.put_policy(policy))
        for action in scaling.actions:
            self.items["DescribeScheduledActions"].append(scaling.put_action(action))

    def act(self, endpoint: str, number: int, status: str) -> None:
        """Add one more scaling activity, the newest first."""
        activity = {"ActivityId": str(number), "ResourceId": resource_id(endpoint), "StatusCode": status}
        self.items["DescribeScalingActivities"].insert(0, activity)


class Watched:
    def __init__(self) -> None:
        self.api = Amazon()
        self.reported: list[str] = []
        self.outages = False
        self.sweep = ScalableTargetSweep(self.api, self._changed, interval=INTERVAL, now=lambda: START)

    def follow(self, name: str, scaling: Scaling | None, scope: Scope = SCOPE, endpoint: str = "") -> FollowedTarget:
        record = self.sweep.follow(scope, Key("ml", name), resource_id(endpoint or name))
        record.wanted = scaling
        return record

    def _changed(self, key: Key) -> None:
        record = self.sweep.followed(key)
        assert record is not None
        assert record.check or self.outages, "a report without a check is one of an outage"
        record.check = False
        self.reported.append(key.name)


@asynccontextmanager
async def watched(*names: str, autoscaling: Mapping[str, Any] = AUTOSCALING) -> AsyncIterator[Watched]:
    one = Watched()
    for name in names:
        one.api.register(wanted(name, autoscaling))
        one.follow(name, wanted(name, autoscaling))
    try:
        yield one
    finally:
        await one.sweep.close()


async def sweeps(number: int) -> None:
    await asyncio.sleep(number * INTERVAL + 1)


@pytest.mark.parametrize("autoscaling", [AUTOSCALING, SCHEDULED])
async def test_what_is_as_it_should_be_is_never_reported(autoscaling: Mapping[str, Any]) -> None:
    async with watched("a", "b", "c", autoscaling=autoscaling) as one:
        await sweeps(2 * POLICIES_EVERY)
        assert one.reported == []


async def test_targets_policies_and_actions_are_read_less_often_than_activities() -> None:
    async with watched("a", "b", "c") as one:
        await sweeps(POLICIES_EVERY)
        assert one.api.calls == {
            "DescribeScalingActivities": POLICIES_EVERY,
            "DescribeScalableTargets": 2 * (POLICIES_EVERY // TARGETS_EVERY),
            "DescribeScalingPolicies": 2,
        }


Strike = Callable[[Amazon], object]


@pytest.mark.parametrize(
    ("strike", "due"),
    [
        pytest.param(lambda api: api.items["DescribeScalableTargets"].pop(0), TARGETS_EVERY, id="deregistered"),
        pytest.param(
            lambda api: api.items["DescribeScalableTargets"][0].update(MaxCapacity=9), TARGETS_EVERY, id="other bounds"
        ),
        pytest.param(
            lambda api: api.items["DescribeScalableTargets"][0]["SuspendedState"].update(
                DynamicScalingInSuspended=True
            ),
            TARGETS_EVERY,
            id="suspended",
        ),
        pytest.param(lambda api: api.items["DescribeScalingPolicies"].pop(0), POLICIES_EVERY, id="no policy"),
        pytest.param(
            lambda api: api.items["DescribeScalingPolicies"].append(
                {"ResourceId": resource_id("a"), "PolicyName": "of-another-team"}
            ),
            POLICIES_EVERY,
            id="a policy of another owner",
        ),
        pytest.param(lambda api: api.items["DescribeScheduledActions"].pop(0), POLICIES_EVERY, id="no action"),
    ],
)
async def test_change_is_reported_for_its_resource_when_it_is_due(strike: Strike, due: int) -> None:
    async with watched("a", "b", autoscaling=SCHEDULED) as one:
        strike(one.api)
        await sweeps(due - 1)
        assert one.reported == []
        await sweeps(1)
        assert set(one.reported) == {"a"}


async def test_failed_activity_is_reported_once_and_none_of_before_the_start() -> None:
    async with watched("a", "b") as one:
        one.api.act("a", 1, "Failed")
        await sweeps(2)
        assert one.reported == []
        one.api.act("b", 2, "Failed")
        one.api.act("a", 3, "Successful")
        one.api.act("not-followed", 4, "Failed")
        await sweeps(2)
        assert one.reported == ["b"]


async def test_two_resources_with_one_endpoint_do_not_touch_each_others_record() -> None:
    async with watched("a") as one:
        other = one.follow("b", None, endpoint="a")
        one.api.items["DescribeScalableTargets"].clear()
        await sweeps(TARGETS_EVERY)
        assert one.reported == ["a"], "only one of them wants it"
        other.foreign = ("x",)
        one.sweep.forget(Key("ml", "b"))
        record = one.sweep.followed(Key("ml", "a"))
        assert record is not None
        assert (record.wanted, record.foreign) == (wanted("a"), ())
        await sweeps(TARGETS_EVERY)
        assert one.reported == ["a", "a"]


async def test_failed_activity_concerns_every_resource_that_names_the_endpoint() -> None:
    async with watched("a") as one:
        one.follow("b", None, endpoint="a")
        await sweeps(1)
        one.api.act("a", 1, "Failed")
        await sweeps(1)
        assert one.reported == ["a", "b"]


async def test_forgotten_target_is_not_reported_and_nothing_is_read_for_nobody() -> None:
    async with watched("a") as one:
        one.api.items["DescribeScalableTargets"].clear()
        one.sweep.forget(Key("ml", "a"))
        one.sweep.forget(Key("ml", "never-followed"))
        await sweeps(2 * POLICIES_EVERY)
        assert one.reported == []
        assert one.api.calls == {}


async def test_following_twice_is_following_once_and_another_endpoint_is_another_record() -> None:
    async with watched("a") as one:
        record = one.follow("a", wanted("a"))
        assert one.follow("a", wanted("a")) is record
        assert one.follow("a", wanted("b"), endpoint="b") is not record


async def test_an_outage_and_its_end_are_reported_and_the_sweep_goes_on() -> None:
    async with watched("a") as one:
        one.outages = True
        one.api.failures[SCOPE] = UNAVAILABLE
        await asyncio.sleep(INTERVAL + 6)
        assert len(one.api.sweeps) == 2
        assert one.sweep.outage(Key("ml", "a")) is None, "two failures in a moment are none"
        await sweeps(1)
        assert one.sweep.outage(Key("ml", "a")) is UNAVAILABLE
        await sweeps(20)
        assert one.reported == ["a"], "once, not at each failure"
        pauses = [later - earlier for earlier, later in pairwise(one.api.sweeps)]
        assert pauses[:3] == [5, 10, 15]
        assert max(pauses) == RETRY_SECONDS
        one.follow("far", wanted("far"), scope=ELSEWHERE)
        assert one.sweep.outage(Key("ml", "far")) is None
        one.api.failures[SCOPE] = ValueError("not JSON")
        await sweeps(1)
        one.api.failures.clear()
        await sweeps(1)
        assert one.sweep.outage(Key("ml", "a")) is None
        assert one.reported.count("a") >= 2, "its end is reported too"


async def test_scope_that_does_not_answer_is_cut_off_at_once_and_reported_when_that_lasts() -> None:
    async with watched("a") as one:
        one.outages = True
        one.api.failures[SCOPE] = SILENT
        await sweeps(1)
        assert one.sweep.outage(Key("ml", "a")) is SILENT
        assert one.reported == []
        await asyncio.sleep(OUTAGE_SECONDS + RETRY_SECONDS)
        assert one.reported == ["a"]
        one.api.failures.clear()
        await asyncio.sleep(RETRY_SECONDS)
        assert one.sweep.outage(Key("ml", "a")) is None
        assert one.reported == ["a", "a"]


async def test_suspicion_is_looked_into_at_once() -> None:
    async with watched("a") as one:
        await asyncio.sleep(20)
        one.sweep.suspect(SCOPE)
        await asyncio.sleep(1)
        assert one.api.sweeps == pytest.approx([20])


async def test_closed_sweep_is_silent() -> None:
    async with watched("a") as one:
        await sweeps(1)
    await sweeps(5)
    assert len(one.api.sweeps) == 1
