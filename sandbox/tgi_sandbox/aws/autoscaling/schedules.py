"""Schedule expressions of scheduled actions: at(...), rate(...) and cron(...) with AWS' six fields."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: Final[Sequence[tuple[int, int, Mapping[str, int]]]] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    (1, 7, {name: number for number, name in enumerate(_DAYS, start=1)}),
    (1970, 2199, {}),
)
_MOST_DAYS: Final = 366 * 5


def check(expression: str, time_zone: str | None) -> None:
    """Raise ValueError where AWS would not take an expression or a time zone."""
    _zone(time_zone)
    next_time(expression, time_zone, 0.0, 0.0)


def next_time(expression: str, time_zone: str | None, created: float, after: float) -> float | None:
    """Return the first time later than `after`, None where there is none. Raises ValueError."""
    kind, _, rest = expression.partition("(")
    inner = rest.removesuffix(")").strip()
    if not rest.endswith(")"):
        raise ValueError(f"not a schedule: {expression}")
    if kind == "at":
        at = datetime.fromisoformat(inner).replace(tzinfo=_zone(time_zone)).timestamp()
        return at if at > after else None
    if kind == "rate":
        return _next_rate(inner, created, after)
    if kind == "cron":
        return _next_cron(inner, _zone(time_zone), after)
    raise ValueError(f"not a schedule: {expression}")


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"not a time zone: {name}") from error


def _next_rate(text: str, created: float, after: float) -> float:
    match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", text)
    if match is None:
        raise ValueError(f"not a rate: {text}")
    seconds = int(match[1]) * _UNITS[match[2]]
    return created + seconds * (max(0, int((after - created) // seconds)) + 1)


def _next_cron(text: str, zone: ZoneInfo, after: float) -> float | None:
    minutes, hours, days, months, weekdays, years = _parsed(text)
    begin = datetime.fromtimestamp(after, UTC).astimezone(zone)
    for offset in range(_MOST_DAYS):
        date = begin.date() + timedelta(days=offset)
        weekday = date.isoweekday() % 7 + 1
        if date.year not in years or date.month not in months:
            continue
        if (days is not None and date.day not in days) or (weekdays is not None and weekday not in weekdays):
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                # assumed: a time that a change of the clock leaves out comes an hour later, one that comes twice is
                # the first.
                found = datetime(date.year, date.month, date.day, hour, minute, tzinfo=zone).timestamp()
                if found > after:
                    return found
    return None


def _parsed(
    text: str,
) -> tuple[
    frozenset[int], frozenset[int], frozenset[int] | None, frozenset[int], frozenset[int] | None, frozenset[int]
]:
    parts = text.upper().split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"cron needs six fields: {text}")
    if (parts[2] == "?") is (parts[4] == "?"):
        raise ValueError(f"exactly one of day-of-month and day-of-week must be ?: {text}")
    found = [None if part == "?" else _values(part, *limits) for part, limits in zip(parts, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays, years = found
    if minutes is None or hours is None or months is None or years is None:
        raise ValueError(f"? is for days only: {text}")
    return minutes, hours, days, months, weekdays, years


def _values(part: str, low: int, high: int, names: Mapping[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for item in part.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        begin = low if span == "*" else _number(first, names)
        end = high if span == "*" or (step and not last) else _number(last or first, names)
        found.update(range(begin, end + 1, int(step or 1)))
    if not found or min(found) < low or max(found) > high:
        raise ValueError(f"{part} is not within {low} and {high}")
    return frozenset(found)


def _number(text: str, names: Mapping[str, int]) -> int:
    # assumed: L, W and # are known to AWS and not to the double.
    return names[text] if text in names else int(text)
