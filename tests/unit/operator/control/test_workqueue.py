"""The work queue: stories of one key, and any sequence of events compared with a model of a few sets."""

import asyncio
from typing import Any

import looptime
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tgi_operator.control.workqueue import WorkQueue

pytestmark = pytest.mark.looptime

ONE = "lane"


class Lanes:
    """A queue whose keys have their lane before a slash, and the lanes that were reported to be ready.

    The first letter of a key after the slash is its namespace.
    """

    def __init__(self, limit: int = 100) -> None:
        self.ready: list[str] = []
        self.queue: WorkQueue[str] = WorkQueue(
            lambda key: key.rpartition("/")[0] or ONE, lambda key: key.rpartition("/")[2][0], self.record, limit
        )

    def record(self, lane: object) -> None:
        self.ready.append(str(lane))


@pytest.fixture
async def queue() -> WorkQueue[str]:
    """Return a queue with one lane."""
    return Lanes().queue


def taken(queue: WorkQueue[str], lane: str = ONE) -> list[str]:
    """Return all keys that can be taken now, without ending them."""
    found = []
    while (key := queue.take(lane)) is not None:
        found.append(key)
    return found


async def test_keys_come_in_the_order_they_were_added_and_a_waiting_one_counts_once(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "c", "a"):
        queue.add(key)
    assert len(queue) == 3
    assert taken(queue) == ["a", "b", "c"]
    assert len(queue) == 0


async def test_key_that_is_added_during_its_reconciliation_waits_again_afterwards(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.take(ONE) == "a"
    queue.add("a")
    queue.add("b")
    queue.add("a")
    assert taken(queue) == ["b"], "one reconciliation at a time for each key, and the others go on"
    queue.done("a")
    assert taken(queue) == ["a"]
    queue.done("a")
    assert taken(queue) == []


async def test_each_lane_has_its_own_queue_and_is_reported_when_a_key_may_be_taken() -> None:
    lanes = Lanes()
    for key in ("eu/a", "us/b", "eu/c"):
        lanes.queue.add(key)
    assert lanes.ready == ["eu", "us", "eu"]
    assert taken(lanes.queue, "us") == ["us/b"]
    assert taken(lanes.queue, "eu") == ["eu/a", "eu/c"]
    lanes.queue.add("us/b")
    assert len(lanes.ready) == 3, "a key under way may not be taken"
    lanes.queue.done("us/b")
    assert taken(lanes.queue, "us") == ["us/b"]


async def test_namespaces_take_turns_and_urgent_keys_come_first_in_their_namespace_only() -> None:
    queue = Lanes().queue
    for key in ("a1", "a2", "a3", "b1", "c1"):
        queue.add(key)
    for key in ("a4", "b2"):
        queue.add(key, urgent=True)
    assert taken(queue) == ["a4", "b2", "c1", "a1", "b1", "a2", "a3"]


async def test_namespace_that_is_at_its_limit_waits_for_the_end_of_one_of_its_keys_and_no_other_does() -> None:
    lanes = Lanes(limit=2)
    for key in ("a1", "a2", "a3", "a4", "b1"):
        lanes.queue.add(key)
    assert taken(lanes.queue) == ["a1", "b1", "a2"]
    lanes.ready.clear()
    lanes.queue.add("a5", urgent=True)
    assert lanes.ready == [], "there is nothing to take"
    lanes.queue.add("us/a6")
    assert taken(lanes.queue, "us") == ["us/a6"], "each lane has limits of its own"
    lanes.ready.clear()
    lanes.queue.done("b1")
    assert taken(lanes.queue) == []
    lanes.queue.done("a1")
    assert taken(lanes.queue) == ["a5"]


async def test_key_that_changes_its_lane_during_its_reconciliation_frees_its_place_in_the_old_one() -> None:
    lane = {"a1": "eu"}
    ready: list[object] = []
    queue: WorkQueue[str] = WorkQueue(lambda key: lane.get(key, "eu"), lambda key: key[0], ready.append, 1)
    queue.add("a1")
    queue.add("a2")
    assert taken(queue, "eu") == ["a1"]
    lane["a1"] = "us"
    queue.add("a1")
    ready.clear()
    queue.done("a1")
    assert ready == ["us"], "who has ended a key takes the next one of that lane"
    assert (taken(queue, "us"), taken(queue, "eu")) == (["a1"], ["a2"])


async def test_a_thousand_lanes_and_namespaces_leave_nothing_behind() -> None:
    queue: WorkQueue[str] = WorkQueue(lambda key: key, lambda key: key, lambda _: None, 1)
    for number in range(1000):
        queue.add(str(number))
        assert taken(queue, str(number)) == [str(number)]
        queue.done(str(number))
    assert queue._lanes == {}


@pytest.mark.parametrize(
    ("delays", "due"),
    [
        pytest.param([10, 2], 2, id="the later was asked for first"),
        pytest.param([2, 10], 2, id="the earlier was asked for first"),
        pytest.param([10, 2, 10, 3], 2, id="in turns"),
    ],
)
async def test_earliest_of_several_delays_wins_and_counts_once(
    queue: WorkQueue[str], delays: list[float], due: float
) -> None:
    for seconds in delays:
        queue.add_after("a", seconds)
    await asyncio.sleep(due - 0.01)
    assert taken(queue) == []
    await asyncio.sleep(0.02)
    assert taken(queue) == ["a"]
    queue.done("a")
    await asyncio.sleep(100)
    assert taken(queue) == []


@pytest.mark.parametrize("seconds", [0, -1])
async def test_no_delay_is_now(queue: WorkQueue[str], seconds: float) -> None:
    queue.add_after("a", seconds)
    assert taken(queue) == ["a"]


async def test_key_that_waits_now_needs_no_delay(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 1)
    queue.add("a")
    queue.add_after("a", 1)
    assert taken(queue) == ["a"]
    queue.done("a")
    await asyncio.sleep(5)
    assert taken(queue) == []


async def test_delay_that_ends_during_the_reconciliation_waits_for_its_end(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.take(ONE) == "a"
    queue.add_after("a", 1)
    await asyncio.sleep(2)
    assert taken(queue) == []
    queue.done("a")
    assert taken(queue) == ["a"]


async def test_many_wake_ups_of_delayed_keys_leave_no_timers_behind(queue: WorkQueue[str]) -> None:
    loop: Any = asyncio.get_running_loop()
    before = len(loop._scheduled)
    for _ in range(10_000):
        queue.add_after("a", 1000)
        queue.add("a")
        assert taken(queue) == ["a"]
        queue.done("a")
        queue.add_after("a", 500)
    await asyncio.sleep(0)
    # The loop cleans up its heap as soon as more than half of at least 100 timers are cancelled.
    assert len(loop._scheduled) - before <= 200


async def test_time_of_waiting_counts_from_when_the_queue_became_non_empty(queue: WorkQueue[str]) -> None:
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(1000)
    queue.add("a")
    started = clock()
    await asyncio.sleep(10)
    queue.add("b")
    queue.take(ONE)
    assert queue.waiting_since == started
    queue.take(ONE)
    await asyncio.sleep(10)
    queue.add("c")
    assert queue.waiting_since == clock(), "it was empty in between"


async def test_closed_queue_wakes_nothing_up(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 1)
    queue.close()
    await asyncio.sleep(2)
    assert len(queue) == 0


class QueueAgainstSets(RuleBasedStateMachine):
    """The queue and its model: a list of ready keys, sets of busy and requeued keys, and the times of delayed keys."""

    keys = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop(start=0)
        self.queue = Lanes().queue
        self.ready: list[str] = []
        self.busy: set[str] = set()
        self.again: set[str] = set()
        self.due: dict[str, float] = {}
        self.time = 0.0

    def teardown(self) -> None:
        self.loop.close()

    def run(self, action: Any) -> Any:
        async def act() -> Any:
            return action()

        return self.loop.run_until_complete(act())

    def _wanted(self, key: str) -> None:
        self.due.pop(key, None)
        if key in self.busy:
            self.again.add(key)
        elif key not in self.ready:
            self.ready.append(key)

    @rule(key=keys)
    def add(self, key: str) -> None:
        self.run(lambda: self.queue.add(key))
        self._wanted(key)

    @rule(key=keys, delay=st.sampled_from([0, 3, 10]))
    def add_after(self, key: str, delay: int) -> None:
        # No two keys are due at the same time, and none at the time when `time_passes` ends.
        seconds = delay + "abcd".index(key) / 10 + 0.003 if delay else 0
        self.run(lambda: self.queue.add_after(key, seconds))
        if delay == 0:
            self._wanted(key)
        elif key not in self.ready and key not in self.again:
            self.due[key] = min(self.due.get(key, float("inf")), self.time + seconds)

    @rule(seconds=st.sampled_from([1, 5]))
    def time_passes(self, seconds: int) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds + 0.05))
        self.time += seconds + 0.05
        for key, due in sorted(self.due.items(), key=lambda each: each[1]):
            if due <= self.time:
                self._wanted(key)

    @precondition(lambda self: self.ready)
    @rule()
    def take(self) -> None:
        key = self.run(lambda: self.queue.take(ONE))
        assert key not in self.busy, "one reconciliation at a time"
        assert key == self.ready.pop(0)
        self.busy.add(key)

    @rule(data=st.data())
    @precondition(lambda self: self.busy)
    def done(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.busy)))
        self.run(lambda: self.queue.done(key))
        self.busy.discard(key)
        if key in self.again:
            self.again.discard(key)
            self.ready.append(key)

    @invariant()
    def as_many_wait_as_should(self) -> None:
        assert len(self.queue) == len(self.ready)
        assert (self.queue.waiting_since is None) == (not self.ready)


TestQueueAgainstSets = QueueAgainstSets.TestCase
TestQueueAgainstSets.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
