"""Draws the rows of a Grafana dashboard with matplotlib: each panel in its place, with the results of a Prometheus."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, nan
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

Panel = Mapping[str, Any]

REPEATED = "chat-0"
"""A panel that repeats for each name is drawn once, for this one."""

_UNITS = {
    "none": "{x:,.5g}",
    "percentunit": "{x:.1%}",
    "s": "{x:,.4g} s",
    "reqps": "{x:,.3g} req/s",
    "ops": "{x:,.3g} ops/s",
    "wps": "{x:,.3g} writes/s",
    "suffix:tokens/s": "{x:,.5g} tokens/s",
}
"""The units of Grafana that the dashboards use."""


@dataclass(frozen=True)
class Series:
    """One series, with a value for each time, and NaN for a missing value."""

    legend: str
    labels: Mapping[str, str]
    values: Sequence[float]


def picture(name: str, row: str) -> str:
    """Return the file name of the picture of a dashboard's row."""
    return f"dashboard-{name}-{row.lower().replace(' ', '-')}.svg"


def draw(panels: Sequence[Panel], get: Callable[..., Any], times: range, file: Path) -> None:
    """Draw the panels of a row, with everything selected; `get` is the method of a Prometheus client."""
    top = min(panel["gridPos"]["y"] for panel in panels)
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) - top
    minutes = [(time - times[0]) / 60 for time in times]
    figure = Figure(figsize=(12, 0.36 * height), facecolor="#f4f5f7")
    grid = figure.add_gridspec(height, 24)
    for panel in panels:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        part = figure.add_subfigure(grid[y - top : y - top + h, x : x + w], edgecolor="#d8dbe0", linewidth=1)
        variables = {"namespace": ".+", "job": ".+", "name": REPEATED if "repeat" in panel else ".+"}
        title = Template(panel["title"]).substitute(variables)
        part.suptitle(title, x=0.1 / w, y=1 - 0.2 / h, ha="left", fontsize=9, weight="bold")
        part.set_facecolor("white")
        part.subplots_adjust(left=2.3 / w, right=1 - 0.5 / w, bottom=1 / h, top=1 - 0.9 / h)
        axes = part.add_subplot()
        axes.spines[:].set_visible(False)
        axes.tick_params(labelsize=7, length=0, pad=6)
        axes.xaxis.set_major_formatter("{x:g} min")
        answers = ask(get, panel, variables, times)
        _KINDS[panel["type"] if answers else "empty"](axes, panel, answers, minutes)
    # Text stays text, so that it is searchable. The same results produce the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": file.name}):
        figure.savefig(file, metadata={"Date": None})


def ask(get: Callable[..., Any], panel: Panel, variables: Mapping[str, str], times: range) -> list[Series]:
    """Return the results of all queries of a panel: at each time, or at the last one for an instant query."""
    answers = []
    ranges = {"__rate_interval": f"{4 * times.step}s", "__range": f"{times[-1] - times[0]}s"}
    for target in panel["targets"]:
        asked = times[-1:] if target.get("instant") else times
        query = Template(target["expr"]).substitute(variables, **ranges)
        span = {"start": str(asked[0]), "end": str(asked[-1]), "step": str(asked.step)}
        legend = target["legendFormat"].replace("{{", "{").replace("}}", "}")
        for found in get("query_range", query=query, **span)["result"]:
            samples, labels = dict(found["values"]), found["metric"]
            values = [float(samples.get(time, nan)) for time in asked]
            answers.append(Series(legend.format_map(defaultdict(str, labels)), labels, values))
    return answers


def _lines(axes: Axes, panel: Panel, answers: Sequence[Series], minutes: Sequence[float]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    # The ten dark colors come first, then the light ones.
    axes.set_prop_cycle(color=colormaps["tab20"]([*range(0, 20, 2), *range(1, 20, 2)]))
    for series in answers:
        axes.plot(minutes, series.values, linewidth=1, label=series.legend)
    axes.set_ylim(bottom=defaults["min"])
    axes.set_xlim(minutes[0], minutes[-1])
    axes.yaxis.set_major_formatter(_UNITS[defaults["unit"]])
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=defaults.get("decimals") == 0))
    axes.grid(linewidth=0.3)
    _legend(axes, panel, axes.get_lines())


def _heatmap(axes: Axes, panel: Panel, answers: Sequence[Series], minutes: Sequence[float]) -> None:
    """Draw the buckets of a histogram; Prometheus also counts the observations of lower buckets in each bucket."""
    buckets = sorted(answers, key=lambda series: float(series.labels["le"]))
    counts = np.diff([series.values for series in buckets], axis=0, prepend=0)
    unit = _UNITS[panel["options"]["yAxis"]["unit"]]
    labels = [unit.format(x=float(series.labels["le"])) for series in buckets]
    _image(axes, np.where(counts > 0, counts, nan), labels, minutes, colormaps["Oranges"])


def _states(axes: Axes, panel: Panel, answers: Sequence[Series], minutes: Sequence[float]) -> None:
    """Draw a row for each series, in the colors of its states 0, 1 and so on."""
    options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    states = [options[value] for value in sorted(options)]
    colors = ListedColormap([state["color"] for state in states])
    labels = [series.legend for series in answers]
    _image(axes, [series.values for series in answers], labels, minutes, colors)
    axes.images[0].set(clim=(0, len(states) - 1), alpha=0.7)
    _legend(axes, panel, [Patch(color=state["color"], alpha=0.7, label=state["text"]) for state in states])


def _image(axes: Axes, rows: ArrayLike, labels: Sequence[str], minutes: Sequence[float], colors: Colormap) -> None:
    extent = (minutes[0], minutes[-1], -0.5, len(labels) - 0.5)
    axes.imshow(rows, colors, origin="lower", aspect="auto", interpolation="nearest", extent=extent)
    shown = range(0, len(labels), 1 + len(labels) // 12)
    axes.set_yticks(shown, [labels[row] for row in shown])


def _legend(axes: Axes, panel: Panel, entries: Sequence[Line2D | Patch]) -> None:
    """Put a legend below the axes, with as many columns as its longest text allows."""
    w, h = panel["gridPos"]["w"], panel["gridPos"]["h"]
    columns = max(1, w * 9 // (7 + max(len(str(entry.get_label())) for entry in entries)))
    shown = entries[: 5 * columns]
    axes.figure.legend(handles=shown, loc="lower left", fontsize=7, ncols=columns, frameon=False)
    axes.figure.subplots_adjust(bottom=(1 + 0.4 * ceil(len(shown) / columns)) / h)


def _stat(axes: Axes, panel: Panel, answers: Sequence[Series], _: Sequence[float]) -> None:
    defaults, value = panel["fieldConfig"]["defaults"], answers[0].values[-1]
    colors = [step["color"] for step in defaults["thresholds"]["steps"] if value >= (step["value"] or 0)]
    _text(axes, _UNITS[defaults["unit"]].format(x=value), colors[-1])


def _table(axes: Axes, panel: Panel, answers: Sequence[Series], _: Sequence[float]) -> None:
    columns = list(panel["transformations"][0]["options"]["indexByName"])
    rows = sorted([series.labels.get(column, "") for column in columns] for series in answers)
    axes.axis("off")
    table = axes.table(rows[:9], colLabels=columns, loc="upper center", cellLoc="left", colLoc="left", edges="open")
    table.auto_set_font_size(False)
    table.set_fontsize(8)


def _text(axes: Axes, text: str, color: str) -> None:
    axes.axis("off")
    axes.figure.text(0.5, 0.4, text, ha="center", va="center", fontsize=24, color=color)


_KINDS: Mapping[str, Callable[[Axes, Panel, Sequence[Series], Sequence[float]], None]] = {
    "timeseries": _lines,
    "heatmap": _heatmap,
    "state-timeline": _states,
    "stat": _stat,
    "table": _table,
    "empty": lambda axes, *_: _text(axes, "No data", "gray"),
}
