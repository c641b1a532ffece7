"""What strangers do to an endpoint, and what AWS' reads of a moment ago make believe: nothing is harmed by it."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from simulation.harness import ENDPOINT, SPEC, Simulation
from simulation.test_stories import NEW, changed
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.lifecycle import Outcome

MUTATING = ("Create", "Update", "Delete", "Add")


@pytest.fixture
def serving() -> Simulation:
    """A simulation in which the resource serves, and has for a while."""
    simulation = Simulation()
    simulation.cluster.apply(SPEC)
    simulation.settle(6)
    assert simulation.is_ready()
    return simulation


def mutations(simulation: Simulation, since: int) -> list[str]:
    """Return the operations with an effect after the first `since` calls."""
    return [operation for operation, _ in simulation.amazon.calls[since:] if operation.startswith(MUTATING)]


def check_left_alone_after_a_restart(simulation: Simulation) -> None:
    """Check that an operator that knows nothing yet does nothing to the endpoint, and says whose it is not."""
    since = len(simulation.amazon.calls)
    simulation._start()
    for _ in range(5):
        simulation.reconcile()
        simulation.world.clock.advance(60)
    assert mutations(simulation, since) == []
    assert simulation.condition("Stalled")["reason"] == "NotOwned"


def claim(simulation: Simulation) -> None:
    """Have the endpoint belong to another cluster's operator."""
    endpoint = simulation.endpoint()
    assert endpoint is not None
    tags = [{"Key": names.TAG_CLUSTER, "Value": "cluster-2"}]
    simulation.aws("AddTags", ResourceArn=endpoint["EndpointArn"], Tags=tags)


def test_an_endpoint_of_another_stays_untouched_when_the_spec_changes_and_we_start_again(serving: Simulation) -> None:
    claim(serving)
    serving.cluster.apply(NEW)
    serving.reconcile()
    assert serving.condition("Stalled")["reason"] == "NotOwned"
    check_left_alone_after_a_restart(serving)


def test_an_endpoint_that_somebody_put_in_place_of_ours_is_his(serving: Simulation) -> None:
    serving.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    serving.world.clock.advance(600)
    variant = {"VariantName": "v", "ModelName": "his", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    image = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/his:1"
    role = SPEC["sageMaker"]["executionRoleARN"]
    serving.aws("CreateModel", ModelName="his", PrimaryContainer={"Image": image}, ExecutionRoleArn=role)
    serving.aws("CreateEndpointConfig", EndpointConfigName="his", ProductionVariants=[variant])
    serving.aws("CreateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="his")
    serving.world.clock.advance(600)
    check_left_alone_after_a_restart(serving)


def stale(simulation: Simulation, operation: str, answer: Mapping[str, Any] | Exception) -> Callable[[], None]:
    """Have AWS answer an operation as it did before; return what ends that."""
    real = simulation.amazon.call

    async def call(region: str, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if name != operation:
            return await real(region, name, request)
        if isinstance(answer, Exception):
            raise answer
        return copy.deepcopy(dict(answer))

    simulation.amazon.call = call  # type: ignore[method-assign,assignment]

    def over() -> None:
        simulation.amazon.call = real  # type: ignore[method-assign]

    return over


def test_a_spec_taken_back_while_aws_still_shows_the_time_before(serving: Simulation) -> None:
    """The update under way uses what would be collected."""
    before = serving.endpoint()
    assert before is not None
    serving.cluster.apply(NEW)
    serving.reconcile()
    over = stale(serving, "DescribeEndpoint", before)
    serving.cluster.apply(SPEC)
    serving.reconcile()
    over()
    assert serving.world.violations == []
    serving.settle(20)
    assert serving.is_ready()
    assert serving.world.violations == []
    assert len(serving.leftovers()) == 3


def test_deleted_while_aws_does_not_show_yet_what_was_created_in_a_second_try() -> None:
    simulation = Simulation()
    simulation.script(Outcome.NO_CAPACITY)
    simulation.cluster.apply(SPEC)
    for _ in range(200):
        simulation.reconcile(check=True)
        if len(simulation.asked("CreateEndpoint")) == 2:
            break
        simulation.world.clock.advance(60)
    assert len(simulation.asked("CreateEndpoint")) == 2
    not_found = missing(Simulation())
    over = stale(simulation, "DescribeEndpoint", not_found)
    simulation.cluster.delete()
    simulation.reconcile()
    over()
    assert not simulation.is_gone(), "it bills"
    simulation.settle(30)
    assert simulation.is_gone()
    assert simulation.leftovers() == []
    assert simulation.world.violations == []


def missing(simulation: Simulation) -> Exception:
    """Return AWS' answer where there is no endpoint."""
    try:
        simulation.aws("DescribeEndpoint", EndpointName=ENDPOINT)
    except Exception as error:  # noqa: BLE001 - whatever AWS says
        return error
    raise AssertionError


def test_tags_that_cannot_be_read_yet_leave_no_orphan() -> None:
    simulation = Simulation()
    simulation.cluster.apply(SPEC)
    simulation.reconcile()
    simulation.cluster.delete()
    over = stale(simulation, "ListTags", {"Tags": []})
    for _ in range(3):
        simulation.reconcile()
        simulation.world.clock.advance(1)
    over()
    simulation.settle(30)
    assert simulation.is_gone()
    assert simulation.leftovers() == []


def test_a_stand_in_is_never_served(serving: Simulation) -> None:
    """A configuration that only has the name of one that was deleted makes way for the real one."""
    endpoint = serving.endpoint()
    assert endpoint is not None
    serving.aws("DeleteEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"])
    serving.world.violations.clear()
    serving.cluster.apply(NEW)
    serving.settle(2)
    serving.cluster.apply(SPEC)
    serving.settle(20)
    assert serving.is_ready()
    live = serving.endpoint()
    assert live is not None
    config = serving.aws("DescribeEndpointConfig", EndpointConfigName=live["EndpointConfigName"])
    assert config["ProductionVariants"][0]["ModelName"] == live["EndpointConfigName"]
    assert len(serving.leftovers()) == 3
    assert serving.world.violations == []


def test_what_somebody_rolled_out_on_top_of_ours_is_no_rollback(serving: Simulation) -> None:
    serving.cluster.apply(NEW)
    serving.reconcile()
    serving.world.clock.advance(1200)
    live = serving.endpoint()
    assert live is not None
    variant = serving.aws("DescribeEndpointConfig", EndpointConfigName=live["EndpointConfigName"])["ProductionVariants"]
    serving.aws("CreateEndpointConfig", EndpointConfigName="his", ProductionVariants=variant)
    serving.aws("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="his")
    serving.world.clock.advance(1200)
    serving._start()
    serving.settle(20)
    assert serving.is_ready(), serving.status
    assert "lastFailure" not in serving.status


def test_a_rollback_is_not_taken_for_a_scaling_that_failed(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(NEW)
    serving.reconcile()
    serving.cluster.apply({**changed(), "replicas": 2})
    serving.settle(30)
    assert serving.is_ready()
    assert serving.status["readyReplicas"] == 2
    assert "lastFailure" not in serving.status
