"""The series as a chart of characters, for terminals."""

import plotext

from tgi_sandbox.demo.series import Axis, Series

_LEAST_REQUESTS = 5
_LEAST_TIME = 10
_MARKER = "hd"
"""Two by two points in each character."""


def chart(series: Series, width: int, height: int, axis: Axis) -> str:
    """Return two plots, one above the other, with the color codes of a terminal."""
    times = series.times(axis)
    above = height // 2
    return _load(series, times, width, above) + "\n" + _replicas(series, times, width, height - above, axis)


def _load(series: Series, times: list[float], width: int, height: int) -> str:
    in_flight = series.values(lambda moment: moment.load.in_flight)
    _begin(times, width, height)
    plotext.plot(times, in_flight, label="requests in flight", color="blue+", marker=_MARKER)
    plotext.ylim(0, max(_LEAST_REQUESTS, *in_flight))
    return str(plotext.build()).rstrip("\n")


def _replicas(series: Series, times: list[float], width: int, height: int, axis: Axis) -> str:
    most = series.values(lambda moment: moment.replicas.most)
    _begin(times, width, height)
    plotext.plot(times, most, label="bounds", color="gray+", marker=_MARKER)
    plotext.plot(times, series.values(lambda moment: moment.replicas.least), color="gray+", marker=_MARKER)
    desired = series.values(lambda moment: moment.replicas.desired)
    plotext.plot(times, desired, label="desired", color="orange+", marker=_MARKER)
    ready = series.values(lambda moment: moment.replicas.ready)
    plotext.plot(times, ready, label="ready", color="green+", marker=_MARKER)
    top = round(max(most)) + 2  # with room for the legend
    plotext.ylim(0, top)
    plotext.yticks(list(range(top)))
    plotext.xlabel(axis.label)
    return str(plotext.build()).rstrip("\n")


def _begin(times: list[float], width: int, height: int) -> None:
    # plotext has one figure per module. Clearing it does not clear its subplots, so each plot is a figure.
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)
    plotext.plot_size(width, height)
    plotext.xlim(0, max(times[-1], _LEAST_TIME))
