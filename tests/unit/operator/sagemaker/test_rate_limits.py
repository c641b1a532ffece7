"""The token bucket that namespaces share, on a virtual clock."""

import asyncio
import math

import pytest

from tgi_operator.backends.sagemaker.aws.rate_limits import TokenBucket

pytestmark = pytest.mark.looptime


async def seconds_for(bucket: TokenBucket, calls: int) -> float:
    clock = asyncio.get_running_loop().time
    started = clock()
    for _ in range(calls):
        await bucket.take("ml")
    return clock() - started


async def test_burst_is_one_seconds_worth_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(100)
    assert await seconds_for(bucket, 100) == 0
    assert await seconds_for(bucket, 20) == pytest.approx(0.2)


async def test_slow_bucket_lets_one_pass_at_once() -> None:
    bucket = TokenBucket(0.001)
    assert await seconds_for(bucket, 1) == 0
    assert await seconds_for(bucket, 1) == pytest.approx(1000)


async def test_callers_are_served_in_the_order_they_came() -> None:
    bucket = TokenBucket(100)
    bucket.drain()
    served: dict[int, float] = {}

    async def call(number: int) -> None:
        await bucket.take("ml")
        served[number] = asyncio.get_running_loop().time()

    await asyncio.gather(*(call(number) for number in range(10)))
    assert list(served) == list(range(10))
    assert served == pytest.approx({number: (number + 1) / 100 for number in range(10)})


async def test_namespaces_are_served_in_turns_however_many_callers_one_has() -> None:
    bucket = TokenBucket(10)
    bucket.drain()
    served: list[str] = []

    async def call(namespace: str) -> None:
        await bucket.take(namespace)
        served.append(namespace)

    crowd = [asyncio.create_task(call("crowd")) for _ in range(1000)]
    await asyncio.sleep(5.05)
    served.clear()
    late = [asyncio.create_task(call(namespace)) for namespace in ("a", "b", "a")]
    await asyncio.gather(*late)
    assert served == ["crowd", "a", "b", "crowd", "a"]
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_caller_that_gives_up_costs_no_token_and_holds_up_no_one() -> None:
    bucket = TokenBucket(10)
    bucket.drain()
    line = [asyncio.create_task(bucket.take("ml")) for _ in range(100)]
    await asyncio.sleep(0.05)
    for task in line:
        task.cancel()
    await asyncio.gather(*line, return_exceptions=True)
    assert await seconds_for(bucket, 2) == pytest.approx(0.15), "the next two tokens"


async def test_token_of_a_caller_that_is_cancelled_in_that_moment_is_not_lost() -> None:
    bucket = TokenBucket(0.001)
    bucket.drain()
    caller = asyncio.create_task(bucket.take("ml"))
    await asyncio.sleep(0)
    assert bucket._timer is not None
    asyncio.get_running_loop().call_at(bucket._timer.when(), caller.cancel)
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await seconds_for(bucket, 1) == 0


async def test_unused_time_is_saved_up_to_the_burst_only() -> None:
    bucket = TokenBucket(20)
    bucket.drain()
    await asyncio.sleep(0.25)
    assert await seconds_for(bucket, 5) == pytest.approx(0)
    await asyncio.sleep(3600)
    assert await seconds_for(bucket, 25) == pytest.approx(0.25), "the five beyond the burst have to wait"


async def test_drained_bucket_is_empty_but_not_in_debt() -> None:
    bucket = TokenBucket(20)
    bucket.drain()
    assert await seconds_for(bucket, 1) == pytest.approx(0.05)


async def test_draining_gives_nothing_back_to_those_in_line() -> None:
    bucket = TokenBucket(50)
    line = [asyncio.create_task(bucket.take("ml")) for _ in range(60)]
    await asyncio.sleep(0)
    bucket.drain()
    assert await seconds_for(bucket, 1) == pytest.approx(0.22), "ten are in line before it"
    await asyncio.gather(*line)


async def test_no_limit_is_no_limit() -> None:
    bucket = TokenBucket(math.inf)
    assert await seconds_for(bucket, 1000) == 0
    bucket.drain()
    assert await seconds_for(bucket, 1000) == 0
