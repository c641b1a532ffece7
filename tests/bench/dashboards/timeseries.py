"""Panels of the type timeseries: lines, or areas one upon the other."""

import re
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from bench.dashboards.answers import Series
from bench.dashboards.frame import EDGE, Frame
from bench.dashboards.layout import Panel
from bench.dashboards.legend import Entry, extent
from bench.dashboards.units import writer
from bench.dashboards.window import Window

_PALETTE = (
    *("#3b7dd8", "#e6761b", "#2c9f5b", "#c2365a", "#8356c4", "#b58900", "#17a2b8", "#8c564b", "#d15fb0", "#5f6b7a"),
    *("#7fb2f0", "#f5b041", "#7dcea0", "#f1948a", "#bb9ee0", "#e0cf5a", "#76d7e0", "#c9a08f", "#f0a6d8", "#aab4c0"),
)
_ROOM_ABOVE = 1.03
_FLAT = 1.0
"""What an axis shows where all is zero."""


def draw(frame: Frame, panel: Panel, answers: Sequence[Series], window: Window) -> None:
    """Draw it."""
    if not answers:
        frame.no_data()
        return
    custom = panel.defaults["custom"]
    colors = [_PALETTE[number % len(_PALETTE)] for number in range(len(answers))]
    legend = [
        Entry(series.legend, color, _is_dashed(panel, series.legend))
        for series, color in zip(answers, colors, strict=True)
    ]
    lines = [series.values for series in answers]
    areas = custom["stacking"]["mode"] == "normal"
    if areas:
        lines = stacked(lines)
    scale = _scale(panel.defaults, max((value for line in lines for value in line if not isnan(value)), default=0.0))
    axes = frame.over_time(max(map(extent, scale.values())), legend, window)
    axes.set_ylim(panel.defaults["min"], max(scale) * _ROOM_ABOVE)
    axes.set_yticks(list(scale), list(scale.values()))
    axes.grid(color=EDGE, linewidth=0.5)
    times = [float(step - window.steps[0]) for step in window.steps]
    width = custom["lineWidth"] * 1.2
    if areas:
        _fill(axes, times, lines, colors, custom["fillOpacity"] / 100, width)
        return
    for values, entry in zip(lines, legend, strict=True):
        axes.plot(times, values, color=entry.color, linewidth=width, linestyle="--" if entry.dashed else "-")


def stacked(lines: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return where each line ends when it stands upon those before it; what is not a number adds nothing."""
    tops: list[list[float]] = []
    below = [0.0] * len(lines[0])
    for values in lines:
        below = [under + (0.0 if isnan(value) else value) for under, value in zip(below, values, strict=True)]
        tops.append(below)
    return tops


def _fill(
    axes: Axes, times: list[float], tops: list[list[float]], colors: list[str], opacity: float, width: float
) -> None:
    """Fill each area down to zero, the highest first: half as many points as from edge to edge."""
    for top, color in reversed(list(zip(tops, colors, strict=True))):
        faint = [1 - opacity * (1 - part) for part in to_rgb(color)]
        axes.fill([times[0], *times, times[-1]], [0, *top, 0], facecolor=faint, edgecolor=color, linewidth=width)
    axes.set_axisbelow(False)


def _scale(defaults: Mapping[str, Any], top: float) -> dict[float, str]:
    """Return where the axis has marks up to the first above all values, and what is written there."""
    whole = defaults.get("decimals") == 0
    marks = MaxNLocator(5, integer=whole).tick_values(defaults["min"], top or _FLAT)
    write = writer(defaults["unit"])
    return {float(mark): write(mark) for mark in marks}


def _is_dashed(panel: Panel, legend: str) -> bool:
    return any(
        each["id"] == "custom.lineStyle" and each["value"]["fill"] == "dash"
        for override in panel.model["fieldConfig"]["overrides"]
        if re.fullmatch(override["matcher"]["options"], legend)
        for each in override["properties"]
    )
