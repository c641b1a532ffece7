"""Panels of the type state-timeline: a bar for each series, in the colours of its states."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import isnan
from typing import Any

from bench.dashboards.answers import Series
from bench.dashboards.frame import COLORS, Frame
from bench.dashboards.layout import Panel
from bench.dashboards.legend import Entry, extent
from bench.dashboards.window import Window

_ON_A_PAGE = 20
"""Grafana's default; one turns pages to see more."""


def draw(frame: Frame, panel: Panel, answers: Sequence[Series], window: Window) -> None:
    """Draw it."""
    if not answers:
        frame.no_data()
        return
    shown = answers[:_ON_A_PAGE]
    (mapping,) = panel.defaults["mappings"]
    states: Mapping[str, Mapping[str, Any]] = mapping["options"]
    legend = [Entry(state["text"], COLORS[state["color"]]) for state in states.values()]
    axes = frame.over_time(max(extent(series.legend) for series in shown), legend, window)
    axes.set_ylim(len(shown), 0)
    axes.set_yticks([row + 0.5 for row in range(len(shown))], [series.legend for series in shown])
    for row, series in enumerate(shown):
        for begin, length, value in spans(series.values):
            color = COLORS[states[f"{value:g}"]["color"]]
            span = (begin * window.scrape, length * window.scrape)
            axes.broken_barh([span], (row + 0.1, 0.8), facecolor=color, alpha=0.75, linewidth=0)


def spans(values: Sequence[float]) -> Iterator[tuple[int, int, float]]:
    """Yield where a value begins, for how many steps it stays, and the value; what is not a number is left out."""
    begin = 0
    for value, group in groupby(values, key=lambda value: None if isnan(value) else value):
        length = len(list(group))
        if value is not None:
            yield begin, length, value
        begin += length
