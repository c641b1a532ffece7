"""The token bucket, by the real clock: waits are asserted from below, where a slow machine changes nothing."""

import asyncio
import math
import time

import pytest

from tgi_operator.backends.sagemaker.aws.rate_limits import TokenBucket


async def seconds_for(bucket: TokenBucket, calls: int) -> float:
    started = time.monotonic()
    for _ in range(calls):
        await bucket.take()
    return time.monotonic() - started


async def test_burst_is_one_seconds_worth_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(100)
    assert await seconds_for(bucket, 100) < 0.5
    assert await seconds_for(bucket, 20) >= 0.1


async def test_slow_bucket_lets_one_pass_at_once() -> None:
    bucket = TokenBucket(0.001)
    await asyncio.wait_for(bucket.take(), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bucket.take(), 0.02)


async def test_callers_are_served_in_the_order_they_came() -> None:
    bucket = TokenBucket(100)
    bucket.drain()
    served: list[int] = []

    async def call(number: int) -> None:
        await bucket.take()
        served.append(number)

    started = time.monotonic()
    await asyncio.gather(*(call(number) for number in range(10)))
    assert served == list(range(10))
    assert time.monotonic() - started >= 0.08


async def test_unused_time_is_saved_up_to_the_burst_only() -> None:
    bucket = TokenBucket(20)
    bucket.drain()
    await asyncio.sleep(0.25)
    assert await seconds_for(bucket, 4) < 0.15, "what came in meanwhile is there"
    fresh = TokenBucket(50)
    await asyncio.sleep(0.1)
    assert await seconds_for(fresh, 55) >= 0.05, "the five beyond the burst have to wait"


async def test_drained_bucket_is_empty_but_not_in_debt() -> None:
    bucket = TokenBucket(20)
    bucket.drain()
    assert 0.02 <= await seconds_for(bucket, 1) < 1


async def test_draining_gives_nothing_back_to_those_in_line() -> None:
    bucket = TokenBucket(50)
    line = [asyncio.create_task(bucket.take()) for _ in range(60)]
    await asyncio.sleep(0)
    bucket.drain()
    started = time.monotonic()
    await bucket.take()
    assert time.monotonic() - started >= 0.1, "ten are in line before it"
    await asyncio.gather(*line)


async def test_no_limit_is_no_limit() -> None:
    bucket = TokenBucket(math.inf)
    assert await seconds_for(bucket, 1000) < 1
    bucket.drain()
    assert await seconds_for(bucket, 1000) < 1
