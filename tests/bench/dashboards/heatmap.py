"""Panels of the type heatmap: how many were in each bucket of a histogram, over time."""

from collections.abc import Sequence
from math import isinf, isnan, nan

from bench.dashboards.answers import Series
from bench.dashboards.frame import Frame
from bench.dashboards.layout import Panel
from bench.dashboards.legend import extent
from bench.dashboards.units import writer
from bench.dashboards.window import Window

_MOST_TICKS = 12


def draw(frame: Frame, panel: Panel, answers: Sequence[Series], window: Window) -> None:
    """Draw it."""
    bounds, counts = buckets(answers)
    if not bounds:
        frame.no_data()
        return
    write = writer(panel.options["yAxis"]["unit"])
    rows = range(0, len(bounds), -(-len(bounds) // _MOST_TICKS))
    labels = ["more" if isinf(bounds[row]) else write(bounds[row]) for row in rows]
    axes = frame.over_time(max(map(extent, labels)), (), window)
    axes.set_yticks([row + 0.5 for row in rows], labels)
    steps = window.steps
    edges = [step - steps[0] - window.scrape / 2 for step in [*steps, steps[-1] + window.scrape]]
    # One picture in the picture: as thousands of rectangles it would be large.
    axes.pcolormesh(edges, range(len(bounds) + 1), counts, cmap="Oranges", vmin=0, rasterized=True)
    axes.set_xlim(0, steps[-1] - steps[0])


def buckets(answers: Sequence[Series]) -> tuple[list[float], list[list[float]]]:
    """Return the upper bounds of the buckets, and what is in each: the series count what is at most as large.

    Nothing is not a number, so that it has no colour.
    """
    ordered = sorted(answers, key=lambda series: float(series.labels["le"]))
    counts, below = [], [0.0] * len(ordered[0].values) if ordered else []
    for series in ordered:
        inside = [above - under for above, under in zip(series.values, below, strict=True)]
        counts.append([nan if isnan(count) or count <= 0 else count for count in inside])
        below = series.values
    return [float(series.labels["le"]) for series in ordered], counts
