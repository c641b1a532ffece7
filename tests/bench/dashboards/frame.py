"""The part of a picture that one panel has: where its plot and its legend go, and what all kinds of plots share."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MultipleLocator

from bench.dashboards.legend import SWATCH, Entry, extent, flow
from bench.dashboards.window import Window

TEXT, FAINT, EDGE = "#24292e", "#6a737d", "#d8dbe0"
SMALL = 7.5
COLORS = {"green": "#37872d", "red": "#c4162a", "orange": "#e67700"}
"""Grafana's names of colours, as they look on white."""

_LINE, _MARGIN = 15.0, 8.0
_TICKS = 18.0
_MINUTE = 60


@dataclass(frozen=True)
class Box:
    """A part of the picture in pixels, from its upper left corner."""

    x: float
    y: float
    w: float
    h: float

    def inner(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """Return what is left of it inside of margins."""
        return Box(self.x + left, self.y + top, self.w - left - right, self.h - top - bottom)


@dataclass(frozen=True)
class Frame:
    """A figure with a box in it that belongs to one panel, below its title."""

    figure: Figure
    box: Box
    size: tuple[float, float]

    def axes(self, box: Box) -> Axes:
        """Return axes in a box of the picture, without lines around."""
        width, height = self.size
        axes = self.figure.add_axes((box.x / width, 1 - (box.y + box.h) / height, box.w / width, box.h / height))
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, pad=5, labelsize=SMALL, labelcolor=FAINT)
        return axes

    def text(self, x: float, y: float, text: str, size: float = SMALL, color: str = TEXT, **style: str) -> None:
        """Write a text whose middle line is at `y`, beginning at `x`."""
        width, height = self.size
        style = {"va": "center_baseline", **style}
        self.figure.text(x / width, 1 - y / height, text, fontsize=size, color=color, **style)  # type: ignore[arg-type]

    def no_data(self) -> None:
        """Say that there is nothing to show."""
        self.text(self.box.x + self.box.w / 2, self.box.y + self.box.h / 2, "No data", 9, FAINT, ha="center")

    def over_time(self, left: float, legend: Sequence[Entry], window: Window) -> Axes:
        """Return axes with time to the right, above a legend."""
        rows = flow([entry.name for entry in legend], self.box.w - 2 * _MARGIN)
        below = self.box.h - _MARGIN / 2 - _LINE * len(rows)
        self._legend(rows, legend, self.box.y + below)
        box = Box(self.box.x, self.box.y, self.box.w, below).inner(left + 4, 4, 20, _TICKS + 2)
        axes = self.axes(box)
        steps = window.steps
        axes.set_xlim(0, steps[-1] - steps[0])
        axes.xaxis.set_major_locator(MultipleLocator(_MINUTE))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds / _MINUTE:.0f} min"))
        return axes

    def _legend(self, rows: list[list[int]], legend: Sequence[Entry], y: float) -> None:
        width, height = self.size
        shown = 0
        for number, row in enumerate(rows):
            x, middle = self.box.x + _MARGIN, y + _LINE * (number + 0.5)
            for index in row:
                entry = legend[index]
                ends = [x / width, (x + 11) / width]
                line = Line2D(ends, [1 - middle / height] * 2, color=entry.color, linewidth=2.5)
                line.set_linestyle((0, (1, 0.6)) if entry.dashed else "-")
                self.figure.add_artist(line)
                self.text(x + SWATCH, middle, entry.name, color=FAINT)
                x += SWATCH + extent(entry.name)
            shown += len(row)
            if number == len(rows) - 1 and shown < len(legend):
                self.text(x, middle, f"… {len(legend) - shown} more", color=FAINT, style="italic")


def background(figure: Figure, box: Box, size: tuple[float, float], color: str) -> None:
    """Paint a box."""
    width, height = size
    corner = (box.x / width, 1 - (box.y + box.h) / height)
    face = Rectangle(corner, box.w / width, box.h / height, facecolor=color, edgecolor=EDGE, linewidth=0.6, zorder=-1)
    figure.add_artist(face)
