"""Schedules of autoscaling: the bounds in effect at a given time, and the time of the next change.

Each start and each end of a schedule is an event. At a start, the bounds of the schedule take effect, and at an end
those of `autoscaling`. The latest event decides, as with scheduled actions in AWS. In the same minute, a start comes
after an end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from tgi_operator.api.autoscaling import Autoscaling, Schedule

_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class Bounds:
    """Bounds in effect. `schedule` is the name of their schedule, or None if they are those of autoscaling."""

    least: int
    most: int
    schedule: str | None = None

    def clamp(self, replicas: int) -> int:
        """Return the value within the bounds that is nearest to `replicas`."""
        return max(self.least, min(self.most, replicas))


def in_force(autoscaling: Autoscaling, now: datetime) -> Bounds:
    """Return the bounds that are in effect at `now`."""
    events = [
        (at, begins, position)
        for position, schedule in enumerate(autoscaling.schedules)
        for begins, cron in ((False, schedule.end), (True, schedule.start))
        if (at := _last(cron, schedule.time_zone, now)) is not None
    ]
    if not events or not max(events)[1]:
        return Bounds(autoscaling.min_replicas, autoscaling.max_replicas)
    return of(autoscaling, autoscaling.schedules[max(events)[2]])


def of(autoscaling: Autoscaling, schedule: Schedule) -> Bounds:
    """Return the bounds that a schedule sets."""
    least, most = schedule.min_replicas, schedule.max_replicas
    return Bounds(least or autoscaling.min_replicas, most or autoscaling.max_replicas, schedule.name)


def next_change(autoscaling: Autoscaling, now: datetime) -> float | None:
    """Return the seconds from `now` until the next event, or None if there is none."""
    events = [
        at
        for schedule in autoscaling.schedules
        for cron in (schedule.start, schedule.end)
        if (at := next(_ticks(cron, schedule.time_zone, now), None)) is not None
    ]
    return (min(events) - now).total_seconds() if events else None


def problem(schedule: Schedule) -> str | None:
    """Return the error in a schedule, starting with the field, or None if the schedule is valid."""
    try:
        ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"timeZone {schedule.time_zone} is not an IANA time zone; use a time zone such as Europe/Madrid or UTC"
    for field, cron in (("start", schedule.start), ("end", schedule.end)):
        try:
            aws_cron(cron)
            happens = next(_ticks(cron, schedule.time_zone, datetime.now(UTC)), None) is not None
        except (CronSimError, ValueError) as error:
            return (
                f'{field} "{cron}": {error}; use the format: minute hour day-of-month month day-of-week, '
                "such as 0 8 * * MON-FRI"
            )
        if not happens:
            return f'{field} "{cron}" never occurs; change day-of-month or month'
    if schedule.start == schedule.end:
        return f'start and end are both "{cron}", so the schedule would end as soon as it starts; change start or end'
    return None


def aws_cron(cron: str) -> str:
    """Return a cron expression in AWS's format, with six fields and `?` for the day that does not matter.

    Raises CronSimError for an invalid expression, and ValueError for one that AWS cannot express.
    """
    if any(letter in cron.upper().split()[4] for letter in "L#") or "L" in cron.upper().split()[2]:
        raise ValueError("L and # are not supported")
    parsed = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    minute, hour, month = _listed(parsed.minutes, 60), _listed(parsed.hours, 24), _listed(parsed.months, 12)
    weekdays = {day % 7 for day in parsed.weekdays if isinstance(day, int)}
    day = _listed(parsed.days, 31)
    if len(weekdays) == len(_WEEKDAYS):
        return f"cron({minute} {hour} {day} {month} ? *)"
    if day != "*":
        raise ValueError("day-of-month and day-of-week cannot both be restricted")
    return f"cron({minute} {hour} ? {month} {','.join(_WEEKDAYS[one] for one in sorted(weekdays))} *)"


def _listed(values: set[int], every: int) -> str:
    return "*" if len(values) == every else ",".join(map(str, sorted(values)))


def _last(cron: str, time_zone: str, now: datetime) -> datetime | None:
    """Return the latest matching time up to `now`."""
    # The first backward tick is before the start of the iteration.
    begin = now.replace(microsecond=0) + timedelta(seconds=1)
    return next(_ticks(cron, time_zone, begin, backwards=True), None)


def _ticks(cron: str, time_zone: str, since: datetime, *, backwards: bool = False) -> Iterator[datetime]:
    for tick in CronSim(cron, since.astimezone(ZoneInfo(time_zone)), reverse=backwards):
        yield tick.astimezone(UTC)
