"""Times as Kubernetes and AWS compare them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.times import parse, rfc3339, rfc3339_exact

NOON = datetime(2026, 1, 31, 12, 0, 0, 123_999, tzinfo=UTC)

zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=zones)  # noqa: DTZ001 - zones are drawn


@pytest.mark.parametrize(
    ("time", "to_the_second", "to_the_millisecond"),
    [
        pytest.param(NOON, "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123Z", id="a time in UTC is cut, not rounded"),
        pytest.param(
            NOON.replace(microsecond=0),
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.000Z",
            id="a full second keeps its milliseconds",
        ),
        pytest.param(
            NOON.astimezone(timezone(timedelta(hours=-5))),
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.123Z",
            id="a time of another zone is told in UTC",
        ),
    ],
)
def test_time_as_text(time: datetime, to_the_second: str, to_the_millisecond: str) -> None:
    assert rfc3339(time) == to_the_second
    assert rfc3339_exact(time) == to_the_millisecond


@given(times)
def test_text_is_the_same_time_again(time: datetime) -> None:
    assert parse(rfc3339(time)) == time.replace(microsecond=0)
    assert time - parse(rfc3339_exact(time)) < timedelta(milliseconds=1)


@given(times, times)
def test_text_tells_times_apart_and_in_order(one: datetime, other: datetime) -> None:
    if abs(one - other) >= timedelta(milliseconds=1):
        assert (rfc3339_exact(one) < rfc3339_exact(other)) == (one < other)
