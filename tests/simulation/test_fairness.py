"""No namespace delays another: a careless or hostile tenant applies resources, and the others do not wait for AWS."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from simulation.amazon import HANGS, UNREACHABLE
from simulation.simulation import PODS, SPEC, Object, Simulation
from simulation.test_stories import is_stalled, with_target
from tgi_operator.backends.keys import Key

WAIT_SECONDS = 5.0

AT_SAGEMAKER, IN_PODS = Key("team", "llm"), Key("team", "pods")

REGIONS = (
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-south-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-west-2",
)


def apply_many(simulation: Simulation, name: str, number: int, namespace: str = "crowd", **target: str) -> list[Key]:
    """Apply ordinary resources, like a loop around kubectl."""
    keys = [Key(namespace, f"{name}-{index}") for index in range(number)]
    for key in keys:
        simulation.apply(with_target(**target), key)
    return keys


def a_thousand_resources(simulation: Simulation) -> None:
    apply_many(simulation, "each", 1000)


def a_thousand_resources_of_three_namespaces(simulation: Simulation) -> None:
    for namespace in ("crowd-1", "crowd-2", "crowd-3"):
        apply_many(simulation, "each", 333, namespace)


def deletions(simulation: Simulation) -> None:
    keys = apply_many(simulation, "gone", 150)
    simulation.run_until(lambda: all(map(simulation.is_ready, keys)), within=1800)
    for key in keys:
        simulation.delete(key)


def regions_that_hang(simulation: Simulation) -> None:
    for region in REGIONS:
        simulation.amazon.fail(HANGS, region=region)
        apply_many(simulation, region, 5, region=region)


def regions_that_do_not_exist(simulation: Simulation) -> None:
    for number in range(300):
        apply_many(simulation, f"nowhere-{number}", 1, region=f"aa-bb-{number}")


def calls_that_hang(simulation: Simulation) -> None:
    simulation.amazon.fail(replace(HANGS, only="crowd-"), "CreateModel")
    apply_many(simulation, "slow", 100)


def calls_that_hang_of_more_namespaces_than_one_has_workers(simulation: Simulation) -> None:
    simulation.amazon.fail(replace(HANGS, only="crowd-"), "CreateModel")
    for number in range(simulation.settings.workers + 1):
        apply_many(simulation, "slow", 20, f"crowd-{number}")


def everything(simulation: Simulation) -> None:
    deletions(simulation)
    a_thousand_resources(simulation)
    regions_that_hang(simulation)
    regions_that_do_not_exist(simulation)


@pytest.mark.parametrize("busy_for", [1, 40])
@pytest.mark.parametrize(
    "attack",
    [
        a_thousand_resources,
        a_thousand_resources_of_three_namespaces,
        deletions,
        regions_that_hang,
        regions_that_do_not_exist,
        calls_that_hang,
        calls_that_hang_of_more_namespaces_than_one_has_workers,
        everything,
    ],
)
def test_create_of_another_namespace_reaches_aws_and_pods_at_once(
    simulation: Simulation, attack: Callable[[Simulation], None], busy_for: float
) -> None:
    # The region is in use, as it always is if other tenants can be starved.
    simulation.apply(SPEC, Key("others", "llm"))
    simulation.run(60)
    attack(simulation)
    simulation.run(busy_for)
    began = simulation.clock.now()
    simulation.apply(SPEC, AT_SAGEMAKER)
    simulation.apply(PODS, IN_PODS)
    simulation.run(WAIT_SECONDS + 1)
    for operation in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
        times = [each.time for each in simulation.amazon.calls if each.operation == operation and "team-" in each.name]
        assert times, f"{operation} is not there yet"
        assert times[0] - began <= WAIT_SECONDS, operation
    assert (IN_PODS.namespace, IN_PODS.name) in simulation.server.objects["deployments"]


def test_update_and_deletion_of_another_namespace_do_not_wait_either(simulation: Simulation) -> None:
    simulation.apply(SPEC, AT_SAGEMAKER)
    simulation.run_until(lambda: simulation.is_ready(AT_SAGEMAKER), within=600)
    apply_many(simulation, "each", 300)
    simulation.run(20)
    began = simulation.clock.now()
    simulation.apply({**SPEC, "replicas": 2}, AT_SAGEMAKER)
    simulation.run(WAIT_SECONDS)
    assert simulation.amazon.attempted("UpdateEndpointWeightsAndCapacities", since=began)
    # AWS does not delete an endpoint that it is updating.
    simulation.run(300)
    for index in range(300):
        simulation.apply({**SPEC, "replicas": 3}, Key("crowd", f"each-{index}"))
    simulation.run(20)
    began = simulation.clock.now()
    simulation.delete(AT_SAGEMAKER)
    simulation.run(WAIT_SECONDS)
    assert simulation.amazon.attempted("DeleteEndpoint", since=began)


def test_region_that_does_not_answer_costs_only_the_calls_of_its_sweep(simulation: Simulation) -> None:
    keys = apply_many(simulation, "there", 30, region="us-east-1")
    simulation.run_until(lambda: all(map(simulation.is_ready, keys)), within=1200)
    simulation.amazon.fail(UNREACHABLE, region="us-east-1")
    for key in keys:
        simulation.apply(with_target(region="us-east-1") | {"replicas": 2}, key)
    simulation.run(60)
    began, calls = simulation.loop.time(), len(simulation.amazon.attempts)
    simulation.run(600)
    operations = {operation for _, _, operation in simulation.amazon.attempts[calls:]}
    assert operations == {"ListEndpoints"}
    assert len(simulation.amazon.attempts) - calls <= 600 / 30 + 1, "a try of 15 s, and a pause of 15 s"
    assert simulation.reason(key=keys[0]) == "AWSUnavailable"
    simulation.amazon.mend(region="us-east-1")
    simulation.run_until(lambda: all(simulation.reason(key=key) != "AWSUnavailable" for key in keys), within=60)
    assert simulation.loop.time() - began > 600
    simulation.run_until(lambda: all(map(simulation.is_ready, keys)), within=600)


def test_blip_of_a_region_changes_no_status(simulation: Simulation) -> None:
    keys = apply_many(simulation, "each", 20)
    simulation.run_until(lambda: all(map(simulation.is_ready, keys)), within=600)
    simulation.run(60)
    writes = simulation.writes
    simulation.amazon.fail(UNREACHABLE)
    simulation.run(20)
    simulation.amazon.mend()
    simulation.run(120)
    assert simulation.writes == writes


UNKNOWN: Object = with_target(region="eu-west-9")


def test_region_that_does_not_exist_is_refused_before_any_connection(simulation: Simulation) -> None:
    simulation.apply(UNKNOWN)
    simulation.run_until(lambda: is_stalled(simulation, "UnknownRegion"), within=5)
    assert "spec.sageMaker.region: eu-west-9 is not a known AWS region" in simulation.condition("Ready")["message"]
    simulation.run(600)
    assert simulation.amazon.attempts == []
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=5)
    assert simulation.amazon.attempts == []


def test_region_that_the_administrators_add_is_used_after_a_restart() -> None:
    with Simulation(aws_regions=("us-east-1",)) as simulation:
        simulation.apply(SPEC)
        simulation.run_until(lambda: is_stalled(simulation, "UnknownRegion"), within=5)
        message = simulation.condition("Ready")["message"]
        assert "the operator does not allow eu-west-1 (allowed: us-east-1)" in message
        simulation.settings = simulation.settings.model_copy(update={"aws_regions": ("us-east-1", "eu-west-1")})
        simulation.restart()
        simulation.run_until(simulation.is_ready, within=600)
        assert not simulation.condition("Stalled")


def test_endpoint_in_a_region_that_is_no_longer_allowed_is_left_alone_until_it_is(serving: Simulation) -> None:
    serving.settings = serving.settings.model_copy(update={"aws_regions": ("us-east-1",)})
    serving.restart()
    serving.run_until(lambda: is_stalled(serving, "UnknownRegion"), within=60)
    assert serving.condition("Available")["status"] == "Unknown"
    attempts = len(serving.amazon.attempts)
    serving.delete()
    serving.run(600)
    assert len(serving.amazon.attempts) == attempts
    assert not serving.is_gone(), "it is billed"
    serving.settings = serving.settings.model_copy(update={"aws_regions": ()})
    serving.restart()
    serving.run_until(serving.is_gone, within=600)
    assert serving.leftovers() == []
