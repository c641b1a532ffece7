"""What the status promises, where drift checks are too rare to help: nothing is lost, early, or to and fro."""

from collections.abc import Iterator

import pytest

from simulation.amazon import UNREACHABLE
from simulation.simulation import SPEC, Object, Simulation
from simulation.test_stories import NEW, TAGGED, tags

RARE = 0.01
"""Reads of drift checks a minute: none comes within a test."""

SCALE = "UpdateEndpointWeightsAndCapacities"


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """A simulation without resources, and as good as without drift checks."""
    with Simulation(aws_drift_reads_per_minute=RARE) as made:
        yield made


def written(simulation: Simulation) -> list[Object]:
    """Return a list that gets every resource whose status is written from now on."""
    found: list[Object] = []

    def note(_before: Object, after: Object) -> Iterator[str]:
        found.append(after)
        yield from ()

    simulation.server.status_checks.append(note)
    return found


def test_a_tag_added_during_a_creation_is_set_before_the_resource_is_ready(applied: Simulation) -> None:
    applied.run(30)
    applied.apply(TAGGED)
    applied.run_until(applied.is_ready, within=600)
    assert tags(applied)["team"] == "nlp"


def test_a_tag_added_while_the_fleet_changes_is_set_before_the_resource_is_ready(serving: Simulation) -> None:
    serving.apply({**SPEC, "replicas": 3})
    serving.run(30)
    serving.apply({**TAGGED, "replicas": 3})
    serving.run(5)
    serving.run_until(serving.is_ready, within=600)
    assert tags(serving)["team"] == "nlp"


def test_a_tag_added_with_another_replica_count_is_set_before_the_resource_is_ready(serving: Simulation) -> None:
    serving.apply({**TAGGED, "replicas": 3})
    serving.run_until(serving.is_ready, within=600)
    assert tags(serving)["team"] == "nlp"
    assert serving.status()["readyReplicas"] == 3


def test_a_tag_added_to_a_rollout_during_an_outage_is_set_before_the_resource_is_ready(serving: Simulation) -> None:
    serving.apply(NEW)
    serving.run(30)
    with serving.amazon.failing(UNREACHABLE):
        serving.apply({**TAGGED, "runtime": NEW["runtime"]})
        serving.run(300)
    serving.run_until(serving.is_ready, within=600)
    assert tags(serving)["team"] == "nlp"
