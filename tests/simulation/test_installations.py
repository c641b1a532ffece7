"""An operator that serves one backend needs neither permissions nor credentials for the other one."""

from typing import Any

import pytest

from simulation.simulation import PODS, SPEC, Simulation
from simulation.test_over import MINUTE
from simulation.test_stories import is_stalled
from tgi_operator.backends.incluster.kinds import KINDS
from tgi_operator.backends.keys import Key
from tgi_operator.settings import BackendName, Settings

OF_PODS = {("*", kind.plural) for kind in KINDS.values()} | {("*", "nodes"), ("*", "serviceaccounts")}
SERVED: dict[BackendName, dict[str, Any]] = {"sageMaker": dict(SPEC), "inCluster": dict(PODS)}
OTHER = Key("ml", "other")


def only(backend: BackendName) -> Simulation:
    """Return an installation with one backend, without any permission for the other one."""
    simulation = Simulation(backends=(backend,))
    if backend == "sageMaker":
        simulation.server.denied |= OF_PODS
    return simulation


@pytest.mark.parametrize("backend", SERVED)
def test_one_backend_lives_and_ends_without_the_other(backend: BackendName) -> None:
    with only(backend) as simulation:
        simulation.apply(SERVED[backend])
        simulation.run_until(simulation.is_ready, within=600)
        simulation.run(4000)
        simulation.delete()
        simulation.run_until(simulation.is_gone, within=600)
        if backend == "inCluster":
            assert simulation.amazon.attempts == []
        else:
            assert not {resource for _, _, resource, _ in simulation.server.requests} & {name for _, name in OF_PODS}


@pytest.mark.parametrize("backend", SERVED)
def test_a_resource_of_a_backend_that_is_off_is_reported_and_let_go(backend: BackendName) -> None:
    (other,) = SERVED.keys() - {backend}
    with only(backend) as simulation:
        simulation.apply(SERVED[other], OTHER)
        simulation.run_until(lambda: simulation.reason("Stalled", OTHER) == "BackendOff", within=MINUTE)
        message = simulation.condition("Stalled", OTHER)["message"]
        assert message.startswith(f"spec.{other}: ")
        assert "`backends` setting" in message
        simulation.run(3600)
        assert simulation.leftovers() == []
        assert simulation.server.objects["deployments"] == {}
        simulation.delete(OTHER)
        simulation.run_until(lambda: simulation.is_gone(OTHER), within=MINUTE)


@pytest.mark.parametrize("backend", SERVED)
def test_what_serves_goes_on_serving_while_its_backend_is_off(backend: BackendName) -> None:
    (other,) = SERVED.keys() - {backend}
    with Simulation() as simulation:
        simulation.apply(SERVED[backend])
        simulation.run_until(simulation.is_ready, within=600)
        simulation.settings = Settings(backends=(other,))
        simulation.restart()
        simulation.run_until(lambda: is_stalled(simulation, "BackendOff"), within=MINUTE)
        assert simulation.condition("Available")["status"] == "True"
        simulation.delete()
        simulation.run(3600)
        assert not simulation.is_gone(), "an endpoint that is billed must not lose its resource"
        simulation.settings = Settings()
        simulation.restart()
        simulation.run_until(simulation.is_gone, within=600)
        assert simulation.leftovers() == []
