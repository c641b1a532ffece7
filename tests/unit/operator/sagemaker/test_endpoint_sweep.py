"""The sweep of endpoints with an API that lists from memory, on a virtual clock."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tgi_operator import metrics
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.seen.state import Listed
from tgi_operator.backends.sagemaker.sweep import endpoints as sweep_module
from tgi_operator.backends.sagemaker.sweep.endpoints import (
    OUTAGE_SECONDS,
    READS_OF_A_CHECK,
    REPORTS_PER_SECOND,
    EndpointSweep,
    Followed,
    Listing,
)
from tgi_operator.backends.sagemaker.sweep.scopes import RETRY_SECONDS

pytestmark = pytest.mark.looptime

SCOPE, ELSEWHERE = Scope("", "eu-west-1"), Scope("", "us-east-1")
INTERVAL = 30.0
START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
DENIED = AWSError(Meaning.ACCESS_DENIED, "ListEndpoints", "AccessDeniedException", "not authorized")
UNAVAILABLE = AWSError(Meaning.UNAVAILABLE, "ListEndpoints", "ServiceUnavailable", "try later")
EXPIRED = AWSError(Meaning.CREDENTIALS_EXPIRED, "ListEndpoints", "ExpiredTokenException", "expired")
SILENT = AWSError(Meaning.UNAVAILABLE, "ListEndpoints", "ConnectTimeoutError", "Connect timeout")
THROTTLED = AWSError(Meaning.THROTTLED, "ListEndpoints", "ThrottlingException", "Rate exceeded")


def clock() -> float:
    return asyncio.get_running_loop().time()


def text(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_state(*names: str, status: str = "InService") -> dict[str, tuple[str, float]]:
    return dict.fromkeys(names, (status, 0))


class Amazon:
    """Lists `endpoints` (name to status and seconds since START), by name and in pages, as AWS does."""

    def __init__(self) -> None:
        self.endpoints: dict[str, tuple[str, float]] = {}
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.empty_pages = 0
        self.seconds = 0.0
        self.failures: dict[Scope, Exception] = {}

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert operation == "ListEndpoints"
        self.requests.append(dict(request))
        self.times.append(clock())
        page, size = int(request.get("NextToken", 0)), int(request["MaxResults"])
        names = sorted(self.endpoints)
        first = max(0, page - self.empty_pages) * size
        shown = [] if page < self.empty_pages else names[first : first + size]
        summaries = [self._summary(name) for name in shown]
        await asyncio.sleep(self.seconds)
        if scope in self.failures:
            raise self.failures[scope]
        more = page < self.empty_pages or first + size < len(names)
        return {"Endpoints": summaries} | ({"NextToken": str(page + 1)} if more else {})

    async def close(self) -> None:
        """Nothing to wait for."""

    def _summary(self, name: str) -> dict[str, Any]:
        status, modified = self.endpoints[name]
        return {
            "EndpointName": name,
            "EndpointStatus": status,
            "LastModifiedTime": START + timedelta(seconds=modified),
        }


class Watched:
    """A sweep, the API below it, and a resource for each endpoint, which is reconciled when it is reported."""

    def __init__(self, *, reads: float, interval: float) -> None:
        self.api = Amazon()
        self.reported: list[str] = []
        self.report_times: list[float] = []
        self.checked: list[str] = []
        """Endpoints whose turn came to be checked."""
        self.looks = True
        self.sweep = EndpointSweep(
            self.api,
            self._changed,
            interval=interval,
            drift_reads_per_minute=reads,
            now=lambda: START + timedelta(seconds=clock()),
        )

    def follow(self, *names: str, scope: Scope = SCOPE) -> None:
        for name in names:
            # Act like the backend for a resource whose scope is not listed.
            followed = self.sweep.follow(scope, Key("ml", name), name)
            followed.waits = self.sweep.listing(scope) is None

    def look(self, name: str) -> Followed:
        """Act like the backend with the answer of DescribeEndpoint."""
        followed = self.sweep.followed(Key("ml", name))
        assert followed is not None
        known = self.api.endpoints.get(name)
        followed.saw(Listed(known[0], text(known[1])) if known else None)
        followed.check = followed.waits = False
        return followed

    def _changed(self, key: Key) -> None:
        followed = self.sweep.followed(key)
        assert followed is not None
        (self.checked if followed.check else self.reported).append(key.name)
        self.report_times.append(clock())
        if self.looks or followed.check:
            self.look(key.name)


@asynccontextmanager
async def watched(reads: float = 1e-9, interval: float = INTERVAL) -> AsyncIterator[Watched]:
    one = Watched(reads=reads, interval=interval)
    try:
        yield one
    finally:
        await one.sweep.close()


@asynccontextmanager
async def settled(*names: str, reads: float = 1e-9, status: str = "InService") -> AsyncIterator[Watched]:
    """Endpoints that have been listed and observed; the next sweep is an interval away."""
    async with watched(reads) as one:
        one.api.endpoints = in_state(*names, status=status)
        one.follow(*names)
        await asyncio.sleep(1)
        one.reported.clear()
        one.report_times.clear()
        yield one


def age(scope: Scope = SCOPE) -> float:
    """Return the age of the listing, as a scrape sees it now."""
    value = metrics.REGISTRY.get_sample_value("tgi_operator_sweep_age_seconds", {"region": scope.region})
    assert value is not None
    return value


async def test_scope_is_listed_by_name_in_pages_of_a_hundred() -> None:
    async with watched() as one:
        one.api.endpoints = in_state(*(f"e{number:03}" for number in range(250)))
        one.follow("e000", "e249")
        await asyncio.sleep(1)
        listing = one.sweep.listing(SCOPE)
    assert listing is not None
    assert listing.complete
    assert listing.endpoints["e249"] == Listed("InService", "2026-01-31T12:00:00.000Z")
    first, second, third = one.api.requests
    assert first == {"MaxResults": 100, "SortBy": "Name", "SortOrder": "Ascending"}
    assert (second, third) == (first | {"NextToken": "1"}, first | {"NextToken": "2"})


@pytest.mark.parametrize(("size", "pages"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (12_345, 124)])
async def test_a_hundred_endpoints_cost_one_call_whoever_follows_them(size: int, pages: int) -> None:
    async with watched() as one:
        one.api.endpoints = in_state(*(f"e{number:05}" for number in range(size)))
        one.follow(*(f"e{number:05}" for number in range(0, 1000, 7)))
        await asyncio.sleep(1)
        assert len(one.api.requests) == pages


async def test_empty_page_is_not_the_end() -> None:
    async with watched() as one:
        one.api.endpoints, one.api.empty_pages = in_state("a"), 3
        one.follow("a")
        await asyncio.sleep(1)
        assert [request.get("NextToken") for request in one.api.requests] == [None, "1", "2", "3"]
        listing = one.sweep.listing(SCOPE)
        assert listing is not None
        assert "a" in listing.endpoints


async def test_endpoints_beyond_a_list_that_does_not_end_are_not_taken_for_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep_module, "MAX_PAGES", 1)
    async with watched() as one:
        one.api.endpoints = in_state(*(f"e{number:03}" for number in range(101)))
        one.follow("e000", "e100")
        await asyncio.sleep(1)
        one.reported.clear()
        one.api.endpoints["e000"] = ("Failed", 1)
        await asyncio.sleep(3 * INTERVAL)
        assert one.reported == ["e000"]
        listing = one.sweep.listing(SCOPE)
        assert listing is not None
        assert listing.settles("e000")
        assert not listing.settles("e100")


@pytest.mark.parametrize("failure", [None, UNAVAILABLE, DENIED, ValueError("not JSON")])
async def test_resources_that_came_before_the_first_sweep_are_reported_when_it_ends(failure: Exception | None) -> None:
    async with watched() as one:
        one.api.seconds = 5
        one.api.endpoints = in_state("a")
        if failure is not None:
            one.api.failures[SCOPE] = failure
        one.follow("a", "absent")
        await asyncio.sleep(4)
        one.follow("late")
        assert one.sweep.listing(SCOPE) is None
        assert one.reported == []
        await asyncio.sleep(2)
        assert one.reported == ["a", "absent", "late"]
        listing = one.sweep.listing(SCOPE)
        assert listing is not None
        assert listing.complete == (failure is None)
        assert listing.read_at == (0 if failure is None else -math.inf)
        await asyncio.sleep(3 * INTERVAL)
        assert Counter(one.reported)["absent"] <= (1 if failure is not UNAVAILABLE else 2)


async def test_resource_that_was_looked_at_meanwhile_is_not_reported_by_the_first_sweep() -> None:
    async with watched() as one:
        one.api.seconds = 5
        one.api.endpoints = in_state("a", "b")
        one.follow("a", "b")
        await asyncio.sleep(1)
        one.look("a")
        await asyncio.sleep(10)
        assert one.reported == ["b"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(("Creating", 0), ("InService", 1), id="it serves now"),
        pytest.param(("Creating", 0), ("Failed", 1), id="it failed"),
        pytest.param(("InService", 0), ("Updating", 1), id="another user updates it"),
        pytest.param(("InService", 0), ("InService", 60), id="it was updated between two sweeps"),
        pytest.param(("InService", 0), ("InService", 0.001), id="a millisecond later"),
        pytest.param(("InService", 0), None, id="another user deleted it"),
        pytest.param(("Deleting", 0), None, id="it is gone"),
        pytest.param(None, ("Creating", 0), id="it is there"),
    ],
)
async def test_change_is_reported_once_and_by_the_next_sweep(
    before: tuple[str, float] | None, after: tuple[str, float] | None
) -> None:
    async with watched() as one:
        one.api.endpoints = in_state("other") | ({"a": before} if before else {})
        one.follow("a", "other")
        await asyncio.sleep(1)
        one.reported.clear()
        one.api.endpoints = in_state("other") | ({"a": after} if after else {})
        await asyncio.sleep(INTERVAL)
        assert one.reported == ["a"]
        await asyncio.sleep(3 * INTERVAL)
        assert one.reported == ["a"]


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"])
async def test_time_alone_means_nothing_while_aws_is_at_work(status: str) -> None:
    async with settled("a", status=status) as one:
        one.api.endpoints = {"a": (status, 60)}
        await asyncio.sleep(3 * INTERVAL)
        assert one.reported == []


async def test_change_is_reported_again_until_it_is_looked_at() -> None:
    async with settled("a", status="Creating") as one:
        one.looks = False
        one.api.endpoints = in_state("a")
        await asyncio.sleep(3 * INTERVAL)
        assert one.reported == ["a"] * 3


async def test_listing_that_is_older_than_the_last_look_is_not_believed() -> None:
    async with settled("a") as one:
        one.api.seconds = 10
        await asyncio.sleep(INTERVAL)
        # The list is in transit, with the endpoint in service.
        one.api.endpoints = in_state("a", status="Updating")
        one.look("a")
        await asyncio.sleep(3 * INTERVAL)
        assert one.reported == []


async def test_what_was_read_earlier_does_not_replace_what_is_known() -> None:
    followed = Followed(Key("ml", "a"), "a")
    followed.saw(Listed("InService", "t1"), read_at=5)
    followed.saw(Listed("Creating", "t0"), read_at=4)
    assert not followed.differs(Listing({"a": Listed("InService", "t1")}, complete=True, read_at=6))
    followed.saw(None, read_at=6)
    assert not followed.differs(Listing({"a": Listed("Creating", "t0")}, complete=True, read_at=6))
    assert followed.differs(Listing({"a": Listed("Creating", "t0")}, complete=True, read_at=7))


async def test_following_twice_is_following_once_and_another_endpoint_is_another_record() -> None:
    async with settled("a", "b") as one:
        key = Key("ml", "a")
        record = one.sweep.followed(key)
        assert one.sweep.follow(SCOPE, key, "a") is record
        renamed = one.sweep.follow(SCOPE, key, "b")
        assert renamed is not record
        assert (renamed.endpoint, renamed.seen) == ("b", None)
        moved = one.sweep.follow(ELSEWHERE, key, "b")
        assert moved is not renamed
        assert one.sweep.followed(key) is moved


async def test_forgotten_resource_is_never_reported_again() -> None:
    async with settled("a", "b") as one:
        one.sweep.forget(Key("ml", "a"))
        one.sweep.forget(Key("ml", "never-followed"))
        one.api.endpoints = {}
        await asyncio.sleep(2 * INTERVAL)
        assert one.reported == ["b"]
        assert one.sweep.followed(Key("ml", "a")) is None
        assert one.sweep.followed(Key("ml", "b")) is not None


async def test_scope_in_which_nothing_is_followed_is_not_listed_and_its_listing_is_dropped() -> None:
    async with settled("a") as one:
        one.sweep.forget(Key("ml", "a"))
        assert one.sweep.listing(SCOPE) is None
        assert age() == 0
        await asyncio.sleep(10 * INTERVAL)
        assert len(one.api.requests) == 1
        one.follow("a")
        assert one.sweep.listing(SCOPE) is None
        await asyncio.sleep(1)
        assert one.reported == ["a"]


async def test_closed_sweep_is_silent() -> None:
    async with settled("a") as one:
        pass
    await asyncio.sleep(10 * INTERVAL)
    assert len(one.api.requests) == 1


# Failures


async def test_age_of_the_listing_grows_while_sweeps_fail_or_hang() -> None:
    async with settled("a") as one:
        one.follow("far", scope=ELSEWHERE)
        one.api.failures[SCOPE] = DENIED
        await asyncio.sleep(5 * INTERVAL)
        assert age() == pytest.approx(5 * INTERVAL + 1)
        assert age(ELSEWHERE) <= INTERVAL
        one.api.failures.clear()
        await asyncio.sleep(RETRY_SECONDS)
        assert age() <= RETRY_SECONDS
        one.api.seconds = 1e9
        await asyncio.sleep(100 * INTERVAL)
        assert age() >= 99 * INTERVAL


async def test_oldest_listing_of_a_region_counts() -> None:
    async with settled("a") as one:
        other = Scope("arn:aws:iam::111122223333:role/other", SCOPE.region)
        one.follow("b", scope=other)
        one.api.failures[SCOPE] = DENIED
        await asyncio.sleep(5 * INTERVAL)
        assert age() == pytest.approx(5 * INTERVAL + 1)


@pytest.mark.parametrize(
    ("interval", "pauses"),
    [(2.0, [2, 2, 2, 2]), (12.0, [5, 10, 12, 12]), (30.0, [5, 10, 15, 15]), (3600.0, [5, 10, 15, 15])],
)
async def test_failed_sweep_is_repeated_soon_and_then_less_often(interval: float, pauses: list[float]) -> None:
    async with watched(interval=interval) as one:
        one.api.failures[SCOPE] = THROTTLED
        one.follow("a")
        await asyncio.sleep(1000)
        found = [later - earlier for earlier, later in pairwise(one.api.times)]
        assert found[:4] == pytest.approx(pauses)
        assert max(found) <= min(interval, RETRY_SECONDS)


async def test_where_listing_is_denied_only_endpoints_in_transition_are_reported() -> None:
    async with watched() as one:
        one.api.endpoints = in_state("busy", status="Updating") | in_state("settled")
        one.api.failures[SCOPE] = DENIED
        one.follow("busy", "settled", "absent")
        await asyncio.sleep(1)
        assert one.reported == ["busy", "settled", "absent"], "the first sweep has ended"
        one.reported.clear()
        await asyncio.sleep(600)
        assert set(one.reported) == {"busy"}
        assert one.sweep.outage(SCOPE) is None, "AWS answers"


async def test_a_list_from_before_listing_was_denied_confirms_nothing() -> None:
    async with watched() as one:
        one.api.endpoints = in_state("settled")
        one.follow("settled")
        await asyncio.sleep(1)
        one.api.failures[SCOPE] = DENIED
        await asyncio.sleep(60)
        listing = one.sweep.listing(SCOPE)
        assert listing is not None
        assert not listing.settles("settled")
        assert not listing.settles("absent")


async def test_resources_without_a_look_are_not_reported_by_every_failed_sweep() -> None:
    async with watched() as one:
        one.looks = False
        one.api.failures[SCOPE] = UNAVAILABLE
        one.follow("a", "b")
        await asyncio.sleep(3600)
        assert Counter(one.reported) == {"a": 2, "b": 2}, "when the first sweep ended, and when the outage began"


# Outages


@pytest.mark.parametrize("failure", [UNAVAILABLE, THROTTLED, EXPIRED])
async def test_outage_begins_after_a_minute_and_ends_with_the_next_sweep(failure: AWSError) -> None:
    async with settled("a", "b") as one:
        one.api.failures[SCOPE] = failure
        await asyncio.sleep(OUTAGE_SECONDS - 2)
        assert one.sweep.outage(SCOPE) is None
        await asyncio.sleep(RETRY_SECONDS + 2)
        outage = one.sweep.outage(SCOPE)
        assert outage is not None
        assert (outage.since, outage.meaning) == (START + timedelta(seconds=INTERVAL), failure.meaning)
        assert failure.message in outage.message
        assert one.reported == ["a", "b"]
        await asyncio.sleep(3600)
        assert one.reported == ["a", "b"], "an outage that lasts is no news"
        one.api.failures.clear()
        await asyncio.sleep(RETRY_SECONDS + 1)
        assert one.sweep.outage(SCOPE) is None
        assert one.reported == ["a", "b", "a", "b"]


async def test_outage_at_the_start_begins_a_minute_after_the_first_try() -> None:
    async with watched() as one:
        one.api.failures[SCOPE] = UNAVAILABLE
        one.follow("a")
        await asyncio.sleep(OUTAGE_SECONDS - 1)
        assert one.sweep.outage(SCOPE) is None
        await asyncio.sleep(2)
        outage = one.sweep.outage(SCOPE)
        assert outage is not None
        assert outage.since == START


async def test_one_failed_sweep_is_no_outage_however_long_it_takes() -> None:
    async with settled("a") as one:
        one.api.failures[SCOPE] = UNAVAILABLE
        one.api.seconds = 2 * OUTAGE_SECONDS
        await asyncio.sleep(INTERVAL + 2 * OUTAGE_SECONDS + 1)
        assert one.sweep.outage(SCOPE) is None
        one.api.seconds = 0
        await asyncio.sleep(RETRY_SECONDS + 1)
        assert one.sweep.outage(SCOPE) is not None


async def test_failures_with_a_success_between_are_no_outage() -> None:
    async with settled("a") as one:
        for _ in range(20):
            one.api.failures[SCOPE] = UNAVAILABLE
            await asyncio.sleep(INTERVAL)
            one.api.failures.clear()
            await asyncio.sleep(INTERVAL)
            assert one.sweep.outage(SCOPE) is None
        assert one.reported == []
        one.api.failures[SCOPE] = UNAVAILABLE
        began = START + timedelta(seconds=clock())
        await asyncio.sleep(300)
        outage = one.sweep.outage(SCOPE)
        assert outage is not None
        assert outage.since >= began, "earlier failures are no part of it"


async def test_outage_of_one_scope_concerns_no_other() -> None:
    async with settled("a") as one:
        one.follow("far", scope=ELSEWHERE)
        await asyncio.sleep(1)
        one.reported.clear()
        one.api.failures[ELSEWHERE] = UNAVAILABLE
        await asyncio.sleep(600)
        assert one.sweep.outage(ELSEWHERE) is not None
        assert one.sweep.outage(SCOPE) is None
        assert one.reported == ["far"]
        assert age() <= INTERVAL


async def test_outage_names_the_latest_cause_and_not_every_message() -> None:
    async with settled("a") as one:
        one.api.failures[SCOPE] = UNAVAILABLE
        await asyncio.sleep(300)
        first = one.sweep.outage(SCOPE)
        assert first is not None
        one.api.failures[SCOPE] = AWSError(Meaning.UNAVAILABLE, "ListEndpoints", "ReadTimeoutError", "other text")
        await asyncio.sleep(60)
        assert one.sweep.outage(SCOPE) is first
        one.api.failures[SCOPE] = EXPIRED
        await asyncio.sleep(60)
        later = one.sweep.outage(SCOPE)
        assert later is not None
        assert (later.meaning, later.since) == (Meaning.CREDENTIALS_EXPIRED, first.since)


async def test_refusal_ends_an_outage_because_aws_answers() -> None:
    async with settled("a") as one:
        one.api.failures[SCOPE] = UNAVAILABLE
        await asyncio.sleep(300)
        assert one.sweep.outage(SCOPE) is not None
        one.api.failures[SCOPE] = DENIED
        await asyncio.sleep(RETRY_SECONDS)
        assert one.sweep.outage(SCOPE) is None
        assert one.reported == ["a", "a"]


async def test_begin_and_end_of_an_outage_are_reported_at_a_bounded_rate() -> None:
    names = [f"e{number:04}" for number in range(400)]
    async with settled(*names) as one:
        for failures in ({SCOPE: UNAVAILABLE}, {}):
            one.api.failures = dict(failures)
            one.reported.clear()
            one.report_times.clear()
            await asyncio.sleep(300)
            assert sorted(one.reported) == names
            windows = Counter(int(time) for time in one.report_times)
            assert max(windows.values()) <= REPORTS_PER_SECOND + 1
            assert one.report_times[-1] - one.report_times[0] <= len(names) / REPORTS_PER_SECOND + 1


async def test_end_of_an_outage_replaces_what_is_left_of_its_beginning() -> None:
    names = [f"e{number:04}" for number in range(2000)]
    async with settled(*names) as one:
        one.api.failures[SCOPE] = UNAVAILABLE
        while one.sweep.outage(SCOPE) is None:  # noqa: ASYNC110 - the clock is virtual
            await asyncio.sleep(1)
        one.reported.clear()
        one.api.failures.clear()
        await asyncio.sleep(300)
        counts = Counter(one.reported)
        assert set(counts) == set(names)
        assert sum(counts.values()) < 1.9 * len(names), "a resource late in the line is reported once"


async def test_small_namespace_sees_the_end_of_an_outage_before_a_large_one_is_through() -> None:
    async with settled(*(f"e{number:04}" for number in range(1000))) as one:
        one.sweep.follow(SCOPE, Key("team", "small"), "small")
        one.api.failures[SCOPE] = UNAVAILABLE
        await asyncio.sleep(300)
        one.look = lambda name: None  # type: ignore[assignment, return-value, method-assign]
        one.reported.clear()
        one.api.failures.clear()
        await asyncio.sleep(RETRY_SECONDS + 20)
        assert one.reported.index("small") <= 1
        assert len(one.reported) == 1001


# A scope that does not answer


async def test_scope_that_does_not_answer_is_cut_off_by_the_first_failed_sweep_until_one_is_answered() -> None:
    async with settled("a", "b") as one:
        one.api.failures[SCOPE] = SILENT
        await asyncio.sleep(INTERVAL)
        assert one.sweep.listing(SCOPE) is None
        assert one.sweep.outage(SCOPE) is None, "no status changes for what is over in a moment"
        one.follow("a")
        one.api.failures.clear()
        await asyncio.sleep(RETRY_SECONDS)
        assert one.sweep.listing(SCOPE) is not None
        assert one.reported == ["a"], "it has waited, and nothing else has changed"


async def test_scope_that_has_never_answered_shows_an_outage_after_a_minute_and_nothing_is_looked_at_before() -> None:
    async with watched() as one:
        one.api.seconds = 5
        one.api.failures[SCOPE] = SILENT
        one.follow("a", "b")
        await asyncio.sleep(OUTAGE_SECONDS - 1)
        assert one.reported == []
        await asyncio.sleep(RETRY_SECONDS + 6)
        assert one.sweep.outage(SCOPE) is not None
        assert one.reported == ["a", "b"]
        one.api.failures.clear()
        await asyncio.sleep(RETRY_SECONDS + 6)
        assert one.sweep.outage(SCOPE) is None
        assert Counter(one.reported) == {"a": 2, "b": 2}


@pytest.mark.parametrize("answer", [THROTTLED, DENIED, UNAVAILABLE])
async def test_answer_that_is_an_error_ends_the_cut_off(answer: AWSError) -> None:
    async with settled("a", "b") as one:
        one.api.failures[SCOPE] = SILENT
        await asyncio.sleep(INTERVAL)
        one.follow("a")
        one.api.failures[SCOPE] = answer
        await asyncio.sleep(RETRY_SECONDS)
        assert one.sweep.listing(SCOPE) is not None
        assert "a" in one.reported


@pytest.mark.parametrize(("after", "swept_at"), [(16.0, 16.0), (100.0, 100.0), (3.0, 15.0)])
async def test_suspicion_is_looked_into_at_once_but_not_more_often_than_failed_sweeps(
    after: float, swept_at: float
) -> None:
    async with watched(interval=600) as one:
        one.follow("a")
        await asyncio.sleep(after)
        one.sweep.suspect(SCOPE)
        one.sweep.suspect(ELSEWHERE)
        await asyncio.sleep(599)
        assert one.api.times == pytest.approx([0, swept_at], abs=1e-3)


async def test_scope_in_which_nothing_is_followed_any_more_is_dropped() -> None:
    dropped: list[Scope] = []
    sweep = EndpointSweep(Amazon(), lambda _: None, interval=INTERVAL, drift_reads_per_minute=1, dropped=dropped.append)
    for name, scope in (("a", SCOPE), ("b", SCOPE), ("c", ELSEWHERE)):
        sweep.follow(scope, Key("ml", name), name)
    sweep.forget(Key("ml", "a"))
    assert dropped == []
    sweep.follow(ELSEWHERE, Key("ml", "b"), "b")
    assert dropped == [SCOPE]
    sweep.forget(Key("ml", "b"))
    sweep.forget(Key("ml", "c"))
    assert dropped == [SCOPE, ELSEWHERE]
    await sweep.close()


# Drift checks


def reads_for(checks_per_sweep: float) -> float:
    return checks_per_sweep * READS_OF_A_CHECK * 60 / INTERVAL


@settings(deadline=None, max_examples=30)
@given(
    size=st.integers(1, 12),
    checks=st.sampled_from([0.25, 0.5, 1.0, 3.0]),
    failing=st.sets(st.integers(0, 11)),
    seed=st.integers(),
)
async def test_every_endpoint_is_checked_once_a_cycle_but_those_whose_check_failed_wait_for_their_own_attempt(
    size: int, checks: float, failing: set[int], seed: int
) -> None:
    random.seed(seed)
    names = [f"e{number:02}" for number in range(size)]
    broken = {f"e{number:02}" for number in failing}
    chosen: list[str] = []
    async with watched(reads_for(checks)) as one:
        look = one.look

        def look_and_fail(name: str) -> Followed:
            followed = one.sweep.followed(Key("ml", name))
            assert followed is not None
            if not followed.check:
                return look(name)
            chosen.append(name)
            return followed if name in broken else look(name)

        one.look = look_and_fail  # type: ignore[method-assign]
        one.api.endpoints = in_state(*names)
        one.follow(*names)
        # The first sweep lists, and two cycles of checks follow.
        await asyncio.sleep(INTERVAL * (1 + 2 * math.ceil(size / checks)))
    healthy = [name for name in names if name not in broken]
    assert sorted(chosen[:size]) == names
    assert sorted(chosen[size : size + len(healthy)]) == healthy
    assert broken.isdisjoint(chosen[size:])


async def test_endpoints_that_are_created_or_in_transition_do_not_stop_the_rotation() -> None:
    names = [f"e{number:02}" for number in range(20)]
    async with settled(*names, reads=reads_for(1)) as one:
        one.api.endpoints |= in_state("busy", status="Creating")
        one.follow("busy")
        one.look("busy")
        for number in range(20):
            one.api.endpoints |= in_state(f"new{number:02}")
            one.follow(f"new{number:02}")
            one.look(f"new{number:02}")
            await asyncio.sleep(INTERVAL)
        one.checked.clear()
        await asyncio.sleep(INTERVAL * 40)
        assert sorted(one.checked) == sorted(set(one.api.endpoints) - {"busy"})


async def test_restarts_favour_no_place_in_the_list() -> None:
    random.seed(1)
    names = [f"e{number:02}" for number in range(40)]
    ever: Counter[str] = Counter()
    for _ in range(30):
        async with settled(*names, reads=reads_for(1)) as one:
            # A quarter of a cycle until the next restart.
            await asyncio.sleep(INTERVAL * 10)
            ever.update(one.checked)
    assert set(ever) == set(names)
    # Every endpoint is chosen with a chance of 1/4: about 7 times in 30, and 20 times only with a bias towards it.
    assert max(ever.values()) < 20


async def test_gone_resource_takes_no_turn() -> None:
    async with settled("a", "b", reads=reads_for(1)) as one:
        one.sweep.forget(Key("ml", "a"))
        one.checked.clear()
        await asyncio.sleep(3 * INTERVAL)
        assert one.checked == ["b"] * 3


@given(reads=st.floats(0.1, 3000), interval=st.floats(1, 600))
@settings(deadline=None, max_examples=30)
async def test_checks_never_cost_more_than_the_budget(reads: float, interval: float) -> None:
    names = [f"e{number:02}" for number in range(10)]
    async with watched(reads, interval) as one:
        one.api.endpoints = in_state(*names)
        one.follow(*names)
        started = clock()
        await asyncio.sleep(20 * interval + 1)
        minutes = (clock() - started + interval) / 60
        assert len(one.checked) * READS_OF_A_CHECK <= reads * minutes + 1e-6


async def test_budget_below_a_check_a_sweep_is_saved_up() -> None:
    async with settled("a", "b", reads=reads_for(0.5)) as one:
        one.checked.clear()
        await asyncio.sleep(INTERVAL * 8)
        assert len(one.checked) == 4
        assert one.checked[:2] == one.checked[2:]


@given(
    sizes=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 20), min_size=1),
    checks=st.sampled_from([0.5, 1.0, 2.0, 5.0]),
    seed=st.integers(),
)
@example(sizes={"a": 1, "b": 4}, checks=5.0, seed=0)
@settings(deadline=None, max_examples=20)
async def test_each_namespace_gets_half_of_an_equal_share_of_checks_at_least(
    sizes: dict[str, int], checks: float, seed: int
) -> None:
    random.seed(seed)
    keys = [Key(namespace, str(number)) for namespace, size in sizes.items() for number in range(size)]
    chosen: list[Key] = []

    def changed(key: Key) -> None:
        followed = sweep.followed(key)
        assert followed is not None
        chosen.extend([key] if followed.check else [])
        followed.saw(Listed("InService", text(0)))
        followed.check = False

    api = Amazon()
    api.endpoints = in_state(*map(str, keys))
    sweep = EndpointSweep(api, changed, interval=INTERVAL, drift_reads_per_minute=reads_for(checks))
    for key in keys:
        sweep.follow(SCOPE, key, str(key)).waits = True
    await asyncio.sleep(INTERVAL * 100)
    await sweep.close()
    made = Counter(key.namespace for key in chosen)
    # The first sweep only lists.
    assert sum(made.values()) >= (99 * min(checks, len(keys))) - 1, "no check is lost"
    for namespace, size in sizes.items():
        # A sweep checks an endpoint at most once, however large the share of its namespace is.
        share = min(0.5 * len(chosen) / len(sizes), 99 * size)
        assert made[namespace] >= share - len(sizes), made
    oldest = {key: index for index, key in enumerate(chosen)}
    assert set(keys) <= oldest.keys() or len(chosen) < 2 * len(keys), "none is left out"


async def test_small_namespace_is_checked_often_though_another_is_large() -> None:
    async with settled(*(f"e{number:03}" for number in range(200)), reads=reads_for(2)) as one:
        one.api.endpoints |= in_state("small")
        one.sweep.follow(SCOPE, Key("team", "small"), "small").saw(Listed("InService", text(0)))
        changed: list[Key] = []

        def look(name: str) -> Followed:
            followed = one.sweep.followed(Key("team" if name == "small" else "ml", name))
            assert followed is not None
            changed.append(followed.key)
            followed.check = False
            return followed

        one.look = look  # type: ignore[method-assign]
        await asyncio.sleep(INTERVAL * 20)
        assert changed.count(Key("team", "small")) >= 10
        assert len(changed) >= 38
