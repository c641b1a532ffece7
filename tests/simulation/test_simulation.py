"""The simulation itself: it detects what it has to detect."""

import asyncio
from typing import Any

import pytest

from simulation.amazon import Amazon
from simulation.clock import LoopClock, new_loop
from simulation.process import AWSClient, Fuse, Killed, Process, track_tasks
from simulation.simulation import MOST_CALLS_A_MINUTE, PODS, REGION, SPEC, Object, Simulation, contradictions
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_sandbox.aws.world import World


def body(generation: int, observed: int, **conditions: tuple[str, int]) -> Object:
    """Return a resource whose conditions have a status and a generation."""
    listed = [
        {"type": kind, "status": status, "reason": "X", "observedGeneration": of}
        for kind, (status, of) in conditions.items()
    ]
    meta = {"name": "a", "generation": generation}
    return {"metadata": meta, "status": {"observedGeneration": observed, "conditions": listed}}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (body(2, 1), body(2, 2, Ready=("True", 2), Available=("True", 2)), ""),
        (body(3, 1), body(3, 2, Ready=("True", 2), Available=("True", 2)), ""),
        (body(2, 2), body(2, 2, Ready=("False", 2), Stalled=("True", 2)), ""),
        (body(1, 1), body(1, 2), "ahead of generation"),
        (body(2, 2), body(2, 1), "goes back"),
        (body(2, 2), body(2, 2, Ready=("True", 1), Available=("True", 1)), "Ready is of generation 1"),
        (body(1, 1), body(1, 1, Ready=("True", 1), Available=("False", 1)), "not Available"),
        (body(1, 1), body(1, 1, Ready=("True", 1), Available=("True", 1), Stalled=("True", 1)), "but Stalled"),
    ],
)
def test_contradictions_of_a_status_are_found(before: Object, after: Object, found: str) -> None:
    messages = list(contradictions(before, after))
    assert any(found in each for each in messages) if found else messages == []


def test_a_hot_loop_is_found(serving: Simulation) -> None:
    now = serving.clock.now()
    serving.amazon.attempts += [(now, REGION, "DescribeEndpoint")] * (3 * MOST_CALLS_A_MINUTE)
    with pytest.raises(AssertionError, match="hot loop"):
        serving.run(1)


def test_a_task_that_ends_with_an_error_is_found(simulation: Simulation) -> None:
    async def fail() -> None:
        raise RuntimeError("lost")

    simulation.process.start(fail())
    with pytest.raises(AssertionError, match="lost"):
        simulation.run(1)


@pytest.mark.parametrize(("after_effect", "made"), [(False, 2), (True, 3)])
def test_nothing_of_a_killed_process_happens_any_more(after_effect: bool, made: int) -> None:
    loop = new_loop()
    track_tasks(loop)
    amazon, ends = Amazon(World(LoopClock(loop))), []
    process = Process(loop, Fuse(3, None, after_effect), lambda: ends.append(loop.time()))
    client = AWSClient(process, amazon)

    async def list_for_ever(pause: float) -> None:
        while True:
            await client.call(Scope("", REGION), "ListEndpoints", {})
            await asyncio.sleep(pause)

    async def cleanup() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            with pytest.raises(Killed):
                await client.call(Scope("", REGION), "ListEndpoints", {})

    async def main() -> None:
        # A child is a task of the process too.
        await asyncio.gather(list_for_ever(10), cleanup(), return_exceptions=True)

    process.start(main())
    loop.run_until_complete(asyncio.sleep(500))
    assert len(amazon.calls) == made
    assert (len(ends), process.tasks) == (1, set())
    loop.close()


def test_a_killed_operator_is_replaced_and_goes_on(simulation: Simulation) -> None:
    first = simulation.process
    simulation.kill_at(operation="patch tgiendpoints/status", after_effect=True)
    simulation.apply(SPEC)
    simulation.run_until(simulation.is_ready, within=600)
    assert (simulation.kills, first.alive, simulation.process.alive) == (1, False, True)


def test_a_change_in_a_gap_of_the_watch_is_heard_when_it_is_over(simulation: Simulation) -> None:
    simulation.apply(PODS)
    simulation.run_until(simulation.is_ready, within=300)
    simulation.cut_watches()
    simulation.apply({**PODS, "replicas": 2})
    simulation.run(30)
    assert simulation.status()["desiredReplicas"] == 1
    simulation.connect_watches()
    simulation.run(5)
    assert simulation.status()["desiredReplicas"] == 2


@pytest.mark.parametrize("wrong", [{"replicas": "two"}, {"model": {}}], ids=["type", "required"])
def test_a_spec_that_the_crd_refuses_is_not_applied_by_mistake(simulation: Simulation, wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        simulation.apply({**SPEC, **wrong})
