"""Panels of the type stat: one large number."""

from collections.abc import Sequence

from bench.dashboards.answers import Series
from bench.dashboards.frame import COLORS, Frame
from bench.dashboards.layout import Panel
from bench.dashboards.units import writer
from bench.dashboards.window import Window

_SIZE = 26


def draw(frame: Frame, panel: Panel, answers: Sequence[Series], _: Window) -> None:
    """Draw it."""
    if not answers:
        frame.no_data()
        return
    (series,) = answers
    value = series.values[-1]
    middle = (frame.box.x + frame.box.w / 2, frame.box.y + frame.box.h / 2 - 6)
    shown = writer(panel.defaults["unit"])(value)
    frame.text(*middle, shown, _SIZE, color(panel, value), ha="center")


def color(panel: Panel, value: float) -> str:
    """Return the colour of the last threshold that a value has reached."""
    steps = panel.defaults["thresholds"]["steps"]
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return COLORS[reached[-1]]
