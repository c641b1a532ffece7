"""A dashboard as a picture: each panel where its dashboard puts it, each kind drawn by a module of its own."""

import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.dashboards import heatmap, stat, states, table, timeseries
from bench.dashboards.answers import Series
from bench.dashboards.frame import FAINT, TEXT, Box, Frame, background
from bench.dashboards.layout import COLUMNS, Panel, Place, height
from bench.dashboards.window import Window

KINDS: Mapping[str, Callable[[Frame, Panel, Sequence[Series], Window], None]] = {
    "timeseries": timeseries.draw,
    "stat": stat.draw,
    "table": table.draw,
    "heatmap": heatmap.draw,
    "state-timeline": states.draw,
}
"""What draws a panel, by its type."""

ROW = "row"
"""The type of a heading."""

_WIDTH, _UNIT, _GAP = 1200.0, 36.0, 6.0
_HEAD, _TITLE = 58.0, 26.0
_DOTS = 100
_PAGE, _PANEL = "#f4f5f7", "#ffffff"


def draw(
    title: str, caption: str, panels: Sequence[tuple[Panel, Sequence[Series]]], window: Window, file: Path
) -> None:
    """Write the picture of all panels with their answers: an SVG, or what else the file's name ends with."""
    size = (_WIDTH, _HEAD + height([panel for panel, _ in panels]) * _UNIT + _GAP)
    figure = Figure(figsize=(size[0] / _DOTS, size[1] / _DOTS), dpi=_DOTS, facecolor=_PAGE)
    whole = Frame(figure, Box(0, 0, *size), size)
    whole.text(2 * _GAP, 20, title, 14, weight="bold")
    whole.text(2 * _GAP, 43, caption, 8.5, FAINT)
    for panel, answers in panels:
        box = _box(panel.place)
        if panel.kind == ROW:
            whole.text(box.x + 4, box.y + box.h / 2, f"▾ {panel.title}", 10.5, weight="bold")
            continue
        background(figure, box, size, _PANEL)
        whole.text(box.x + 10, box.y + _TITLE / 2, panel.title, 9, TEXT, weight="bold")
        KINDS[panel.kind](Frame(figure, box.inner(0, _TITLE, 0, 2), size), panel, answers, window)
    file.parent.mkdir(parents=True, exist_ok=True)
    _save(figure, file)


def _box(place: Place) -> Box:
    column = (_WIDTH - _GAP) / COLUMNS
    x, y = _GAP + place.x * column, _HEAD + place.y * _UNIT
    return Box(x, y, place.w * column - _GAP, place.h * _UNIT - _GAP)


def _save(figure: Figure, file: Path) -> None:
    # Text stays text: it can be searched for. The same picture has the same ids, and no date.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": file.name}):
        if file.suffix != ".svg":
            figure.savefig(file)
            return
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Creator": None, "Date": None})
    file.write_text(shortened(text.getvalue()))


def shortened(svg: str) -> str:
    """Return an SVG whose numbers have one decimal, a tenth of a point, instead of six: a third of its size."""
    return re.sub(r"(?<=[ \"(])-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.1f}", svg)
