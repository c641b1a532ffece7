"""Where the panels of a dashboard are, with those that repeat and with its closed rows opened. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.dashboards.variables import filled

COLUMNS = 24


@dataclass(frozen=True)
class Place:
    """A part of the grid, in its units."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class Panel:
    """One panel, or the heading of a row; `variables` are those that are its own."""

    kind: str
    title: str
    place: Place
    model: Mapping[str, Any]
    variables: Mapping[str, str]

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What holds for all of its series, unless an override says otherwise."""
        defaults: Mapping[str, Any] = self.model.get("fieldConfig", {}).get("defaults", {})
        return defaults

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of its kind."""
        options: Mapping[str, Any] = self.model.get("options", {})
        return options


def laid_out(dashboard: Mapping[str, Any], repeats: Mapping[str, Sequence[str]], most: int) -> list[Panel]:
    """Return the panels of a dashboard; those that repeat do so for at most so many of the values of their variable."""
    placed: list[Panel] = []
    below = 0.0
    for model in _opened(dashboard["panels"]):
        variable = model.get("repeat")
        values: Sequence[str | None] = repeats[variable][:most] if variable else [None]
        copies = list(_copies(model, values, below))
        below += _bottom(copies) - model["gridPos"]["y"] - model["gridPos"]["h"] - below
        placed += copies
    return placed


def height(panels: Sequence[Panel]) -> float:
    """Return the height of the grid that the panels need."""
    return _bottom(panels)


def _opened(models: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the panels with those of closed rows, which have the places that they take when the row is opened."""
    for model in models:
        yield model
        yield from model.get("panels", ())


def _copies(model: Mapping[str, Any], values: Sequence[str | None], below: float) -> Iterator[Panel]:
    grid = model["gridPos"]
    place = Place(grid["x"], grid["y"] + below, grid["w"], grid["h"])
    panel = Panel(model["type"], model["title"], place, model, {})
    in_row = min(len(values), model.get("maxPerRow", 1))
    for number, value in enumerate(values):
        if value is None:
            yield panel
            continue
        variables = {model["repeat"]: value}
        width = COLUMNS / in_row
        x, y = number % in_row * width, place.y + number // in_row * place.h
        title = filled(panel.title, variables)
        yield replace(panel, title=title, place=Place(x, y, width, place.h), variables=variables)


def _bottom(panels: Sequence[Panel]) -> float:
    return max(panel.place.y + panel.place.h for panel in panels)
