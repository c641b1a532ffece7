"""The pictures of the dashboards, without a cluster: what is asked for, where panels are, how values are written."""

import re
from math import nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import monitoring
from bench.dashboards import heatmap, picture, resources, stat, states, table, timeseries
from bench.dashboards.answers import Series
from bench.dashboards.frame import COLORS
from bench.dashboards.layout import COLUMNS, Panel, Place, height, laid_out
from bench.dashboards.legend import flow
from bench.dashboards.life import SECONDS, STEPS
from bench.dashboards.units import writer
from bench.dashboards.variables import all_chosen, filled, label_values, named
from bench.dashboards.window import Window
from tgi_operator.api.spec import Spec

DOCS = Path(__file__).parents[3] / "docs"
WINDOW = Window(begin=1001, end=1121, scrape=2)
NAMES = [f"falcon-{number}" for number in range(8)]

each_dashboard = pytest.mark.parametrize("name", monitoring.DASHBOARDS)
each_panel = pytest.mark.parametrize(
    "panel",
    [
        pytest.param(panel, id=f"{name}: {panel['title']}")
        for name, dashboard in monitoring.DASHBOARDS.items()
        for panel in monitoring.panels(dashboard)
        if panel["type"] != picture.ROW
    ],
)


def panels(name: str) -> list[Panel]:
    """Return the panels of a dashboard, those that repeat for each of NAMES twice."""
    return laid_out(monitoring.DASHBOARDS[name], {"name": NAMES}, most=2)


@pytest.mark.parametrize(("name", "spec"), [*resources.FIRST.items(), *resources.SECOND.items()])
def test_what_is_applied_is_valid(name: str, spec: resources.Spec) -> None:
    assert yaml.safe_load(resources.manifest("ml", name, spec))["metadata"] == {"name": name, "namespace": "ml"}
    assert Spec.model_validate(spec)


def test_what_happens_does_so_in_order_and_in_time() -> None:
    times = [seconds for seconds, _ in STEPS]
    assert times == sorted(times)
    assert times[-1] < SECONDS


@each_panel
def test_all_that_a_panel_has_can_be_drawn(panel: dict[str, Any]) -> None:
    assert panel["type"] in picture.KINDS
    defaults = panel["fieldConfig"]["defaults"]
    for unit in (defaults.get("unit"), panel["options"].get("yAxis", {}).get("unit")):
        assert unit is None or writer(unit)(1)
    assert set(defaults) <= {"unit", "min", "decimals", "custom", "thresholds", "mappings", "color"}
    custom = defaults.get("custom", {})
    assert set(custom) <= {"lineWidth", "fillOpacity", "showPoints", "stacking"}
    assert custom.get("stacking", {"mode": "none"})["mode"] in ("none", "normal")
    assert custom.get("showPoints", "never") == "never"
    if custom.get("stacking", {"mode": "none"})["mode"] == "none":
        assert custom.get("fillOpacity", 0) == 0, "only areas that stand one upon the other are filled"
    steps = [*defaults.get("thresholds", {}).get("steps", ())]
    states = [state for mapping in defaults.get("mappings", ()) for state in mapping["options"].values()]
    assert {each["color"] for each in (*steps, *states)} <= set(COLORS)
    for override in panel["fieldConfig"]["overrides"]:
        assert override["matcher"]["id"] == "byRegexp"
        assert {each["id"] for each in override["properties"]} <= {"custom.lineStyle"}
    assert {each["id"] for each in panel.get("transformations", ())} <= {"organize"}


@each_panel
def test_every_variable_of_a_query_is_known(panel: dict[str, Any]) -> None:
    known = {**WINDOW.variables, "namespace": ".+", "name": ".+", "job": ".+"}
    for target in panel["targets"]:
        assert "$" not in filled(target["expr"], known)


def test_a_variable_that_is_not_known_is_an_error() -> None:
    assert filled('a{b=~"$name"}[$__range]', {"name": ".+", "__range": "9s"}) == 'a{b=~".+"}[9s]'
    assert filled("${name}x", {"name": "a"}) == "ax"
    with pytest.raises(KeyError):
        filled("$names", {"name": "a"})


def test_the_rate_interval_has_four_scrapes() -> None:
    assert WINDOW.variables == {"__interval": "2s", "__rate_interval": "8s", "__range": "120s"}
    assert WINDOW.steps[:2] == [1000, 1002]
    assert WINDOW.steps[-1] == 1120


@each_dashboard
def test_who_chooses_nothing_chooses_all(name: str) -> None:
    assert set(all_chosen(monitoring.DASHBOARDS[name]).values()) == {".+"}


def test_the_list_of_a_variable_is_asked_for_with_those_before_it() -> None:
    selector, label = label_values(monitoring.DASHBOARDS["tgi-operator"], "name")
    assert (selector, label) == ('tgi_operator_condition{namespace=~".+"}', "name")


def test_legends_name_labels() -> None:
    labels = {"namespace": "ml", "name": "zephyr"}
    assert named("{{namespace}}/{{ name }}", labels) == "ml/zephyr"
    assert named("{{other}} 90 %", labels) == " 90 %"


def test_what_repeats_stands_side_by_side_and_pushes_down_what_follows() -> None:
    grid = {"x": 0, "y": 1, "w": 24, "h": 8}
    repeated = {"type": "stat", "title": "$name", "gridPos": grid, "repeat": "name", "maxPerRow": 3}
    below = {"type": "stat", "title": "below", "gridPos": {"x": 6, "y": 9, "w": 6, "h": 4}}
    head = {"type": "row", "title": "row", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}, "panels": [repeated, below]}
    placed = laid_out({"panels": [head]}, {"name": NAMES}, most=4)
    assert [(panel.title, panel.place) for panel in placed] == [
        ("row", Place(0, 0, 24, 1)),
        ("falcon-0", Place(0, 1, 8, 8)),
        ("falcon-1", Place(8, 1, 8, 8)),
        ("falcon-2", Place(16, 1, 8, 8)),
        ("falcon-3", Place(0, 9, 8, 8)),
        ("below", Place(6, 17, 6, 4)),
    ]
    assert placed[1].variables == {"name": "falcon-0"}
    assert height(placed) == 21


@each_dashboard
def test_panels_fill_the_width(name: str) -> None:
    for panel in panels(name):
        line = [each.place for each in panels(name) if each.place.y == panel.place.y]
        assert sum(place.w for place in line) == COLUMNS, panel.title


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("none", 0, "0"),
        ("none", 12.345, "12.3"),
        ("none", 1234, "1.23 K"),
        ("percentunit", 0.0512, "5.12%"),
        ("s", 0, "0 s"),
        ("s", 0.0005, "500 µs"),
        ("s", 0.024, "24 ms"),
        ("s", 59, "59 s"),
        ("s", 90, "1.5 min"),
        ("s", 7200, "2 hour"),
        ("reqps", 4.5, "4.5 req/s"),
        ("ops", 4.5, "4.5 ops/s"),
        ("wps", 4.5, "4.5 wr/s"),
        ("suffix:tokens/s", 600, "600 tokens/s"),
    ],
)
def test_units(unit: str, value: float, shown: str) -> None:
    assert writer(unit)(value) == shown


def test_a_unit_that_is_not_known_is_an_error() -> None:
    with pytest.raises(KeyError):
        writer("furlongs")


def test_areas_stand_one_upon_the_other() -> None:
    assert timeseries.stacked([[1, nan, 3], [1, 2, nan]]) == [[1, 0, 3], [2, 2, 3]]


def test_buckets_are_what_lies_between_two_bounds() -> None:
    values = {"+Inf": [5.0, nan], "0.5": [2.0, 0.0], "1": [5.0, 1.0]}
    bounds, counts = heatmap.buckets([Series("", {"le": bound}, counted) for bound, counted in values.items()])
    assert bounds == [0.5, 1, float("inf")]
    assert str(counts) == "[[2.0, nan], [3.0, 1.0], [nan, nan]]"


def test_a_state_lasts_until_another_begins() -> None:
    assert list(states.spans([1, 1, nan, nan, 0, 1])) == [(0, 2, 1), (4, 1, 0), (5, 1, 1)]


def test_columns_are_chosen_ordered_and_named() -> None:
    answers = [Series("", {"name": name, "reason": "Quota"}, [1]) for name in ("b", "a")]
    options = {
        "excludeByName": {"Time": True, "Value": True},
        "indexByName": {"reason": 0, "name": 1},
        "renameByName": {"name": "Resource"},
    }
    assert table.cells([{"id": "organize", "options": options}], answers) == [
        ["reason", "Resource"],
        ["Quota", "a"],
        ["Quota", "b"],
    ]
    with pytest.raises(ValueError, match="unknown transformation merge"):
        table.cells([{"id": "merge", "options": {}}], answers)


def test_the_last_threshold_that_is_reached_gives_the_colour() -> None:
    steps = [{"color": "green", "value": None}, {"color": "red", "value": 1}]
    model = {"fieldConfig": {"defaults": {"thresholds": {"steps": steps}}}}
    panel = Panel("stat", "", Place(0, 0, 4, 4), model, {})
    assert [stat.color(panel, value) for value in (0, 1, 2)] == [COLORS["green"], COLORS["red"], COLORS["red"]]


def test_a_legend_breaks_its_lines_and_leaves_out_what_is_too_much() -> None:
    assert flow(["a", "b", "c"], 1000) == [[0, 1, 2]]
    assert flow(["a" * 20, "b" * 20, "c" * 20], 300) == [[0, 1], [2]]
    lines = flow(["a" * 20] * 30, 300)
    assert len(lines) == 4
    assert sum(map(len, lines)) < 30


def test_numbers_of_an_svg_lose_what_nobody_sees() -> None:
    assert picture.shortened('<path d="M 1.234567 -20.000000 \nL 3 4.5"/>') == '<path d="M 1.2 -20.0 \nL 3 4.5"/>'
    assert picture.shortened("opacity: 0.75; base64,ab1.23456") == "opacity: 0.75; base64,ab1.23456"


def answers(panel: Panel) -> list[Series]:
    """Return one series for each target, with values that every panel can show."""
    instant, counts = [1.0], [float(number % 2) for number in range(len(WINDOW.steps))]
    targets: list[dict[str, Any]] = [*panel.model.get("targets", ())]
    return [
        Series(f"series {target['refId']}", {"le": "0.5"}, instant if target.get("instant") else counts)
        for target in targets
    ]


@each_dashboard
def test_a_picture_has_every_panel_and_keeps_its_text(name: str, tmp_path: Path) -> None:
    file = tmp_path / "new" / "dashboard.svg"
    drawn = panels(name)
    picture.draw("A title", "How it was drawn.", [(panel, answers(panel)) for panel in drawn], WINDOW, file)
    texts = _texts(file)
    titles = {f"▾ {panel.title}" if panel.kind == picture.ROW else panel.title for panel in drawn}
    assert titles | {"A title", "How it was drawn.", "series A", "1 min"} <= texts
    assert "No data" not in texts


@each_dashboard
def test_where_nothing_is_known_a_panel_says_so(name: str, tmp_path: Path) -> None:
    drawn = [(panel, list[Series]()) for panel in panels(name)]
    picture.draw("A title", "", drawn, WINDOW, tmp_path / "dashboard.svg")
    assert "No data" in _texts(tmp_path / "dashboard.svg")
    picture.draw("A title", "", drawn, WINDOW, tmp_path / "dashboard.png")
    assert (tmp_path / "dashboard.png").read_bytes().startswith(b"\x89PNG")


@each_dashboard
def test_the_pictures_in_docs_are_those_of_the_dashboards(name: str) -> None:
    file = DOCS / f"dashboard-{name}.svg"
    titles = {panel["title"] for panel in monitoring.panels(monitoring.DASHBOARDS[name])}
    shown = {text.removeprefix("▾ ") for text in _texts(file)}
    assert {title for title in titles if "$" not in title} <= shown, "run make dashboards"
    assert "No data" not in shown
    assert file.stat().st_size < 500_000
    hosts = set(re.findall(r"https?://([\w.]+)", file.read_text()))
    assert hosts <= {"www.w3.org", "purl.org", "creativecommons.org"}, "only names of its format"


def _texts(file: Path) -> set[str]:
    svg = ElementTree.fromstring(file.read_text())  # noqa: S314 - our own
    return {element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")}
