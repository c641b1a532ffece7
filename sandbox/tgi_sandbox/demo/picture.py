"""The series as a picture: SVG, PNG, or another format by the suffix of the file."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tgi_sandbox.demo.series import Axis, Series

_REQUESTS, _RATE, _DESIRED, _READY, _BOUNDS = "#1f77b4", "#74b3dd", "#e6761b", "#2ca02c", "#7f7f7f"


def draw(series: Series, title: str, axis: Axis, file: Path) -> None:
    """Write a picture of requests, replicas and bounds. The ids of lines in an SVG are their names."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    times = series.times(axis)
    _draw_load(above, series, times)
    _draw_replicas(below, series, times)
    for plot in (above, below):
        plot.grid(alpha=0.3)
        plot.set_ylim(bottom=0)
        plot.yaxis.set_major_locator(MaxNLocator(integer=True))
        plot.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0)
    figure.suptitle(title, horizontalalignment="left", x=0.02)
    below.set_xlabel(axis.label)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Text stays text, so that it is searchable.
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(file)


def _draw_load(plot: Axes, series: Series, times: list[float]) -> None:
    in_flight = series.values(lambda moment: moment.load.in_flight)
    plot.plot(times, in_flight, color=_REQUESTS, label="requests in flight", gid="requests")
    rate = series.values(lambda moment: moment.load.requests_per_second)
    plot.plot(times, rate, color=_RATE, linestyle=":", label="responses per second (real time)", gid="rate")


def _draw_replicas(plot: Axes, series: Series, times: list[float]) -> None:
    least = series.values(lambda moment: moment.replicas.least)
    most = series.values(lambda moment: moment.replicas.most)
    for bound, values, label in (("least", least, "scaling bounds"), ("most", most, "")):
        plot.step(times, values, where="post", color=_BOUNDS, linestyle="--", label=label, gid=f"bound-{bound}")
    plot.fill_between(times, least, most, step="post", color=_BOUNDS, alpha=0.1)
    desired = series.values(lambda moment: moment.replicas.desired)
    plot.step(times, desired, where="post", color=_DESIRED, label="desired replicas", gid="desired")
    ready = series.values(lambda moment: moment.replicas.ready)
    plot.step(times, ready, where="post", color=_READY, linewidth=2.5, alpha=0.7, label="ready", gid="ready")
    plot.set_ylim(top=max(most) + 1)
