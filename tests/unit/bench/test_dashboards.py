"""The pictures of the dashboards, without a cluster and a Prometheus."""

from math import nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import monitoring
from bench.dashboards import life
from bench.dashboards.panels import REPEATED, ask, draw
from tgi_operator.api.spec import Spec

DOCS = Path(__file__).parents[3] / "docs"
TIMES = range(1000, 1009, 2)
FOUND = {"metric": {"le": "0.5", "pod": "a"}, "values": [[1000, "1"], [1004, "NaN"], [1008, "2"]]}

each_dashboard = pytest.mark.parametrize("name", monitoring.DASHBOARDS)


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


@each_dashboard
@pytest.mark.parametrize("found", [[FOUND], []])
def test_every_panel_is_drawn(name: str, found: list[dict[str, Any]], tmp_path: Path) -> None:
    draw(monitoring.DASHBOARDS[name], lambda *_, **__: {"result": found}, TIMES, tmp_path / "new.svg")
    assert titles(name) <= texts(tmp_path / "new.svg")
    assert ("No data" in texts(tmp_path / "new.svg")) == (not found)


@each_dashboard
def test_the_pictures_in_docs_are_up_to_date(name: str) -> None:
    file = DOCS / f"dashboard-{name}.svg"
    assert titles(name) <= texts(file), "run make dashboards"
    assert "No data" not in texts(file)
    assert file.stat().st_size < 500_000


def titles(name: str) -> set[str]:
    """Return the titles of a dashboard's panels."""
    return {panel["title"].replace("$name", REPEATED) for panel in monitoring.panels(monitoring.DASHBOARDS[name])}


def texts(file: Path) -> set[str]:
    """Return the texts of an SVG."""
    svg = ElementTree.fromstring(file.read_text())  # noqa: S314 - our own
    return {element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")}
