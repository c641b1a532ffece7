"""Simulations that end with their test."""

from collections.abc import Iterator

import pytest

from simulation.simulation import SPEC, Simulation


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """A simulation without resources."""
    with Simulation() as made:
        yield made


@pytest.fixture
def applied(simulation: Simulation) -> Simulation:
    """A simulation in which a resource on SageMaker has just been applied."""
    simulation.apply(SPEC)
    return simulation


@pytest.fixture
def serving(applied: Simulation) -> Simulation:
    """A simulation in which the resource serves."""
    applied.run_until(applied.is_ready, within=600)
    return applied
