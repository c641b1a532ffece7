"""The promises of the status, with drift checks too rare to help: nothing is lost, early, or flapping."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from simulation.amazon import DENIED, NO_IMAGE, THROTTLED, UNREACHABLE
from simulation.simulation import ENDPOINT, SPEC, Object, Simulation, condition, is_ready
from simulation.test_over import MINUTE, reports
from simulation.test_scaling import bounds, follows, spec, target
from simulation.test_stories import IMAGES, LONG, NEW, NEWER, ROLE, TAGGED, changed, is_stalled, rolled_back, tags
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.desired.scaling_policies import addressed
from tgi_sandbox.aws.lifecycle import Outcome

RARE = 0.01
"""Drift-check reads per minute: none occurs during a test."""

SCALE = "UpdateEndpointWeightsAndCapacities"


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """A simulation without resources, and practically without drift checks."""
    with Simulation(aws_drift_reads_per_minute=RARE) as made:
        yield made


def written(simulation: Simulation) -> list[Object]:
    """Return a list that collects every resource whose status is written from now on."""
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


def test_a_replica_count_that_is_not_accepted_is_not_ready_and_keeps_its_conditions(serving: Simulation) -> None:
    found = written(serving)
    with serving.amazon.failing(DENIED, SCALE):
        serving.apply({**SPEC, "replicas": 3})
        serving.run(1800)
        assert len(serving.amazon.attempted(SCALE)) >= 4
        assert is_stalled(serving, "AccessDenied")
    assert not [body for body in found if is_ready(body)]
    reasons = [condition(body, "Stalled").get("reason") for body in found]
    assert reasons.count(None) <= 1
    serving.run_until(lambda: serving.status()["readyReplicas"] == 3, within=900)
    serving.run_until(serving.is_ready, within=MINUTE)


def test_what_serves_is_scaled_though_its_successor_failed_and_the_first_call_too(serving: Simulation) -> None:
    rolled_back(serving, NEW)
    with serving.amazon.failing(THROTTLED, SCALE):
        serving.apply({**NEW, "replicas": 3})
        serving.run_until(lambda: serving.amazon.attempted(SCALE), within=30)
        serving.run(1)
    serving.run_until(lambda: serving.status()["replicas"] == 3, within=900)


@pytest.mark.parametrize("operation", ["AddTags", "PutScalingPolicy"])
def test_upkeep_that_fails_again_and_again_is_stalled_since_it_began(simulation: Simulation, operation: str) -> None:
    simulation.apply(SPEC)
    simulation.run_until(simulation.is_ready, within=600)
    with simulation.amazon.failing(DENIED, operation):
        simulation.apply({**spec(), "sageMaker": TAGGED["sageMaker"]})
        simulation.run_until(lambda: is_stalled(simulation, "AccessDenied"), within=60)
        since = simulation.condition("Stalled")["lastTransitionTime"]
        found = written(simulation)
        simulation.run(1800)
    assert {condition(body, "Stalled").get("lastTransitionTime") for body in found} == {since}


def test_a_model_of_another_owner_is_reported_once(applied: Simulation) -> None:
    applied.kill_at(operation="CreateModel")
    applied.run_until(lambda: applied.kills, within=30)
    theirs = names.set_name(ENDPOINT, applied.status()["updateRevision"])
    applied.aws("CreateModel", ModelName=theirs, PrimaryContainer={"Image": f"{IMAGES}/other:1"}, ExecutionRoleArn=ROLE)
    applied.run_until(lambda: is_stalled(applied, "NotOwned"), within=120)
    found = written(applied)
    applied.run(1800)
    assert all(condition(body, "Stalled") for body in found)


@pytest.mark.parametrize("operation", ["DescribeModel", "DescribeEndpointConfig"])
def test_old_revisions_that_cannot_be_read_do_not_keep_the_new_one_from_being_ready(
    serving: Simulation, operation: str
) -> None:
    serving.apply(NEW)
    serving.run_until(lambda: serving.amazon.made("UpdateEndpoint"), within=30)
    with serving.amazon.failing(DENIED, operation):
        serving.run_until(serving.is_ready, within=600)
        assert ("Warning", "CollectionFailed") in serving.events()
        serving.run(600)
        assert serving.is_ready()
    serving.run_until(lambda: len(serving.leftovers()) == 3, within=3700)


def test_an_announced_attempt_is_made_though_old_revisions_cannot_be_collected(serving: Simulation) -> None:
    with serving.amazon.failing(DENIED, "DeleteModel"):
        serving.apply(NEW)
        serving.run(LONG)
        serving.script(Outcome.NO_CAPACITY)
        serving.apply(NEWER)
        serving.run_until(lambda: reports(serving, "InsufficientCapacity"), within=1800)
        attempts = len(serving.amazon.attempted("UpdateEndpoint"))
        text = serving.condition("Ready")["message"].partition("retrying at ")[2].partition(": ")[0]
        when = datetime.fromisoformat(text).timestamp()
        serving.run(when - serving.clock.now() + MINUTE)
        assert len(serving.amazon.attempted("UpdateEndpoint")) == attempts + 1


def test_a_version_whose_rollout_was_refused_is_not_what_an_absent_version_keeps(serving: Simulation) -> None:
    image = serving.status()["image"]
    with serving.amazon.failing(NO_IMAGE, "CreateModel"):
        serving.apply(changed(version="3.0.1"))
        serving.run_until(lambda: is_stalled(serving, "ImageNotFound"), within=60)
    serving.apply(SPEC)
    # For a minute, AWS's reads can be older than the refused rollout.
    serving.run_until(serving.is_ready, within=MINUTE + 10)
    assert serving.status()["image"] == image
    serving.apply(NEW)
    serving.run_until(serving.is_ready, within=600)
    assert serving.status()["image"] == image


@pytest.mark.parametrize("refused", [False, True], ids=["it failed", "it was refused"])
def test_a_version_that_never_served_is_not_what_an_absent_version_keeps(simulation: Simulation, refused: bool) -> None:
    simulation.script(Outcome.PING_FAILURE)
    if refused:
        simulation.amazon.fail(NO_IMAGE, "CreateModel")
    simulation.apply(changed(version="3.0.1"))
    simulation.run_until(lambda: simulation.reason("Stalled"), within=3600)
    simulation.world.scripts.clear()
    simulation.amazon.mend("CreateModel")
    simulation.apply(SPEC)
    simulation.run_until(simulation.is_ready, within=900)
    assert "tgi3.0.1" not in simulation.status()["image"]


def test_a_status_with_reasons_of_another_version_is_read(simulation: Simulation) -> None:
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=600)
    conditions = simulation.status()["conditions"]
    for each in conditions:
        each["reason"] = "FromTomorrow"
    failure = {"time": "2026-03-02T06:00:00Z", "revision": simulation.status()["currentRevision"]}
    failure |= {"reason": "FromTomorrow", "message": "", "attempts": 1}
    simulation.edit_status({"conditions": conditions, "lastFailure": failure})
    simulation.run_until(lambda: follows(simulation), within=MINUTE)
    simulation.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    simulation.run(30)
    simulation.run_until(lambda: follows(simulation), within=900)


def test_bounds_that_cannot_be_compared_are_not_ready(simulation: Simulation) -> None:
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=600)
    found = written(simulation)
    with simulation.amazon.failing(DENIED, "DescribeScalableTargets"):
        simulation.apply(spec({"minReplicas": 2, "maxReplicas": 4}))
        simulation.run(900)
        assert simulation.condition("Available")["status"] == "True"
        assert reports(simulation, "ScalingUnknown")
    assert not [body for body in found if is_ready(body)]
    simulation.run_until(lambda: follows(simulation) and bounds(simulation) == (2, 4), within=360)


def test_a_target_that_is_not_registered_is_not_ready_though_tags_are_set(serving: Simulation) -> None:
    found = written(serving)
    with serving.amazon.failing(DENIED, "RegisterScalableTarget"):
        serving.apply({**spec(), "sageMaker": TAGGED["sageMaker"]})
        serving.run_until(lambda: tags(serving).get("team") == "nlp", within=30)
        serving.run(300)
    assert not [body for body in found if is_ready(body)]
    serving.run_until(lambda: follows(serving), within=360)


def test_policies_of_others_outlive_ours_though_they_cannot_be_read(simulation: Simulation) -> None:
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=600)
    tracking = {
        "TargetValue": 100.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    simulation.aws(
        "PutScalingPolicy",
        **addressed(ENDPOINT),
        PolicyName="by-the-ops-team",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
    )
    with simulation.amazon.failing(DENIED, "DescribeScalingPolicies"):
        simulation.apply(spec(None, runtime=NEW["runtime"]))
        simulation.run(900)
        assert simulation.amazon.made("UpdateEndpoint"), "it blocks no rollout"
        assert not simulation.is_ready()
    simulation.run_until(simulation.is_ready, within=360)
    found = target(simulation)
    assert found is not None
    assert list(found.policies) == ["by-the-ops-team"]


def test_an_update_that_was_undone_is_not_made_again_though_nothing_can_be_collected(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK, times=None)
    with serving.amazon.failing(DENIED, "DeleteModel"):
        for tokens in (2048, 4096, 8192):
            serving.apply(changed(maxTotalTokens=tokens))
            serving.run(LONG)
    assert len(serving.amazon.attempted("UpdateEndpoint")) == 3


@pytest.mark.parametrize("operation", ["DescribeEndpoint", "CreateModel"])
def test_an_error_message_of_any_length_is_reported(simulation: Simulation, operation: str) -> None:
    with simulation.amazon.failing(replace(DENIED, text="x" * 50_000), operation):
        simulation.apply(SPEC)
        simulation.run_until(lambda: is_stalled(simulation, "AccessDenied"), within=120)
    simulation.run_until(simulation.is_ready, within=900)
