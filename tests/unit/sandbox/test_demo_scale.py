"""The scaling demo, without an endpoint: its load, its reading of the status, chart and picture."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tgi_operator.cli.plan import planned
from tgi_sandbox.demo import picture
from tgi_sandbox.demo.chart import chart
from tgi_sandbox.demo.load_plan import LoadPlan, LoadSample
from tgi_sandbox.demo.scenarios import SCENARIOS
from tgi_sandbox.demo.series import MINUTES_OF_AWS, SECONDS, Replicas, Series, clock

PLAN = LoadPlan(points=((0, 1), (10, 1), (20, 11), (30, 11)), samples="samples", target="zephyr")


def _resource(desired: int, ready: int, *changes: tuple[int, int]) -> dict[str, Any]:
    """Return a resource as it was after some changes of the replica count, the last of which are kept."""
    history = [
        {"time": f"2026-01-01T00:00:{second:02}Z", "from": before, "to": after, "reason": f"alarm {second}"}
        for second, (before, after) in enumerate(changes)
    ]
    scaling = {"minReplicas": 1, "maxReplicas": 4, "history": history[::-1][:2]}
    conditions = [{"type": "ScalingActive", "status": "True", "message": "1 to 4"}]
    status = {"desiredReplicas": desired, "readyReplicas": ready, "scaling": scaling, "conditions": conditions}
    return {"status": status}


def _up_and_down() -> Series:
    series = Series(began=1000)
    changes: tuple[tuple[int, int], ...] = ()
    steps = [(1, 1, None), (2, 1, (1, 2)), (4, 2, (2, 4)), (4, 4, None), (1, 4, (4, 1)), (1, 1, None)]
    for second, (desired, ready, change) in enumerate(steps):
        changes = (*changes, change) if change else changes
        load = LoadSample(in_flight=desired * 5, requests_per_second=2.5, requests=second * 10)
        series.add(1000 + second * 60, load, _resource(desired, ready, *changes))
    return series


def test_clients_come_and_go_in_straight_lines() -> None:
    assert [PLAN.clients(seconds) for seconds in (0, 9, 10, 12, 15.5, 20, 30, 99)] == [1, 1, 1, 3, 6, 11, 11, 11]
    assert (PLAN.quiet, PLAN.duration) == (20, 30)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    PLAN.write(tmp_path / "plan")
    assert LoadPlan.read(tmp_path / "plan").clients(15) == PLAN.clients(15)


def test_the_last_whole_sample_counts(tmp_path: Path) -> None:
    file = tmp_path / "samples"
    assert LoadSample.last(file) == LoadSample()
    file.write_text('{"in_fl')
    assert LoadSample.last(file) == LoadSample()
    file.write_text(LoadSample(in_flight=3).line() + LoadSample(in_flight=4).line() + '{"in_fl')
    assert LoadSample.last(file) == LoadSample(in_flight=4)


def test_what_the_status_does_not_say_is_zero() -> None:
    replicas = Replicas.of({})
    assert (replicas.desired, replicas.ready, replicas.least, replicas.most) == (0, 0, 0, 0)
    assert replicas.scaling.startswith("False: ")


def test_each_change_of_the_history_is_told_once_with_the_time_it_was_seen() -> None:
    told = [(each.seconds, each.before, each.after, each.reason) for each in _up_and_down().scalings]
    assert told == [(60, 1, 2, "alarm 0"), (120, 2, 4, "alarm 1"), (240, 4, 1, "alarm 2")]


def test_only_other_replicas_are_news() -> None:
    series = Series(began=0)
    assert series.add(0, LoadSample(), _resource(1, 1))
    assert not series.add(1, LoadSample(in_flight=5), _resource(1, 1))
    assert series.add(2, LoadSample(in_flight=5), _resource(2, 1))
    assert not series.is_back


def test_both_directions_are_needed() -> None:
    assert _up_and_down().went_out_and_in
    assert _up_and_down().is_back
    series = Series(began=0)
    series.add(0, LoadSample(), _resource(2, 1, (1, 2)))
    assert not series.went_out_and_in


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (4031.2, "67:11")])
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_chart_fits_the_terminal_and_begins_anew_each_time() -> None:
    series = Series(began=0)
    series.add(0.0002, LoadSample(), _resource(1, 1))
    chart(series, 100, 30, SECONDS)
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", chart(_up_and_down(), 100, 30, MINUTES_OF_AWS))
    assert len(drawn.rstrip("\n").splitlines()) <= 30
    assert max(len(line) for line in drawn.splitlines()) <= 100
    for label in ("requests in flight", "bounds", "desired", "ready", MINUTES_OF_AWS.label):
        assert drawn.count(label) == 1, drawn


def test_a_picture_names_its_lines_and_keeps_its_text(tmp_path: Path) -> None:
    file = tmp_path / "new" / "scaling.svg"
    picture.draw(_up_and_down(), "TGIEndpoint zephyr", MINUTES_OF_AWS, file)
    svg = ElementTree.fromstring(file.read_text())  # noqa: S314 - our own
    ids = {element.get("id") for element in svg.iter()}
    assert {"requests", "rate", "desired", "ready", "bound-least", "bound-most"} <= ids
    texts = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"TGIEndpoint zephyr", "requests in flight", "desired replicas", "scaling bounds"} <= texts


def test_the_end_of_the_name_decides_what_the_picture_is(tmp_path: Path) -> None:
    picture.draw(_up_and_down(), "zephyr", SECONDS, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("backend", SCENARIOS)
def test_what_is_deployed_scales_and_its_load_ends_quietly(backend: str) -> None:
    scenario = SCENARIOS[backend]
    documents = json.dumps(list(planned(yaml.safe_load(scenario.manifest.read_text()), "default")))
    assert "TargetTracking" in documents or "HorizontalPodAutoscaler" in documents
    assert scenario.points[-1][1] == scenario.points[-2][1] == 1
    assert scenario.points[-1][0] < 150, "the whole demo is to take three minutes"
