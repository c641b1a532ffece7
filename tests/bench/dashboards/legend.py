"""What the lines of a panel are called: how much room that takes, and where lines of text end. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

SWATCH = 16.0
"""The pixels of the short line before a name."""

_CHARACTER, _GAP = 6.1, 12.0
_MOST_LINES = 4


@dataclass(frozen=True)
class Entry:
    """One line of a panel."""

    name: str
    color: str
    dashed: bool = False


def extent(text: str) -> float:
    """Return how many pixels a small text with a margin takes: about, because whoever shows an SVG chooses the font."""
    return _GAP + _CHARACTER * len(text)


def flow(names: Sequence[str], width: float) -> list[list[int]]:
    """Return the lines of a legend, by the indexes of the names; those that are too many are left out.

    In Grafana one would scroll to see them.
    """
    lines: list[list[int]] = []
    room = 0.0
    for index, name in enumerate(names):
        last = len(lines) == _MOST_LINES
        need = _entry(name) + (_entry("… 99 more") if last and index < len(names) - 1 else 0)
        if need > room or not lines:
            if last:
                break
            lines.append([])
            room = width
        lines[-1].append(index)
        room -= _entry(name)
    return lines


def _entry(name: str) -> float:
    return SWATCH + extent(name)
