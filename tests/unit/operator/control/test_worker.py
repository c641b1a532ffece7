"""Workers on a virtual clock: counting, back-off and requeues, and the effect of one hanging lane on others."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from tgi_operator.backoff import FIRST_BACKOFF, LONGEST_BACKOFF
from tgi_operator.control.outcome import After, Done, Failed, Outcome
from tgi_operator.control.worker import STUCK_SECONDS, Workers

pytestmark = pytest.mark.looptime


class Reconciliations:
    """Workers over keys such as "lane/name" or "lane/namespace/name", and each reconciliation as (time, key, failures).

    A third of the workers of a lane are for one namespace.
    """

    def __init__(self, size: int = 6) -> None:
        self.calls: list[tuple[float, str, int]] = []
        self.outcomes: dict[str, list[Outcome | Exception]] = {}
        self.seconds: dict[str, float] = {}
        self.workers: Workers[str] = Workers(
            self.reconcile,
            lambda key: key.split("/")[0],
            lambda key: key.split("/")[1] if key.count("/") > 1 else "",
            size=size,
            limit=size // 3,
        )

    async def reconcile(self, key: str, failures: int) -> Outcome:
        self.calls.append((asyncio.get_running_loop().time(), key, failures))
        await asyncio.sleep(self.seconds.get(key, 0))
        outcomes = self.outcomes.get(key, [])
        outcome = outcomes.pop(0) if outcomes else Done("done")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def pauses(self) -> list[float]:
        times = [time for time, _, _ in self.calls]
        return [later - earlier for earlier, later in pairwise(times)]


@pytest.fixture
async def made() -> AsyncIterator[Reconciliations]:
    """Yield workers, two for a namespace in each lane."""
    reconciliations = Reconciliations()
    yield reconciliations
    await reconciliations.workers.close()


async def test_failures_are_counted_and_the_backoff_doubles_up_to_45_seconds(made: Reconciliations) -> None:
    made.outcomes["eu/a"] = [Failed("retry")] * 30
    made.workers.queue.add("eu/a")
    await asyncio.sleep(3600)
    assert [failures for _, _, failures in made.calls] == list(range(31))
    for number, pause in enumerate(made.pauses()):
        expected = min(FIRST_BACKOFF * 2.0**number, LONGEST_BACKOFF)
        assert 0.8 * expected <= pause <= 1.2 * expected < 60
    assert len({round(pause, 6) for pause in made.pauses()}) > 20, "without jitter all would come back together"


@pytest.mark.parametrize(
    ("outcome", "pause", "failures"),
    [
        pytest.param(After("observed", 7), 7, 0, id="a look that is due ends the row of failures"),
        pytest.param(Failed("retry", 7), 7, 3, id="a retry at a given time is a failure"),
        pytest.param(RuntimeError("a bug"), 0.8, 3, id="whatever is raised is a failure"),
    ],
)
async def test_next_reconciliation_is_as_the_outcome_says(
    made: Reconciliations, outcome: Outcome | Exception, pause: float, failures: int
) -> None:
    made.outcomes["eu/a"] = [Failed("retry"), Failed("retry"), outcome]
    made.workers.queue.add("eu/a")
    await asyncio.sleep(60)
    assert len(made.calls) == 4
    assert made.pauses()[-1] == pytest.approx(pause, rel=0.21)
    assert made.calls[-1][2] == failures


@pytest.mark.parametrize("forgets", [True, False])
async def test_success_or_the_end_of_the_resource_ends_the_row_of_failures(
    made: Reconciliations, forgets: bool
) -> None:
    made.outcomes["eu/a"] = [Failed("retry"), Failed("retry", 1000) if forgets else Done("done")]
    made.workers.queue.add("eu/a")
    await asyncio.sleep(10)
    if forgets:
        made.workers.forget("eu/a")
    made.workers.queue.add("eu/a")
    await asyncio.sleep(10)
    assert [failures for _, _, failures in made.calls] == [0, 1, 0]


async def test_lane_that_hangs_delays_no_other_and_has_its_number_of_workers(made: Reconciliations) -> None:
    for number in range(50):
        made.seconds[f"dead/{number}"] = 1e6
        made.workers.queue.add(f"dead/{number}")
    for number in range(50):
        made.seconds[f"eu/{number}"] = 1
        made.workers.queue.add(f"eu/{number}")
    await asyncio.sleep(26)
    keys = [key for _, key, _ in made.calls]
    assert [key for key in keys if key.startswith("dead/")] == ["dead/0", "dead/1"]
    assert len([key for key in keys if key.startswith("eu/")]) == 50


async def test_namespaces_that_hang_leave_workers_to_others(made: Reconciliations) -> None:
    for number in range(50):
        made.seconds[f"eu/bad/{number}"] = 1e6
        made.workers.queue.add(f"eu/bad/{number}", urgent=True)
    for number in range(50):
        made.seconds[f"eu/good/{number}"] = 1
        made.workers.queue.add(f"eu/good/{number}")
    await asyncio.sleep(26)
    keys = [key for _, key, _ in made.calls]
    assert [key for key in keys if "bad" in key] == ["eu/bad/0", "eu/bad/1"], "a third of the workers"
    assert len([key for key in keys if "good" in key]) == 50


async def test_each_of_several_namespaces_that_hang_leaves_a_worker_to_another(made: Reconciliations) -> None:
    for number in range(50):
        for namespace in ("a", "b", "c"):
            made.seconds[f"eu/{namespace}/{number}"] = 1e6
            made.workers.queue.add(f"eu/{namespace}/{number}", urgent=True)
    await asyncio.sleep(1)
    for number in range(20):
        made.seconds[f"eu/good/{number}"] = 1
        made.workers.queue.add(f"eu/good/{number}")
    await asyncio.sleep(21)
    keys = [key for _, key, _ in made.calls]
    assert len([key for key in keys if "good" in key]) == 20


async def test_no_key_is_left_without_a_worker_whoever_ends_first() -> None:
    made = Reconciliations(size=6)
    keys = [f"eu/{namespace}/{number}" for number in range(40) for namespace in ("a", "b", "c", "d")]
    for number, key in enumerate(keys):
        made.seconds[key] = 0.1 + number % 7
        made.workers.queue.add(key)
    while len(made.calls) < 2 * len(keys):
        for key in keys[:: 1 + int(asyncio.get_running_loop().time()) % 5]:
            made.workers.queue.add(key)
        await asyncio.sleep(0.7)
        busy = made.workers._working["eu"]
        assert busy == 6 or made.workers.queue.take("eu") is None, "a key may be taken and a worker is free"
    await made.workers.close()


async def test_one_namespace_is_as_fast_as_its_share_of_workers_allows(made: Reconciliations) -> None:
    for number in range(100):
        made.seconds[f"eu/ml/{number}"] = 1
        made.workers.queue.add(f"eu/ml/{number}")
    await asyncio.sleep(49.5)
    assert len(made.calls) == 100


async def test_key_that_is_queued_while_the_last_worker_ends_is_not_lost() -> None:
    made = Reconciliations(size=3)
    for number in range(20):
        made.workers.queue.add(f"eu/{number}")
        for _ in range(number % 5):
            await asyncio.sleep(0)
    await asyncio.sleep(1)
    assert len(made.calls) == 20
    await made.workers.close()


async def test_many_workers_never_share_a_key_and_lose_none(made: Reconciliations) -> None:
    keys = [f"{lane}/{number}" for lane in ("eu", "us") for number in range(10)]
    made.seconds = dict.fromkeys(keys, 0.5)
    ends: dict[str, float] = {}
    for _ in range(30):
        for key in keys:
            made.workers.queue.add(key)
        last = asyncio.get_running_loop().time()
        await asyncio.sleep(0.3)
    await asyncio.sleep(60)
    for time, key, _ in made.calls:
        assert time >= ends.get(key, 0), "one at a time"
        ends[key] = time + 0.5
    assert all(end - 0.5 >= last for end in ends.values()), "each was reconciled after it was queued last"


async def test_liveness_counts_from_when_a_key_began_to_wait(made: Reconciliations) -> None:
    assert made.workers.is_alive()
    await asyncio.sleep(10 * STUCK_SECONDS)
    for number in range(3):
        made.seconds[f"eu/{number}"] = 2 * STUCK_SECONDS
        made.workers.queue.add(f"eu/{number}")
    await asyncio.sleep(1)
    assert made.workers.is_alive(), "it waits for a second only"
    made.workers.queue.add("us/a")
    await asyncio.sleep(STUCK_SECONDS - 2)
    assert made.workers.is_alive()
    await asyncio.sleep(10)
    assert not made.workers.is_alive(), "nothing has ended for too long while a key waits"
    await asyncio.sleep(2 * STUCK_SECONDS)
    assert made.workers.is_alive()


async def test_hanging_reconciliations_that_nobody_waits_behind_are_no_reason_to_restart(
    made: Reconciliations,
) -> None:
    made.seconds["eu/a"] = 1e6
    made.workers.queue.add("eu/a")
    await asyncio.sleep(10 * STUCK_SECONDS)
    assert made.workers.is_alive()


async def test_worker_that_crashes_fails_the_probe(made: Reconciliations, caplog: pytest.LogCaptureFixture) -> None:
    # An invalid outcome crashes the worker itself.
    made.outcomes["eu/a"] = [None]  # type: ignore[list-item]
    made.workers.queue.add("eu/a")
    await asyncio.sleep(1)
    assert not made.workers.is_alive()
    assert "A worker has crashed" in caplog.text


async def test_closed_workers_end_what_is_under_way_and_take_nothing_more(made: Reconciliations) -> None:
    made.seconds["eu/a"] = 1000
    made.workers.queue.add("eu/a")
    await asyncio.sleep(1)
    await made.workers.close()
    made.workers.queue.add("eu/b")
    made.workers.queue.add("eu/a")
    await asyncio.sleep(10)
    assert [key for _, key, _ in made.calls] == ["eu/a"]
