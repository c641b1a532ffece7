"""The work queue: stories of one key, and any course of events against a model of a few sets."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from tgi_operator.control.workqueue import FIRST_BACKOFF, LONGEST_BACKOFF, WorkQueue

SOON, FAR = 0.02, 1000.0


async def next_key(queue: WorkQueue[str], seconds: float = 5) -> str:
    return await asyncio.wait_for(queue.get(), seconds)


async def assert_nothing_to_do(queue: WorkQueue[str], seconds: float = 0.01) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), seconds)


async def test_keys_come_in_the_order_they_were_added() -> None:
    queue = WorkQueue[str]()
    for key in ("a", "b", "c"):
        queue.add(key)
    assert len(queue) == 3
    assert [await next_key(queue) for _ in range(3)] == ["a", "b", "c"]


async def test_key_that_waits_is_not_added_twice() -> None:
    queue = WorkQueue[str]()
    for _ in range(3):
        queue.add("a")
    assert len(queue) == 1
    assert await next_key(queue) == "a"
    queue.done("a")
    await assert_nothing_to_do(queue)


async def test_key_that_is_worked_on_is_handed_out_once_more_afterwards() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    assert await next_key(queue) == "a"
    queue.add("a")
    queue.add("a")
    await assert_nothing_to_do(queue)
    queue.done("a")
    assert await next_key(queue) == "a"
    queue.done("a")
    await assert_nothing_to_do(queue)


async def test_one_busy_key_does_not_hold_up_the_others() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    assert await next_key(queue) == "a"
    queue.add("a")
    queue.add("b")
    assert await next_key(queue) == "b"


async def test_many_workers_never_share_a_key_and_lose_none() -> None:
    queue = WorkQueue[int]()
    working: set[int] = set()
    worked: dict[int, int] = dict.fromkeys(range(10), 0)
    asked = 0

    async def work() -> None:
        while True:
            key = await queue.get()
            assert key not in working
            working.add(key)
            seen = asked
            await asyncio.sleep(0.001)
            worked[key] = seen
            working.discard(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(4)]
    while asked < 5:
        asked += 1
        for key in worked:
            queue.add(key)
        await asyncio.sleep(0.002)
    await asyncio.wait(workers, timeout=0.2)
    assert set(worked.values()) == {5}, "everybody was worked on after being asked for last"
    for worker in workers:
        worker.cancel()
    ended = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended


class Timer:
    """Runs the timer of a queue beside a test."""

    def __init__(self, queue: WorkQueue[str]) -> None:
        self._queue = queue

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._queue.run_timer())
        await asyncio.sleep(0)

    async def __aexit__(self, *_: object) -> None:
        assert not self._task.done()
        self._task.cancel()


async def test_delayed_key_comes_when_it_is_due_and_not_before() -> None:
    queue = WorkQueue[str]()
    async with Timer(queue):
        started = time.monotonic()
        queue.add_after("a", SOON)
        assert len(queue) == 0
        assert await next_key(queue) == "a"
        assert time.monotonic() - started >= SOON


@pytest.mark.parametrize(
    "delays",
    [
        pytest.param([FAR, SOON], id="the later was asked for first"),
        pytest.param([SOON, FAR], id="the earlier was asked for first"),
        pytest.param([FAR, SOON, FAR, SOON], id="by turns"),
    ],
)
async def test_earliest_time_wins_and_counts_once(delays: list[float]) -> None:
    queue = WorkQueue[str]()
    async with Timer(queue):
        for seconds in delays:
            queue.add_after("a", seconds)
        assert await next_key(queue) == "a"
        queue.done("a")
        await assert_nothing_to_do(queue, 3 * SOON)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_no_delay_is_now(seconds: float) -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", seconds)
    assert len(queue) == 1


async def test_key_that_is_worked_on_now_needs_no_delayed_look() -> None:
    queue = WorkQueue[str]()
    async with Timer(queue):
        queue.add_after("a", SOON)
        queue.add("a")
        queue.add_after("a", SOON)
        assert await next_key(queue) == "a"
        queue.done("a")
        await assert_nothing_to_do(queue, 3 * SOON)


async def test_delay_asked_for_during_the_work_begins_then() -> None:
    queue = WorkQueue[str]()
    async with Timer(queue):
        queue.add("a")
        assert await next_key(queue) == "a"
        queue.add_after("a", SOON)
        queue.done("a")
        assert len(queue) == 0
        assert await next_key(queue) == "a"


async def test_delay_that_ends_during_the_work_waits_for_its_end() -> None:
    queue = WorkQueue[str]()
    async with Timer(queue):
        queue.add("a")
        assert await next_key(queue) == "a"
        queue.add_after("a", SOON)
        await assert_nothing_to_do(queue, 3 * SOON)
        queue.done("a")
        assert await next_key(queue) == "a"


async def test_delayed_keys_come_in_the_order_of_their_times() -> None:
    queue = WorkQueue[str]()
    async with Timer(queue):
        for number, key in enumerate(("c", "b", "a")):
            queue.add_after(key, SOON * (3 - number))
        assert [await next_key(queue) for _ in range(3)] == ["a", "b", "c"]


async def test_pauses_after_failures_double_up_to_five_minutes() -> None:
    queue = WorkQueue[str]()
    pauses = [queue.add_failed("a") for _ in range(40)]
    for number, pause in enumerate(pauses):
        expected = min(FIRST_BACKOFF * 2.0**number, LONGEST_BACKOFF)
        assert 0.8 * expected <= pause <= 1.2 * expected
    assert len(set(pauses)) > 30, "without jitter all would come back at the same time"
    assert all(later > earlier for earlier, later in pairwise(pauses[:9]))


async def test_failed_key_comes_back_by_itself() -> None:
    queue = WorkQueue[str]()
    async with Timer(queue):
        queue.add("a")
        assert await next_key(queue) == "a"
        pause, started = queue.add_failed("a"), time.monotonic()
        queue.done("a")
        assert await next_key(queue) == "a"
        assert time.monotonic() - started >= pause * 0.95


async def test_success_ends_the_row_of_failures_of_that_key_alone() -> None:
    queue = WorkQueue[str]()
    assert queue.failures("a") == 0
    assert [queue.failed("a"), queue.failed("a"), queue.failed("b")] == [1, 2, 1]
    assert queue.failures("a") == 2
    queue.forget("a")
    assert (queue.failures("a"), queue.failures("b")) == (0, 1)
    assert queue.failed("a") == 1
    queue.forget("never failed")


class QueueAgainstSets(RuleBasedStateMachine):
    """The queue against: a list of what is ready, sets of what is busy and asked for again, and when a key is due.

    The timer runs only when `time_passes`, so the course of events is the one that hypothesis draws.
    """

    keys: Bundle[str] = Bundle("keys")
    short, long = 1e-4, 1e4

    @initialize(target=keys)
    def first_key(self) -> str:
        return "a"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.queue = WorkQueue[str]()
        self.ready: list[str] = []
        self.busy: set[str] = set()
        self.again: set[str] = set()
        self.due: dict[str, float] = {}
        self.failures: dict[str, int] = {}

    def teardown(self) -> None:
        self.loop.close()

    @rule(target=keys, key=st.sampled_from("abcd"))
    def another_key(self, key: str) -> str:
        return key

    def _wanted(self, key: str) -> None:
        self.due.pop(key, None)
        if key in self.busy:
            self.again.add(key)
        elif key not in self.ready:
            self.ready.append(key)

    @rule(key=keys)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self._wanted(key)

    @rule(key=keys, delay=st.sampled_from([0.0, short, long]))
    def add_after(self, key: str, delay: float) -> None:
        self.queue.add_after(key, delay)
        if delay == 0:
            self._wanted(key)
        elif key not in self.ready and key not in self.again:
            self._due_in(key, delay)

    def _due_in(self, key: str, delay: float) -> None:
        if delay < self.due.get(key, float("inf")):
            self.due.pop(key, None)  # what is due as soon, but was asked for later, comes later
            self.due[key] = delay

    @rule(key=keys)
    def fail(self, key: str) -> None:
        self.failures[key] = self.failures.get(key, 0) + 1
        assert self.queue.failed(key) == self.failures[key]

    @rule(key=keys)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        self.failures.pop(key, None)

    @rule()
    def time_passes(self) -> None:
        time.sleep(2 * self.short)
        timer = self.loop.create_task(self.queue.run_timer())
        self.loop.run_until_complete(asyncio.sleep(0))
        timer.cancel()
        self.loop.run_until_complete(asyncio.gather(timer, return_exceptions=True))
        for key, delay in list(self.due.items()):
            if delay == self.short:
                self._wanted(key)

    @precondition(lambda self: self.ready)
    @rule()
    def get(self) -> None:
        key = self.loop.run_until_complete(asyncio.wait_for(self.queue.get(), 1))
        assert key not in self.busy, "one reconciliation at a time"
        assert key == self.ready.pop(0)
        self.busy.add(key)

    @rule(data=st.data())
    @precondition(lambda self: self.busy)
    def done(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.busy)))
        self.queue.done(key)
        self.busy.discard(key)
        if key in self.again:
            self.again.discard(key)
            self.ready.append(key)

    @invariant()
    def as_many_wait_as_should(self) -> None:
        assert len(self.queue) == len(self.ready)

    @invariant()
    def failures_are_counted(self) -> None:
        for key in "abcd":
            assert self.queue.failures(key) == self.failures.get(key, 0)


TestQueueAgainstSets = QueueAgainstSets.TestCase
TestQueueAgainstSets.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
