"""The gateway to AWS that namespaces share, on a virtual clock and an API with scripted answers."""

import asyncio
import gc
import weakref
from collections.abc import Mapping
from typing import Any

import pytest

from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.gateway import OPERATOR, Gateway
from tgi_operator.backends.sagemaker.aws.operations import Service
from tgi_operator.backends.sagemaker.aws.scope import Scope

pytestmark = pytest.mark.looptime

IRELAND, VIRGINIA = Scope("", "eu-west-1"), Scope("", "us-east-1")
THROTTLED = AWSError(Meaning.THROTTLED, "ListTags", "ThrottlingException", "Rate exceeded")
TIMEOUT = AWSError(Meaning.UNAVAILABLE, "ListTags", "ReadTimeoutError", "Read timeout")
REFUSED = AWSError(Meaning.UNAVAILABLE, "ListTags", "ServiceUnavailable", "try later")


class Amazon:
    """Answers immediately, or raises `failure`."""

    def __init__(self) -> None:
        self.failure: AWSError | None = None
        self.times: list[tuple[float, str]] = []
        self.dropped: list[Scope] = []

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.times.append((asyncio.get_running_loop().time(), str(request.get("caller"))))
        if self.failure is not None:
            raise self.failure
        return {}

    def drop(self, scope: Scope) -> None:
        self.dropped.append(scope)

    async def close(self) -> None:
        """Nothing to wait for."""


class Given:
    """A gateway with ten reads and one write a second."""

    def __init__(self) -> None:
        self.api = Amazon()
        self.suspicions: list[tuple[Scope, Service]] = []
        self.gateway = Gateway(self.api, 10, 1, lambda scope, service: self.suspicions.append((scope, service)))

    async def call(self, namespace: str = "ml", operation: str = "ListTags", scope: Scope = IRELAND) -> AWSError | None:
        """Make a call; return its error."""
        try:
            await self.gateway.caller(namespace).call(scope, operation, {"caller": namespace})
        except AWSError as error:
            return error
        return None

    async def seconds_for(self, *calls: tuple[str, Scope]) -> float:
        started = asyncio.get_running_loop().time()
        for operation, scope in calls:
            await self.call("ml", operation, scope)
        return asyncio.get_running_loop().time() - started


@pytest.fixture
async def given() -> Given:
    """Return a gateway that has made no call yet."""
    return Given()


@pytest.mark.parametrize(
    ("operation", "scope", "shared"),
    [
        pytest.param("DescribeModel", IRELAND, True, id="another read"),
        pytest.param("CreateModel", IRELAND, False, id="a write"),
        pytest.param("DescribeScalableTargets", IRELAND, False, id="another service"),
        pytest.param("DescribeModel", VIRGINIA, False, id="another scope"),
    ],
)
async def test_reads_and_writes_of_each_service_and_scope_have_limits_of_their_own(
    given: Given, operation: str, scope: Scope, shared: bool
) -> None:
    await given.seconds_for(*[("ListTags", IRELAND)] * 10)
    assert await given.seconds_for((operation, scope)) == pytest.approx(0.1 if shared else 0)


async def test_namespace_with_a_thousand_calls_leaves_another_every_second_one(given: Given) -> None:
    crowd = [asyncio.create_task(given.call("crowd")) for _ in range(1000)]
    await asyncio.sleep(10)
    given.api.times.clear()
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(given.call("small") for _ in range(10)))
    assert asyncio.get_running_loop().time() - started <= 2.1
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_call_that_aws_throttles_makes_the_others_wait(given: Given) -> None:
    given.api.failure = THROTTLED
    assert await given.call() is THROTTLED
    given.api.failure = None
    assert await given.seconds_for(("ListTags", IRELAND)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("namespace", "failure", "suspected"),
    [
        pytest.param("ml", TIMEOUT, True, id="nothing answered"),
        pytest.param("ml", REFUSED, False, id="AWS answered"),
        pytest.param(OPERATOR, TIMEOUT, False, id="the sweep knows it itself"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "service"),
    [("ListTags", Service.SAGEMAKER), ("DescribeScalableTargets", Service.AUTOSCALING)],
)
async def test_call_for_a_resource_that_is_not_answered_raises_a_suspicion(
    given: Given, namespace: str, failure: AWSError, suspected: bool, operation: str, service: Service
) -> None:
    given.api.failure = failure
    assert await given.call(namespace, operation) is failure
    assert given.suspicions == ([(IRELAND, service)] if suspected else [])


async def test_dropped_scope_leaves_nothing_behind(given: Given) -> None:
    await given.call(scope=VIRGINIA)
    bucket = weakref.ref(given.gateway._bucket(VIRGINIA, Service.SAGEMAKER, reads=True))
    given.gateway.drop(VIRGINIA)
    gc.collect()
    assert bucket() is None
    assert given.api.dropped == [VIRGINIA]
