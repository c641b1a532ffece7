"""Panels of the type table: a line for each series, a column for each label."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D

from bench.dashboards.answers import Series
from bench.dashboards.frame import EDGE, FAINT, Frame
from bench.dashboards.layout import Panel
from bench.dashboards.window import Window

_LINE, _MARGIN = 22.0, 12.0


def draw(frame: Frame, panel: Panel, answers: Sequence[Series], _: Window) -> None:
    """Draw as many lines as there is room for."""
    if not answers:
        frame.no_data()
        return
    head, *rows = cells(panel.model.get("transformations", ()), answers)
    box = frame.box
    room = int(box.h // _LINE) - 1
    shown = rows if len(rows) <= room else rows[: room - 1]
    for number, row in enumerate([head, *shown]):
        y = box.y + _LINE * (number + 0.5)
        for column, cell in enumerate(row):
            x = box.x + _MARGIN + column * (box.w - _MARGIN) / len(head)
            frame.text(x, y, cell, 8, weight="normal" if number else "bold")
        _rule(frame, y + _LINE / 2)
    if len(shown) < len(rows):
        y = box.y + _LINE * (len(shown) + 1.5)
        frame.text(box.x + _MARGIN, y, f"… {len(rows) - len(shown)} more", 8, FAINT, style="italic")


def cells(transformations: Sequence[Mapping[str, Any]], answers: Sequence[Series]) -> list[list[str]]:
    """Return the lines of the table, the first of which is that of the headings."""
    columns = ["Time", *sorted({label for series in answers for label in series.labels}), "Value"]
    titles: Mapping[str, str] = {}
    for each in transformations:
        if each["id"] != "organize":
            raise ValueError(f"unknown transformation {each['id']}")
        left_out, order = each["options"]["excludeByName"], each["options"].get("indexByName", {})
        titles = each["options"].get("renameByName", {})
        columns = sorted((name for name in columns if not left_out.get(name)), key=lambda name: order.get(name, 0))
    rows = [[series.labels.get(name, "") for name in columns] for series in answers]
    return [[titles.get(name, name) for name in columns], *sorted(rows)]


def _rule(frame: Frame, y: float) -> None:
    width, height = frame.size
    ends = [(frame.box.x + _MARGIN / 2) / width, (frame.box.x + frame.box.w - _MARGIN / 2) / width]
    frame.figure.add_artist(Line2D(ends, [1 - y / height] * 2, color=EDGE, linewidth=0.5))
