"""The pure parts of Application Auto Scaling: schedules, timelines, metric math, alarms and decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_sandbox.aws.autoscaling.alarms import Tracking
from tgi_sandbox.aws.autoscaling.decisions import Alarm, Decision, Reading, Situation, decide
from tgi_sandbox.aws.autoscaling.expressions import evaluate, ids_of
from tgi_sandbox.aws.autoscaling.metrics import HIGH_RESOLUTION, INVOCATIONS, Metrics, Pretended
from tgi_sandbox.aws.autoscaling.published import Published
from tgi_sandbox.aws.autoscaling.schedules import next_time
from tgi_sandbox.aws.autoscaling.timeline import KEPT_SECONDS, Counts, Timeline

MADRID = "Europe/Madrid"
CREATED = datetime(2026, 3, 1, 0, 0, 30, tzinfo=UTC).timestamp()


def seconds(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def times(expression: str, after: str, zone: str | None = None, count: int = 1) -> list[str]:
    """The next times in UTC."""
    found, at = [], seconds(after)
    for _ in range(count):
        following = next_time(expression, zone, CREATED, at)
        if following is None:
            break
        assert following > at
        at = following
        found.append(datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("cron(0 8 * * ? *)", None, "2026-03-02T07:59:59", ["2026-03-02 08:00:00", "2026-03-03 08:00:00"]),
        ("cron(0 8 * * ? *)", None, "2026-03-02T08:00:00", ["2026-03-03 08:00:00"]),
        ("cron(30 6 ? * MON *)", None, "2026-03-02T07:00:00", ["2026-03-09 06:30:00"]),
        ("cron(30 6 ? * 2 *)", None, "2026-03-03T00:00:00", ["2026-03-09 06:30:00"]),
        ("cron(0 20 ? * MON-FRI *)", None, "2026-03-06T21:00:00", ["2026-03-09 20:00:00"]),
        ("cron(0/20 9-10 * * ? *)", None, "2026-03-02T09:30:00", ["2026-03-02 09:40:00", "2026-03-02 10:00:00"]),
        ("cron(*/30 * * * ? *)", None, "2026-03-02T09:30:00", ["2026-03-02 10:00:00", "2026-03-02 10:30:00"]),
        ("cron(0 0 29 2 ? *)", None, "2026-03-02T00:00:00", ["2028-02-29 00:00:00"]),
        ("cron(0 0 1 jan,JUL ? *)", None, "2026-03-02T00:00:00", ["2026-07-01 00:00:00", "2027-01-01 00:00:00"]),
        ("cron(0 0 1 1 ? 2025)", None, "2026-03-02T00:00:00", []),
        ("cron(0 0 31 2 ? *)", None, "2026-03-02T00:00:00", []),
        # Daylight saving time: 8:00 in Madrid is 7:00 UTC until 2026-03-29, then 6:00; and 7:00 again from 2026-10-25.
        ("cron(0 8 * * ? *)", MADRID, "2026-03-28T00:00:00", ["2026-03-28 07:00:00", "2026-03-29 06:00:00"]),
        ("cron(0 8 * * ? *)", MADRID, "2026-10-24T00:00:00", ["2026-10-24 06:00:00", "2026-10-25 07:00:00"]),
        # The hour that is skipped, and the hour that occurs twice.
        ("cron(30 2 * * ? *)", MADRID, "2026-03-28T12:00:00", ["2026-03-29 01:30:00", "2026-03-30 00:30:00"]),
        ("cron(30 2 * * ? *)", MADRID, "2026-10-24T12:00:00", ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]),
        # Midnight there is another day here.
        ("cron(0 0 1 * ? *)", "Asia/Tokyo", "2026-03-02T00:00:00", ["2026-03-31 15:00:00"]),
        ("rate(5 minutes)", None, "2026-03-02T00:00:00", ["2026-03-02 00:00:30", "2026-03-02 00:05:30"]),
        ("rate(1 day)", MADRID, "2026-03-02T00:00:31", ["2026-03-03 00:00:30"]),
        ("at(2026-03-02T08:00:00)", MADRID, "2026-03-02T00:00:00", ["2026-03-02 07:00:00"]),
        ("at(2026-03-02T08:00:00)", None, "2026-03-02T08:00:00", []),
    ],
)
def test_schedules(expression: str, zone: str | None, after: str, expected: list[str]) -> None:
    assert times(expression, after, zone, max(1, len(expected))) == expected


def test_a_rate_does_not_begin_at_once() -> None:
    assert next_time("rate(1 hour)", None, CREATED, CREATED) == CREATED + 3600


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "8 * * * *",
        "every(1 day)",
        "cron(0 8 * * *)",
        "cron(0 8 * * * *)",
        "cron(0 8 ? * ? *)",
        "cron(0 8 L * ? *)",
        "cron(0 8 ? * 6#3 *)",
        "cron(0 8 15W * ? *)",
        "cron(60 8 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 8 0 * ? *)",
        "cron(0 8 ? * 0 *)",
        "cron(0 8 ? * NOON *)",
        "cron(0/0 8 * * ? *)",
        "cron(? 8 * * ? *)",
        "cron(0 8 * * ? 1969)",
        "cron(5-1 8 * * ? *)",
        "cron(0 8 * * ? *",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "rate(5)",
        "at(tomorrow)",
        "at(2026-03-02)",
        "at(2026-02-30T08:00:00)",
    ],
)
def test_no_schedules(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        next_time(expression, None, CREATED, CREATED)


def test_no_time_zone() -> None:
    for zone in ("Europe/Atlantis", "../etc/passwd", "CEST+1"):
        with pytest.raises(ValueError, match="no time zone"):
            next_time("rate(1 day)", zone, CREATED, CREATED)


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    zone=st.sampled_from([MADRID, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    after=st.floats(1.7e9, 1.9e9),
)
def test_a_daily_time_comes_within_two_days_and_never_before(minute: int, hour: int, zone: str, after: float) -> None:
    found = next_time(f"cron({minute} {hour} * * ? *)", zone, 0.0, after)
    assert found is not None
    assert after < found <= after + 2 * 86400
    again = next_time(f"cron({minute} {hour} * * ? *)", zone, 0.0, found)
    assert again is not None
    assert abs(again - found - 86400) <= 3600, "a day has 23, 24 or 25 hours"


@given(
    changes=st.lists(st.tuples(st.integers(1, 50), st.one_of(st.none(), st.integers(0, 9))), max_size=8),
    since=st.integers(0, 200),
    length=st.integers(1, 100),
)
def test_timelines_are_averaged_as_one_would_by_hand(
    changes: list[tuple[int, int | None]], since: int, length: int
) -> None:
    timeline, at = Timeline(), 0
    values: list[int | None] = [None] * 1000
    for step, value in changes:
        at += step
        timeline.set(at, value)
        values[at:] = [value] * (1000 - at)
    window = values[since : since + length]
    present = [value for value in window if value is not None]
    assert timeline.total(since, since + length) == pytest.approx(sum(present) / length)
    if present:
        assert timeline.average(since, since + length) == pytest.approx(sum(present) / len(present))
    else:
        assert timeline.average(since, since + length) is None


def test_what_is_set_now_does_not_change_what_was() -> None:
    timeline, heard = Timeline(), []
    timeline.listeners.append(lambda: heard.append(timeline.value))
    timeline.set(10, 4)
    timeline.set(10, 6)
    timeline.set(20, 6)
    assert timeline.average(0, 20) == 6
    assert timeline.last == 10
    timeline.set(20, 100)
    assert timeline.average(0, 20) == 6
    assert heard == [4, 6, 100]


def test_the_distant_past_is_forgotten() -> None:
    timeline, counts = Timeline(), Counts()
    for at in range(0, int(10 * KEPT_SECONDS), 600):
        timeline.set(at, at)
        counts.add(at)
    assert len(timeline._times) < 4 * KEPT_SECONDS / 600
    assert len(counts._times) < 4 * KEPT_SECONDS / 600
    assert timeline.average(at - 600, at) == at - 600
    assert counts.within(at - 600, at) == 1


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("m1", 6.0),
        ("m1 / m2", 3.0),
        ("(m1 + m2) * 10 - 1", 79.0),
        ("-m2 + 0.5", -1.5),
        ("m1 / 0", None),
        ("m1 + m3", None),
        ("FILL(m3, 0) + m1", 6.0),
        ("FILL(m1, 0)", 6.0),
        ("100 * (m1 - m2) / m1", pytest.approx(66.6667, abs=1e-3)),
    ],
)
def test_metric_math(expression: str, value: float | None) -> None:
    assert evaluate(expression, {"m1": 6.0, "m2": 2.0, "m3": None}) == value
    assert ids_of(expression) <= {"m1", "m2", "m3"}


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "m1 +",
        "MAX(m1)",
        "m1 ** 2",
        "m1 > 2",
        "m1.x",
        "'a'",
        "True",
        "FILL(m1)",
        "FILL(m1, REPEAT())",
        "m1 if m2 else 1",
    ],
)
def test_metric_math_the_double_does_not_know(expression: str) -> None:
    with pytest.raises(ValueError, match="the emulator"):
        ids_of(expression)


def predefined(metric: str) -> dict[str, Any]:
    return {"TargetValue": 5.0, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}}


def test_real_and_pretended_traffic_add_up() -> None:
    pretended = Pretended()
    metrics = Metrics(pretended)
    traffic = metrics.traffic["e"]
    pretended.load("E").concurrent.set(0, 6)
    pretended.load("e").per_minute.set(0, 30)
    for _ in range(3):
        traffic.begin(100)
    traffic.end(105)
    assert metrics.datapoint(predefined(HIGH_RESOLUTION), "e", 2, 110) == (6 + 2.5) / 2
    assert metrics.datapoint(predefined(INVOCATIONS), "E", 3, 120) == (30 + 3) / 3
    assert metrics.datapoint(predefined(INVOCATIONS), "e", 3, 180) == 10
    assert metrics.changed == {"e"}
    assert metrics.datapoint(predefined(INVOCATIONS), "quiet", 1, 180) == 0
    assert metrics.datapoint(predefined(INVOCATIONS), "e", 0, 180) is None


def test_customized_metrics() -> None:
    pretended = Pretended()
    metrics = Metrics(pretended)
    single = {"Namespace": "/aws/sagemaker/Endpoints", "MetricName": "GPUUtilization", "Statistic": "Average"}
    own = {**single, "Dimensions": [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]}
    stat = {"MetricStat": {"Metric": own, "Stat": "Sum"}}
    queries = [
        {"Id": "e1", "Expression": "e2 * 2", "ReturnData": True},
        {"Id": "e2", "Expression": "m1 + 1", "ReturnData": False},
        {"Id": "m1", **stat, "ReturnData": False},
    ]
    of_one, of_all = {"CustomizedMetricSpecification": own}, {"CustomizedMetricSpecification": {"Metrics": queries}}
    assert metrics.datapoint(of_one, "e", 1, 60) is None
    assert metrics.datapoint(of_all, "e", 1, 60) is None
    pretended.metric("/aws/sagemaker/Endpoints", "GPUUtilization", {"VariantName": "v", "EndpointName": "e"}).set(
        60, 70
    )
    pretended.metric("/aws/sagemaker/Endpoints", "GPUUtilization", {"VariantName": "v", "EndpointName": "f"}).set(60, 1)
    assert metrics.datapoint(of_one, "e", 1, 60) is None
    assert metrics.datapoint(of_one, "e", 1, 120) == 70
    assert metrics.datapoint(of_all, "e", 1, 120) == 142
    assert metrics.last(of_all, "e") == 60
    assert metrics.changed == {"*"}


def test_alarms_count_datapoints_in_a_row() -> None:
    tracking = Tracking()
    for value in (6.0, 6.0, 5.0, 6.0, 6.0, None, 6.0, 6.0):
        tracking.take(value, 1, 5.0)
        assert not tracking.is_high
    tracking.take(5.1, 1, 5.0)
    assert tracking.is_high
    for needed, period in ((15, 60.0), (90, 10.0)):
        low = Tracking()
        low.take(4.5, 1, 5.0)
        for _ in range(needed):
            assert not low.is_low(period)
            low.take(4.4, 1, 5.0)
        assert low.is_low(period)
        low.take(4.5, 1, 5.0)
        assert not low.is_low(period)


@pytest.mark.parametrize(
    ("instances", "value", "target", "wanted"),
    [
        (1, 18.0, 5.0, 4),
        (3, 10 / 3, 5.0, 2),
        (4, 0.0, 5.0, 0),
        (2, 5.01, 5.0, 3),
        (7, 1 / 7, 0.2, 5),
        (7, 29 / 7, 1.0, 29),
    ],
)
def test_what_a_policy_wants(instances: int, value: float, target: float, wanted: int) -> None:
    tracking = Tracking()
    tracking.take(value, instances, target)
    assert tracking.wanted(target) == wanted


def reading(policy: str, wanted: int, alarm: str = "high", **fields: Any) -> Reading:
    alarms = {"high": alarm == "high", "low": alarm == "low"}
    return Reading(policy, wanted=wanted, **{"out_cooldown": 300, "in_cooldown": 300, **alarms, **fields})


def situation(**fields: Any) -> Situation:
    return Situation(**{"now": 10_000.0, "current": 4, "least": 1, "most": 8, **fields})


@pytest.mark.parametrize(
    ("readings", "fields", "expected"),
    [
        ([reading("a", 6)], {}, ("a", Alarm.HIGH, 6)),
        ([reading("a", 99)], {}, ("a", Alarm.HIGH, 8)),
        ([reading("a", 4)], {}, None),
        ([reading("a", 99)], {"current": 8}, None),
        ([reading("a", 6, "none")], {}, None),
        ([reading("a", 6)], {"out_suspended": True}, None),
        ([reading("a", 6)], {"in_suspended": True}, ("a", Alarm.HIGH, 6)),
        ([reading("a", 5), reading("b", 7)], {}, ("b", Alarm.HIGH, 7)),
        ([reading("a", 1, "low"), reading("b", 7)], {}, ("b", Alarm.HIGH, 7)),
        # The cooldown after scaling out: until it ends, only a larger step is taken.
        ([reading("a", 6)], {"scaled_out_at": 9_701.0, "scaled_out_by": 2}, None),
        ([reading("a", 6)], {"scaled_out_at": 9_700.0, "scaled_out_by": 2}, ("a", Alarm.HIGH, 6)),
        ([reading("a", 7)], {"scaled_out_at": 9_701.0, "scaled_out_by": 2}, ("a", Alarm.HIGH, 7)),
        ([reading("a", 6, out_cooldown=60)], {"scaled_out_at": 9_701.0, "scaled_out_by": 2}, ("a", Alarm.HIGH, 6)),
        ([reading("a", 6)], {"scaled_in_at": 9_999.0}, ("a", Alarm.HIGH, 6)),
        ([reading("a", 2, "low")], {}, ("a", Alarm.LOW, 2)),
        ([reading("a", 0, "low")], {"least": 2}, ("a", Alarm.LOW, 2)),
        ([reading("a", 4, "low")], {}, None),
        ([reading("a", 0, "low")], {"current": 1}, None),
        ([reading("a", 2, "low")], {"in_suspended": True}, None),
        ([reading("a", 2, "low")], {"out_suspended": True}, ("a", Alarm.LOW, 2)),
        ([reading("a", 2, "low", scales_in=False)], {}, None),
        ([reading("a", 2, "low")], {"scaled_in_at": 9_701.0}, None),
        ([reading("a", 2, "low")], {"scaled_in_at": 9_700.0}, ("a", Alarm.LOW, 2)),
        ([reading("a", 2, "low")], {"scaled_out_at": 9_999.0}, ("a", Alarm.LOW, 2)),
        ([reading("a", 2, "low"), reading("b", 3, "low")], {}, ("b", Alarm.LOW, 3)),
        ([reading("a", 2, "low"), reading("b", 3, "none")], {}, None),
        ([reading("a", 2, "low"), reading("b", 9, "none", scales_in=False)], {}, ("a", Alarm.LOW, 2)),
        ([reading("a", 2, "low"), reading("b", 9, "high", scales_in=False)], {"out_suspended": True}, None),
        ([], {}, None),
    ],
)
def test_decisions(readings: list[Reading], fields: dict[str, Any], expected: tuple[str, Alarm, int] | None) -> None:
    assert decide(readings, situation(**fields)) == (Decision(*expected) if expected else None)


@given(
    readings=st.lists(
        st.builds(reading, st.sampled_from("abc"), st.integers(0, 20), st.sampled_from(["high", "low", "none"])),
        max_size=3,
    ),
    current=st.integers(0, 20),
    bounds=st.tuples(st.integers(1, 10), st.integers(0, 10)),
)
def test_decisions_stay_within_the_bounds(readings: list[Reading], current: int, bounds: tuple[int, int]) -> None:
    least, most = bounds[0], sum(bounds)
    found = decide(readings, situation(current=current, least=least, most=most))
    if found is not None:
        assert least <= found.capacity <= most
        assert (found.capacity > current) is (found.alarm is Alarm.HIGH)


def test_reads_show_the_latest_write_that_is_visible() -> None:
    published = Published()
    published.write(("a",), {"n": 1}, 10)
    published.write(("a",), {"n": 2}, 20)
    assert published.at(9) == {}
    assert published.at(10) == {("a",): {"n": 1}}
    published.write(("a",), {"n": 3}, 15)
    assert published.at(15) == {("a",): {"n": 3}}
    assert published.at(25) == {("a",): {"n": 3}}, "an earlier write never comes after a later one"
    published.write(("a",), None, 40)
    assert ("a",) in published.at(39)
    assert published.at(40) == {}
