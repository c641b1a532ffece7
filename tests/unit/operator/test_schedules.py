"""The bounds that are in force at a time, the time of their next change, and the same schedule in AWS's format."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_operator.api.autoscaling import Autoscaling, Schedule
from tgi_operator.backends.plans import schedules
from tgi_operator.backends.plans.schedules import Bounds
from tgi_sandbox.aws.autoscaling import schedules as aws

OFFICE = {"name": "office", "timeZone": "Europe/Madrid", "start": "0 8 * * MON-FRI", "end": "0 20 * * MON-FRI"}


def autoscaling(*given_schedules: dict[str, Any]) -> Autoscaling:
    return Autoscaling.model_validate({"minReplicas": 1, "maxReplicas": 4, "schedules": given_schedules})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # 2026-03-27 is a Friday; on the 29th Madrid goes from UTC+1 to UTC+2.
        ("2026-03-27T06:59:59", Bounds(1, 4)),
        ("2026-03-27T07:00:00", Bounds(2, 4, "office")),
        ("2026-03-27T18:59:59.999", Bounds(2, 4, "office")),
        ("2026-03-27T19:00:00", Bounds(1, 4)),
        ("2026-03-28T12:00:00", Bounds(1, 4)),
        ("2026-03-30T05:59:59", Bounds(1, 4)),
        ("2026-03-30T06:00:00", Bounds(2, 4, "office")),
        ("2026-10-26T06:30:00", Bounds(1, 4)),
        ("2026-10-26T07:00:00", Bounds(2, 4, "office")),
    ],
)
def test_hours_follow_the_clock_of_the_time_zone(moment: str, expected: Bounds) -> None:
    assert schedules.in_force(autoscaling({**OFFICE, "minReplicas": 2}), at(moment)) == expected


def test_the_latest_event_decides_and_a_start_comes_after_an_end() -> None:
    day = {"name": "day", "start": "0 8 * * *", "end": "0 20 * * *", "minReplicas": 3}
    night = {"name": "night", "start": "0 20 * * *", "end": "0 8 * * *", "maxReplicas": 2}
    both = autoscaling(day, night)
    assert schedules.in_force(both, at("2026-05-05T20:00:00")) == Bounds(1, 2, "night")
    assert schedules.in_force(both, at("2026-05-05T08:00:00")) == Bounds(3, 4, "day")


def test_without_schedules_nothing_changes() -> None:
    assert schedules.in_force(autoscaling(), at("2026-05-05T20:00:00")) == Bounds(1, 4)
    assert schedules.next_change(autoscaling(), at("2026-05-05T20:00:00")) is None


MOMENTS = st.integers(0, 3 * 365 * 86_400).map(lambda seconds: at("2025-01-01") + timedelta(seconds=seconds))
ZONES = st.sampled_from(["UTC", "Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
HOURS = st.tuples(st.integers(0, 59), st.integers(4, 23), st.sampled_from(["*", "1-5", "SAT,SUN", "*/2", "7"]))


@settings(deadline=None)
@given(MOMENTS, ZONES, HOURS, HOURS)
def test_the_bounds_change_at_the_next_event_and_not_before(
    now: datetime, zone: str, start: tuple[int, int, str], end: tuple[int, int, str]
) -> None:
    given_schedule = {
        "name": "s",
        "timeZone": zone,
        "start": f"{start[0]} {start[1]} * * {start[2]}",
        "end": f"{end[0]} {end[1]} * * {end[2]}",
        "minReplicas": 2,
    }
    both = autoscaling(given_schedule)
    seconds = schedules.next_change(both, now)
    assert seconds is not None
    assert seconds > 0
    before = schedules.in_force(both, now)
    assert schedules.in_force(both, now + timedelta(seconds=seconds - 0.001)) == before
    # The bounds at that time are those of that event, even if they are the same.
    then = schedules.in_force(both, now + timedelta(seconds=seconds))
    assert then in (Bounds(1, 4), Bounds(2, 4, "s"))


@settings(deadline=None)
@given(MOMENTS, ZONES, HOURS)
def test_aws_starts_at_the_same_minute(now: datetime, zone: str, start: tuple[int, int, str]) -> None:
    """Hours with clock changes are excluded: cron and AWS handle them differently."""
    cron = f"{start[0]} {start[1]} * * {start[2]}"
    schedule = {"name": "s", "timeZone": zone, "start": cron, "end": "0 3 29 2 *", "minReplicas": 2}
    seconds = schedules.next_change(autoscaling({**schedule, "end": cron}), now)
    assert seconds is not None
    found = aws.next_time(schedules.aws_cron(cron), zone, 0.0, now.timestamp())
    assert found == pytest.approx(now.timestamp() + seconds, abs=0.001)


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 8 * * 1-5", "cron(0 8 ? * MON,TUE,WED,THU,FRI *)"),
        ("*/15 0-6/2 1,15 * *", "cron(0,15,30,45 0,2,4,6 1,15 * ? *)"),
        ("0 0 * JAN 0,7", "cron(0 0 ? 1 SUN *)"),
        ("30 22 * * *", "cron(30 22 * * ? *)"),
    ],
)
def test_cron_as_aws_takes_it(cron: str, expected: str) -> None:
    assert schedules.aws_cron(cron) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"timeZone": "Europe/Atlantis"}, "timeZone Europe/Atlantis is not an IANA time zone"),
        ({"start": "0 25 * * *"}, 'start "0 25 * * *": Bad hour'),
        ({"end": "61 8 * * *"}, 'end "61 8 * * *": Bad minute'),
        ({"start": "0 8 1 * MON"}, "day-of-month and day-of-week cannot both be restricted"),
        ({"start": "0 8 L * *"}, "L and # are not supported"),
        ({"start": "0 8 31 2 *"}, 'start "0 8 31 2 *"'),
        ({"end": "0 8 * * MON-FRI"}, "so the schedule would end as soon as it starts"),
    ],
)
def test_what_is_wrong_names_the_field(change: dict[str, str], words: str) -> None:
    schedule = Schedule.model_validate({**OFFICE, "minReplicas": 2, **change})
    assert words in (schedules.problem(schedule) or "")


def test_a_schedule_that_can_be_carried_out_has_no_problem() -> None:
    assert schedules.problem(Schedule.model_validate({**OFFICE, "minReplicas": 2})) is None
