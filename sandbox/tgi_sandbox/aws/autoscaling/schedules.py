"""Schedule expressions of scheduled actions: at(...), rate(...) and cron(...) with the six fields of AWS. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

_EXPRESSION: Final = re.compile(r"(?P<kind>at|rate|cron)\((?P<inner>[^()]*)\)")
_RATE: Final = re.compile(r"(?P<number>[1-9]\d*) (?P<unit>minute|hour|day)s?")
_AT: Final = "%Y-%m-%dT%H:%M:%S"
_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_ITEM: Final = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAYS_AHEAD: Final = 366 * 9
"""Long enough for February 29, also around a year such as 2100."""


@dataclass(frozen=True)
class _Field:
    name: str
    least: int
    most: int
    names: Mapping[str, int]


_FIELDS: Final = (
    _Field("minutes", 0, 59, {}),
    _Field("hours", 0, 23, {}),
    _Field("day-of-month", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    _Field("day-of-week", 1, 7, {name: number for number, name in enumerate(_WEEKDAYS, start=1)}),
    _Field("year", 1970, 2199, {}),
)


@dataclass(frozen=True)
class _Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    years: frozenset[int]

    def fits(self, day: date) -> bool:
        return (
            day.year in self.years
            and day.month in self.months
            and (self.days is None or day.day in self.days)
            and (self.weekdays is None or day.isoweekday() % 7 + 1 in self.weekdays)
        )


def next_time(expression: str, time_zone: str | None, created: float, after: float) -> float | None:
    """Return the first time later than `after`, None if there is none; rates count from `created`.

    Raises ValueError for an expression that AWS refuses.
    """
    zone = _zone(time_zone or "UTC")
    match = _EXPRESSION.fullmatch(expression.strip())
    if match is None:
        raise ValueError(f"{expression} is none of at(...), rate(...) and cron(...)")
    inner = match["inner"].strip()
    if match["kind"] == "at":
        moment = datetime.strptime(inner, _AT).replace(tzinfo=zone).timestamp()
        return moment if moment > after else None
    if match["kind"] == "rate":
        return _next_rate(inner, created, after)
    return next((moment for moment in _moments(_cron(inner), zone, after) if moment > after), None)


@lru_cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name} is no time zone") from error


def _next_rate(text: str, created: float, after: float) -> float:
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is no rate")
    seconds = int(match["number"]) * _UNITS[match["unit"]]
    return created + seconds * max(1, (after - created) // seconds + 1)


def _moments(cron: _Cron, zone: ZoneInfo, after: float) -> Iterator[float]:
    """Yield the times of a cron expression from the day of `after` on, each day's in order."""
    first = datetime.fromtimestamp(after, UTC).astimezone(zone).date()
    for ahead in range(_DAYS_AHEAD):
        day = first + timedelta(days=ahead)
        if cron.fits(day):
            # assumed: a local time that a clock change skips shifts by the length of the change, and one that occurs
            # twice counts the first time.
            yield from sorted(
                datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp()
                for hour in cron.hours
                for minute in cron.minutes
            )


@lru_cache
def _cron(text: str) -> _Cron:
    parts = text.upper().split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{text} has not the six fields minutes hours day-of-month month day-of-week year")
    minutes, hours, days, months, weekdays, years = parts
    if (days == "?") is (weekdays == "?"):
        raise ValueError(f"of day-of-month and day-of-week in {text}, exactly one has to be ?")
    return _Cron(
        minutes=_values(minutes, _FIELDS[0]),
        hours=_values(hours, _FIELDS[1]),
        days=None if days == "?" else _values(days, _FIELDS[2]),
        months=_values(months, _FIELDS[3]),
        weekdays=None if weekdays == "?" else _values(weekdays, _FIELDS[4]),
        years=_values(years, _FIELDS[5]),
    )


def _values(part: str, field: _Field) -> frozenset[int]:
    return frozenset(value for item in part.split(",") for value in _span(item, field))


def _span(item: str, field: _Field) -> range:
    # assumed: AWS also accepts L, W and #; the emulator refuses them.
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"{item} is not a {field.name} that the emulator supports")
    step = int(match["step"] or 1)
    if match["first"] == "*":
        begin, end = field.least, field.most
    else:
        begin = _number(match["first"], field)
        end = _number(match["last"], field) if match["last"] else (field.most if match["step"] else begin)
    if begin > end or step < 1 or (match["first"] == "*" and match["last"]):
        raise ValueError(f"{item} is no {field.name}")
    return range(begin, end + 1, step)


def _number(text: str, field: _Field) -> int:
    value = field.names.get(text) if not text.isdecimal() else int(text)
    if value is None or not field.least <= value <= field.most:
        raise ValueError(f"{text} is no {field.name} from {field.least} to {field.most}")
    return value
