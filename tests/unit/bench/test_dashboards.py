"""The pictures of the dashboards, without a cluster and a Prometheus."""

from math import nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import monitoring
from bench.dashboards import life
from bench.dashboards.panels import REPEATED, Panel, ask, draw, picture
from tgi_operator.api.spec import Spec

DOCS = Path(__file__).parents[3] / "docs"
TIMES = range(1000, 1009, 2)
FOUND = {"metric": {"le": "0.5", "pod": "a"}, "values": [[1000, "1"], [1004, "NaN"], [1008, "2"]]}

each_row = pytest.mark.parametrize(
    ("file", "panels"),
    {
        picture(name, row): panels
        for name, dashboard in monitoring.DASHBOARDS.items()
        for row, panels in monitoring.rows(dashboard).items()
    }.items(),
)


@pytest.mark.parametrize(("name", "spec"), life.SPECS.items())
def test_the_operator_accepts_what_the_scenario_applies(name: str, spec: dict[str, Any]) -> None:
    assert Spec.model_validate(spec), name


@pytest.mark.parametrize(("instant", "start", "values"), [(False, "1000", [1, nan, nan, nan, 2]), (True, "1008", [2])])
def test_a_query_is_asked_without_variables(instant: bool, start: str, values: list[float]) -> None:
    def get(path: str, **parameters: str) -> Any:
        assert parameters == {"query": "rate(a{pod=~'.+'}[8s])", "start": start, "end": "1008", "step": "2"}
        return {"result": [FOUND]}

    target = {"expr": "rate(a{pod=~'$name'}[$__rate_interval])", "legendFormat": "{{pod}} {{x}}", "instant": instant}
    (series,) = ask(get, {"targets": [target]}, {"name": ".+"}, TIMES)
    assert series.legend == "a "
    assert series.values == pytest.approx(values, nan_ok=True)


@each_row
@pytest.mark.parametrize("found", [[FOUND], []])
def test_every_panel_is_drawn(file: str, panels: list[Panel], found: list[dict[str, Any]], tmp_path: Path) -> None:
    draw(panels, lambda *_, **__: {"result": found}, TIMES, tmp_path / file)
    assert titles(panels) <= texts(tmp_path / file)
    assert ("No data" in texts(tmp_path / file)) == (not found)


@each_row
def test_the_pictures_in_docs_are_up_to_date(file: str, panels: list[Panel]) -> None:
    assert titles(panels) <= texts(DOCS / file), "run make dashboards"
    assert "No data" not in texts(DOCS / file)
    assert (DOCS / file).stat().st_size < 250_000
    assert f"({file})" in (DOCS / "monitoring.md").read_text()


def titles(panels: list[Panel]) -> set[str]:
    """Return the titles of panels."""
    return {panel["title"].replace("$name", REPEATED) for panel in panels}


def texts(file: Path) -> set[str]:
    """Return the texts of an SVG."""
    svg = ElementTree.fromstring(file.read_text())  # noqa: S314 - our own
    return {element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")}
