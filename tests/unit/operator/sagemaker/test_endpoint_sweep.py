"""The fleet sweep against an API that lists from memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tgi_operator import metrics
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.client import SageMakerAPI
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.sweep.endpoints import READS_OF_A_CHECK, Fleet, Listed, Tracked

REGION = "eu-west-1"
SWEEP = 0.01
START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


class FakeAPI(SageMakerAPI):
    """Lists what `endpoints` has (name to status and seconds since START), by name and in pages, as AWS does."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.endpoints: dict[str, tuple[str, float]] = {}
        self.requests: list[dict[str, Any]] = []
        self.sweeps = 0
        self.empty_pages = 0
        self.failure: AWSError | None = None
        self.before_answer: Callable[[], None] | None = None

    async def call(self, region: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert operation == "ListEndpoints"
        assert region == REGION
        self.requests.append(dict(request))
        self.called.set()
        names = sorted(self.endpoints)
        if self.failure is not None:
            raise self.failure
        page, size = int(request.get("NextToken", 0)), int(request["MaxResults"])
        first = max(0, page - self.empty_pages) * size
        shown = [] if page < self.empty_pages else names[first : first + size]
        summaries = [self._summary(name) for name in shown]
        if self.before_answer is not None:
            self.before_answer()
        more = page < self.empty_pages or first + size < len(names)
        self.sweeps += not more
        return {"Endpoints": summaries} | ({"NextToken": str(page + 1)} if more else {})

    def _summary(self, name: str) -> dict[str, Any]:
        status, modified = self.endpoints[name]
        return {
            "EndpointName": name,
            "EndpointStatus": status,
            "LastModifiedTime": START + timedelta(seconds=modified),
        }


class Watched:
    """A fleet, the API below it, and a resource for each endpoint that looks when it is told to."""

    def __init__(self, api: FakeAPI, *, reads: float, interval: float) -> None:
        self.api = api
        self.told: list[str] = []
        """Endpoints said to have changed."""
        self.checked: list[str] = []
        """Endpoints whose turn it was to be checked."""
        self.looks = True
        self.fleet = Fleet(api, self._changed, interval=interval, drift_reads_per_minute=reads)

    def follow(self, *names: str) -> None:
        for name in names:
            self.look(name)

    def look(self, name: str) -> Tracked:
        """Do what the backend does with a DescribeEndpoint."""
        tracked = self.fleet.track(REGION, name, Key("ml", name))
        known = self.api.endpoints.get(name)
        tracked.seen, tracked.seen_at = (Listed(known[0], text(known[1])) if known else None), time.monotonic()
        if tracked.check:
            tracked.check, tracked.checked_at = False, time.monotonic()
        return tracked

    def _changed(self, key: Key) -> None:
        tracked = self.fleet.tracked(REGION, key)
        assert tracked is not None
        (self.checked if tracked.check else self.told).append(key.name)
        if self.looks or tracked.check:
            self.look(key.name)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds after a call."""
        async with asyncio.timeout(10):
            while not condition():
                self.api.called.clear()
                await self.api.called.wait()

    async def sweep(self, times: int = 1) -> None:
        """Return when so many more sweeps are over."""
        wanted = self.api.sweeps + times
        await self.until(lambda: self.api.sweeps >= wanted)


def age() -> float:
    """Return the age of the list, as a scrape would see it now."""
    value = metrics.REGISTRY.get_sample_value("tgi_operator_sweep_age_seconds", {"region": REGION})
    assert value is not None
    return value


def text(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@asynccontextmanager
async def watched(reads: float = 1e-9, interval: float = SWEEP) -> AsyncIterator[Watched]:
    one = Watched(FakeAPI(), reads=reads, interval=interval)
    try:
        yield one
    finally:
        await one.fleet.close()


def endpoints(*names: str, status: str = "InService") -> dict[str, tuple[str, float]]:
    return dict.fromkeys(names, (status, 0))


async def test_region_is_listed_by_name_in_pages_of_a_hundred() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints(*(f"e{number:03}" for number in range(250)))
        one.follow("e000", "e249")
        assert await one.fleet.listed(REGION, "e249") == Listed("InService", "2026-01-31T12:00:00.000Z")
    first, second, third = one.api.requests[:3]
    assert first == {"MaxResults": 100, "SortBy": "Name", "SortOrder": "Ascending"}
    assert (second, third) == (first | {"NextToken": "1"}, first | {"NextToken": "2"})


@pytest.mark.parametrize(("size", "pages"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2)])
async def test_a_hundred_endpoints_cost_one_call(size: int, pages: int) -> None:
    async with watched(interval=60) as one:
        one.api.endpoints = endpoints(*(f"e{number:03}" for number in range(size)))
        one.follow("e000")
        await one.fleet.listed(REGION, "e000")
        assert len(one.api.requests) == pages


async def test_empty_page_is_not_the_end() -> None:
    async with watched() as one:
        one.api.endpoints, one.api.empty_pages = endpoints("a"), 3
        one.follow("a")
        assert await one.fleet.listed(REGION, "a") is not None
        assert [request.get("NextToken") for request in one.api.requests[:4]] == [None, "1", "2", "3"]


async def test_many_resources_share_the_calls() -> None:
    async with watched(interval=60) as one:
        one.api.endpoints = endpoints("a", "b", "c")
        one.follow("a", "b", "c")
        await asyncio.gather(*(one.fleet.listed(REGION, name) for name in ("a", "b", "c")))
        assert len(one.api.requests) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(("Creating", 0), ("InService", 1), id="it serves now"),
        pytest.param(("Creating", 0), ("Failed", 1), id="it failed"),
        pytest.param(("InService", 0), ("Updating", 1), id="somebody updates it"),
        pytest.param(("InService", 0), ("InService", 60), id="it was updated between two sweeps"),
        pytest.param(("InService", 0), ("InService", 0.001), id="a millisecond later"),
        pytest.param(("InService", 0), None, id="somebody deleted it"),
        pytest.param(("Deleting", 0), None, id="it is gone"),
        pytest.param(None, ("Creating", 0), id="it is there"),
    ],
)
async def test_change_is_told_once(before: tuple[str, float] | None, after: tuple[str, float] | None) -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("other") | ({"a": before} if before else {})
        one.follow("a", "other")
        await one.sweep(2)
        one.told.clear()
        one.api.endpoints = endpoints("other") | ({"a": after} if after else {})
        await one.sweep(3)
        assert one.told == ["a"]


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"])
async def test_time_alone_says_nothing_while_aws_is_at_work(status: str) -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("a", status=status)
        one.follow("a")
        await one.sweep()
        one.api.endpoints = {"a": (status, 60)}
        await one.sweep(3)
        assert one.told == []


async def test_change_is_told_again_until_somebody_has_looked() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("a", status="Creating")
        one.follow("a")
        one.looks = False
        one.api.endpoints = endpoints("a")
        await one.sweep(3)
        assert one.told == ["a"] * 3


async def test_list_that_is_older_than_the_last_look_is_not_believed() -> None:
    async with watched(interval=0.02) as one:
        one.api.endpoints = endpoints("a")
        one.follow("a")
        await one.sweep()
        one.told.clear()
        begun = False

        def update_while_the_list_is_on_its_way() -> None:
            nonlocal begun
            if not begun:
                begun = True
                one.look("a").seen = Listed("Updating", "")
                # What the look saw stays true for the lists to come.
                one.api.endpoints = endpoints("a", status="Updating")

        one.api.before_answer = update_while_the_list_is_on_its_way
        await one.sweep(3)
        assert begun
        assert one.told == []


async def test_settled_are_checked_in_turn_within_the_budget() -> None:
    # Two checks a sweep.
    async with watched(reads=READS_OF_A_CHECK * 2 * 60 / SWEEP) as one:
        names = [f"e{number}" for number in range(5)]
        one.api.endpoints = endpoints(*names, "new", status="InService") | {"busy": ("Creating", 0)}
        one.follow(*names, "busy")
        await one.sweep(10)
        assert one.checked == names * 4
        assert one.told == []


async def test_budget_below_a_check_a_sweep_is_saved_up() -> None:
    # A check every second sweep.
    async with watched(reads=READS_OF_A_CHECK * 0.5 * 60 / SWEEP) as one:
        one.api.endpoints = endpoints("a", "b")
        one.follow("a", "b")
        await one.sweep(8)
        assert one.checked == ["a", "b", "a", "b"]


async def test_forgotten_endpoint_is_never_told_again() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("a", "b")
        one.follow("a", "b")
        await one.sweep()
        one.fleet.forget(REGION, Key("ml", "a"))
        one.fleet.forget(REGION, Key("ml", "never-followed"))
        one.fleet.forget("us-east-1", Key("ml", "a"))
        one.told.clear()
        one.api.endpoints = {}
        await one.sweep(2)
        assert one.told == ["b"]
        assert one.fleet.tracked(REGION, Key("ml", "a")) is None
        assert one.fleet.tracked(REGION, Key("ml", "b")) is not None
        assert one.fleet.tracked("us-east-1", Key("ml", "a")) is None


async def test_region_that_nobody_follows_is_not_listed() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("a")
        one.follow("a")
        await one.sweep()
        one.fleet.forget(REGION, Key("ml", "a"))
        await asyncio.sleep(2 * SWEEP)
        calls = len(one.api.requests)
        await asyncio.sleep(5 * SWEEP)
        assert len(one.api.requests) == calls
        one.follow("a")
        await one.sweep()


async def test_list_grows_old_until_it_is_had_again() -> None:
    async with watched() as one:
        one.api.failure = AWSError(Meaning.ACCESS_DENIED, "ListEndpoints", "AccessDeniedException", "not authorized")
        one.follow("a")
        await one.until(lambda: len(one.api.requests) >= 3)
        old = age()
        assert old >= SWEEP * (2 + 4) * 0.95, "also where it was never had"
        await asyncio.sleep(0.02)
        assert age() >= old + 0.02, "between two sweeps too"
        one.api.failure = None
        await one.sweep()
        await asyncio.sleep(0)
        assert age() < old


async def test_list_that_nobody_needs_does_not_grow_old() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("a")
        one.follow("a")
        await one.sweep()
        one.fleet.forget(REGION, Key("ml", "a"))
        await asyncio.sleep(0.05)
        assert age() == 0
        one.follow("a")
        assert age() < 0.05, "what was listed long ago is no news"


async def test_following_twice_is_following_once() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("a")
        assert one.look("a") is one.look("a")


async def test_where_no_list_may_be_had_those_in_transition_are_looked_at() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("busy", status="Updating") | endpoints("settled")
        one.api.failure = AWSError(Meaning.ACCESS_DENIED, "ListEndpoints", "AccessDeniedException", "not authorized")
        one.follow("busy", "settled", "vanished")
        # Nobody waits for ever for a list that does not come.
        assert await asyncio.wait_for(one.fleet.listed(REGION, "busy"), 5) is None
        assert one.told == ["busy", "vanished"]
        one.told.clear()
        one.api.failure = None
        one.api.endpoints |= endpoints("busy")
        await one.sweep()
        assert one.told == ["busy"], "the sweep goes on by itself"


async def test_failing_list_is_asked_for_less_and_less_often() -> None:
    async with watched() as one:
        one.api.failure = AWSError(Meaning.THROTTLED, "ListEndpoints", "ThrottlingException", "Rate exceeded")
        started = time.monotonic()
        one.follow("a")
        await one.until(lambda: len(one.api.requests) >= 5)
        assert time.monotonic() - started >= SWEEP * (2 + 4 + 8 + 16) * 0.95
        one.api.failure = None
        await one.until(lambda: one.api.sweeps >= 1)
        calm = time.monotonic()
        await one.sweep(2)
        assert time.monotonic() - calm < SWEEP * 32, "one success and the pause is the usual one again"


async def test_closed_fleet_is_silent() -> None:
    async with watched() as one:
        one.api.endpoints = endpoints("a")
        one.follow("a")
        await one.sweep()
    calls = len(one.api.requests)
    await asyncio.sleep(5 * SWEEP)
    assert len(one.api.requests) == calls
