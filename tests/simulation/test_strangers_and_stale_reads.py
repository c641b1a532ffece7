"""Changes by other users to an endpoint, and AWS's outdated reads: neither causes harm."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from simulation.simulation import ENDPOINT, SPEC, Simulation
from simulation.test_stories import IMAGES, NEW, ROLE, arn_of, changed, is_stalled
from tgi_operator.backends.sagemaker.aws.errors import AWSError
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.lifecycle import Outcome


def is_left_alone_after_a_restart(simulation: Simulation) -> bool:
    """Return whether an operator without state changes nothing, and reports that the endpoint is not its own."""
    calls = len(simulation.amazon.calls)
    simulation.restart()
    simulation.run(300)
    return simulation.amazon.changes(calls) == [] and is_stalled(simulation, "NotOwned")


def test_an_endpoint_of_another_cluster_stays_untouched_through_changes_and_restarts(serving: Simulation) -> None:
    claim = names.to_list({names.TAG_CLUSTER: "cluster-2"})
    serving.aws("AddTags", ResourceArn=arn_of(serving, "endpoint"), Tags=claim)
    serving.apply(NEW)
    serving.run_until(lambda: is_stalled(serving, "NotOwned"), within=60)
    assert is_left_alone_after_a_restart(serving)


def test_an_endpoint_that_another_user_put_in_place_of_ours_is_left_alone(serving: Simulation) -> None:
    # The operator is not running: it would create its own again.
    serving.server.outage = 0
    serving.restart()
    serving.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    serving.run(120)
    variant = {"VariantName": "v", "ModelName": "his", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    container = {"Image": f"{IMAGES}/his:1"}
    serving.aws("CreateModel", ModelName="his", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    serving.aws("CreateEndpointConfig", EndpointConfigName="his", ProductionVariants=[variant])
    serving.aws("CreateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="his")
    serving.run(600)
    serving.server.outage = None
    assert is_left_alone_after_a_restart(serving)


@contextmanager
def stale(simulation: Simulation, operation: str, answer: Mapping[str, Any] | AWSError) -> Iterator[None]:
    """Let AWS repeat its earlier answer to a read."""
    simulation.amazon.stale[operation] = answer
    try:
        yield
    finally:
        del simulation.amazon.stale[operation]


def test_a_spec_taken_back_while_aws_still_shows_the_time_before(serving: Simulation) -> None:
    """The update in progress uses the set that would be collected."""
    before = serving.aws("DescribeEndpoint", EndpointName=ENDPOINT)
    serving.apply(NEW)
    serving.run(3)
    with stale(serving, "DescribeEndpoint", before):
        serving.apply(SPEC)
        serving.run(20)
    assert serving.world.violations == []
    serving.run_until(serving.is_ready, within=1200)
    serving.run(60)
    assert serving.world.violations == []
    assert len(serving.leftovers()) == 3


def missing(simulation: Simulation, name: str) -> AWSError:
    """Return AWS's answer for a missing endpoint."""
    with pytest.raises(AWSError) as raised:
        simulation.aws("DescribeEndpoint", EndpointName=name)
    return raised.value


def test_deleted_while_aws_does_not_show_yet_what_was_created_in_a_second_try(applied: Simulation) -> None:
    not_found = missing(applied, ENDPOINT)
    applied.script(Outcome.NO_CAPACITY)
    applied.run_until(lambda: len(applied.amazon.made("CreateEndpoint")) == 2, within=3 * 3600)
    nothing: dict[str, Any] = {"Endpoints": []}
    with stale(applied, "DescribeEndpoint", not_found), stale(applied, "ListEndpoints", nothing):
        applied.delete()
        applied.run(20)
    assert not applied.is_gone(), "it is billed"
    applied.run_until(applied.is_gone, within=1200)
    assert applied.leftovers() == []
    assert applied.world.violations == []


def test_tags_that_cannot_be_read_yet_leave_no_orphan(applied: Simulation) -> None:
    applied.run(2)
    with stale(applied, "ListTags", {"Tags": []}):
        applied.delete()
        applied.run(5)
    applied.run_until(applied.is_gone, within=1200)
    assert applied.leftovers() == []


def test_a_placeholder_is_never_served(serving: Simulation) -> None:
    """A configuration that only has the name of a deleted one is replaced by the real one."""
    serving.aws("DeleteEndpointConfig", EndpointConfigName=serving.status()["sageMaker"]["endpointConfigName"])
    serving.world.violations.clear()
    serving.apply(NEW)
    serving.run(120)
    serving.apply(SPEC)
    serving.run_until(serving.is_ready, within=1200)
    serving.run(120)
    live = serving.aws("DescribeEndpoint", EndpointName=ENDPOINT)["EndpointConfigName"]
    config = serving.aws("DescribeEndpointConfig", EndpointConfigName=live)
    assert config["ProductionVariants"][0]["ModelName"] == live
    assert len(serving.leftovers()) == 3
    assert serving.world.violations == []


def test_what_another_user_rolled_out_on_top_of_ours_is_no_rollback(serving: Simulation) -> None:
    serving.apply(NEW)
    serving.run(10)
    serving.kill_at(1)
    serving.run_until(lambda: serving.kills, within=60)
    serving.server.outage = 0
    serving.run(400)
    live = serving.aws("DescribeEndpoint", EndpointName=ENDPOINT)["EndpointConfigName"]
    variant = serving.aws("DescribeEndpointConfig", EndpointConfigName=live)["ProductionVariants"]
    serving.aws("CreateEndpointConfig", EndpointConfigName="his", ProductionVariants=variant)
    serving.aws("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="his")
    serving.run(400)
    serving.server.outage = None
    serving.run(60)
    serving.run_until(serving.is_ready, within=1200)
    assert "lastFailure" not in serving.status()


def test_a_rollback_is_not_taken_for_a_scaling_that_failed(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.apply(NEW)
    serving.run(10)
    serving.apply({**changed(), "replicas": 2})
    serving.run_until(lambda: serving.is_ready() and serving.status()["readyReplicas"] == 2, within=1800)
    assert "lastFailure" not in serving.status()
