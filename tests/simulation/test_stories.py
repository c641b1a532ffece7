"""The life of one resource on SageMaker: each test is a story on virtual time."""

import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from simulation.amazon import DENIED
from simulation.simulation import CLUSTER, ENDPOINT, REGION, SPEC, Simulation
from tgi_operator.api.identifiers import FINALIZER
from tgi_operator.backends.hub_token import HubToken
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.engines.tgi import images
from tgi_sandbox.aws.lifecycle import Outcome, Status, system_update

Spec = dict[str, Any]

LONG = 2.5 * 3600.0
"""Seconds in which every periodic action has happened twice: pauses last up to half an hour, lists are an hour
apart."""

DAY = 24 * 3600.0
ROLE = SPEC["sageMaker"]["executionRoleARN"]
IMAGES = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"
CREATES = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint")


def changed(spec: Mapping[str, Any] = SPEC, **runtime: Any) -> Spec:
    """Return the spec with other launcher options: another revision."""
    return {**copy.deepcopy(dict(spec)), "runtime": runtime}


def with_target(**fields: Any) -> Spec:
    """Return the spec with other fields of sageMaker."""
    return {**SPEC, "sageMaker": {**SPEC["sageMaker"], **fields}}


NEW = changed(maxTotalTokens=2048)
NEWER = changed(maxTotalTokens=4096)
TAGGED = with_target(tags=[{"key": "team", "value": "nlp"}])


def tags(simulation: Simulation, arn: str | None = None) -> dict[str, str]:
    """Return the tags of the endpoint, or of another object."""
    found = arn or simulation.amazon.region(REGION).arn("endpoint", ENDPOINT)
    return names.from_list(simulation.aws("ListTags", ResourceArn=found)["Tags"])


def arn_of(simulation: Simulation, part: str) -> str:
    """Return the ARN of the endpoint, its configuration or its model."""
    name = ENDPOINT if part == "endpoint" else simulation.status()["sageMaker"]["modelName"]
    return simulation.amazon.region(REGION).arn(part, name)


def is_stalled(simulation: Simulation, reason: str) -> bool:
    """Return whether the resource is Stalled for a reason."""
    return simulation.reason("Stalled") == reason


def rolled_back(simulation: Simulation, spec: Spec, outcome: Outcome = Outcome.ROLLBACK) -> None:
    """Apply a spec whose rollout fails."""
    simulation.script(outcome)
    simulation.apply(spec)
    simulation.run_until(lambda: simulation.reason("Stalled"), within=1200)


# Creation


def test_a_new_resource_serves_after_three_creates_and_three_writes(simulation: Simulation) -> None:
    simulation.run(60)
    simulation.apply(SPEC)
    simulation.run(5)
    assert simulation.amazon.made(*CREATES) == list(CREATES)
    assert simulation.reason("Reconciling") == "Creating"
    simulation.run_until(simulation.is_ready, within=240 + 30 + 5)
    assert simulation.writes + 1 == 3, "the finalizer, the beginning and the end"
    assert simulation.events() == [("Normal", "Creating"), ("Normal", "InService")]
    assert simulation.amazon.made("DescribeEndpoint") == ["DescribeEndpoint"], "the list shows that there was none"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_steady_resource_costs_drift_checks_and_no_writes(serving: Simulation, restarted: bool) -> None:
    if restarted:
        serving.restart()
    serving.run(120)
    writes, calls = serving.writes, len(serving.amazon.calls)
    serving.run(LONG)
    assert serving.writes == writes
    assert serving.amazon.changes(calls) == []
    assert len(serving.amazon.calls) - calls < LONG / 60 * (2 + 30), "two lists, and the reads of drift checks"


def test_the_finalizer_is_there_before_anything_of_aws(applied: Simulation) -> None:
    applied.kill_at(operation="CreateModel")
    applied.run_until(lambda: applied.kills, within=30)
    assert applied.body()["metadata"]["finalizers"] == [FINALIZER]
    assert applied.leftovers() == []


def test_a_container_that_never_answers_is_not_started_twice(applied: Simulation) -> None:
    applied.script(Outcome.PING_FAILURE, times=None)
    applied.run(LONG)
    assert is_stalled(applied, "ContainerNotHealthy")
    message = applied.condition("Ready")["message"]
    assert "did not pass the ping health check" in message
    group = f"/aws/sagemaker/Endpoints/{ENDPOINT}"
    assert f"Logs: CloudWatch log group {group}: https://{REGION}.console.aws.amazon.com/cloudwatch/" in message
    assert message.endswith(f"#logsV2:log-groups/log-group/{group.replace('/', '$252F')}")
    assert applied.amazon.made("CreateEndpoint") == ["CreateEndpoint"]


def test_after_a_failed_creation_another_spec_replaces_the_endpoint(applied: Simulation) -> None:
    applied.script(Outcome.PING_FAILURE)
    applied.run_until(lambda: is_stalled(applied, "ContainerNotHealthy"), within=3600)
    applied.apply(NEW)
    applied.run_until(applied.is_ready, within=900)
    applied.run(60)
    assert len(applied.leftovers()) == 3


@pytest.mark.parametrize("outcome", [Outcome.NO_CAPACITY, Outcome.INTERNAL_ERROR])
def test_what_may_pass_is_tried_again_with_growing_pauses(applied: Simulation, outcome: Outcome) -> None:
    applied.script(outcome, times=3)
    applied.run_until(applied.is_ready, within=4 * 3600)
    created = applied.amazon.attempted("CreateEndpoint")
    pauses = [later - earlier for earlier, later in itertools.pairwise(created)]
    assert len(created) == 4
    assert pauses == sorted(pauses)
    assert "lastFailure" not in applied.status()


def test_retries_end() -> None:
    with Simulation(aws_drift_reads_per_minute=0.1) as simulation:
        simulation.world.durations = replace(simulation.world.durations, no_capacity=60)
        simulation.script(Outcome.NO_CAPACITY, times=None)
        simulation.apply(SPEC)
        simulation.run_until(lambda: is_stalled(simulation, "InsufficientCapacity"), within=3 * DAY)
        simulation.run(LONG)
        assert is_stalled(simulation, "InsufficientCapacity")
        assert len(simulation.amazon.attempted("CreateEndpoint")) == 50


def test_a_cut_connection_makes_nothing_twice(applied: Simulation) -> None:
    for cuts in (1, 2, 3, 1):
        applied.amazon.cut = cuts
        applied.run(180)
    applied.run_until(applied.is_ready, within=900)
    assert len(applied.leftovers()) == 3


# Updates


def test_an_update_serves_all_the_time_and_leaves_one_set(serving: Simulation) -> None:
    before = serving.leftovers()
    serving.apply(NEW)
    serving.run(5)
    assert not serving.is_ready()
    assert serving.condition("Available")["status"] == "True"
    assert serving.reason("Reconciling") == "Updating"
    assert set(before) < set(serving.leftovers()), "what serves is kept until the update is done"
    serving.run_until(serving.is_ready, within=400)
    serving.run(60)
    assert len(serving.leftovers()) == 3
    assert serving.leftovers() != before
    assert serving.world.violations == []


def test_an_update_rolled_back_keeps_serving_and_is_not_tried_again(serving: Simulation) -> None:
    old = serving.status()["currentRevision"]
    rolled_back(serving, NEW)
    serving.run(LONG)
    assert is_stalled(serving, "UpdateRolledBack")
    assert serving.condition("Available")["status"] == "True"
    assert serving.condition("Ready")["status"] == "False"
    assert serving.status()["currentRevision"] == old
    assert serving.status()["lastFailure"]["revision"] == serving.status()["updateRevision"] != old
    assert serving.amazon.made("UpdateEndpoint") == ["UpdateEndpoint"]


@pytest.mark.parametrize(
    ("outcome", "after"),
    [(Outcome.ROLLBACK, NEWER), (Outcome.ROLLBACK, SPEC), (Outcome.ROLLBACK_FAILED, NEWER)],
    ids=["another revision", "back to what serves", "after a rollback that failed"],
)
def test_after_a_failed_update_another_spec_is_rolled_out(serving: Simulation, outcome: Outcome, after: Spec) -> None:
    rolled_back(serving, NEW, outcome)
    reason = {Outcome.ROLLBACK: "UpdateRolledBack", Outcome.ROLLBACK_FAILED: "UpdateRollbackFailed"}[outcome]
    assert is_stalled(serving, reason)
    assert serving.condition("Available")["status"] == "True"
    serving.apply(after)
    serving.run_until(serving.is_ready, within=900)
    serving.run(60)
    assert not serving.condition("Stalled")
    assert len(serving.leftovers()) == 3


def test_a_forgotten_failure_is_tried_again(serving: Simulation) -> None:
    rolled_back(serving, NEW)
    serving.edit_status({"lastFailure": None})
    serving.run_until(serving.is_ready, within=600)


def test_what_serves_is_scaled_though_its_successor_failed(serving: Simulation) -> None:
    rolled_back(serving, NEW)
    serving.apply({**NEW, "replicas": 3})
    serving.run(1200)
    assert serving.amazon.made("UpdateEndpointWeightsAndCapacities", "UpdateEndpoint") == [
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
    ]
    assert serving.status()["replicas"] == 3
    assert is_stalled(serving, "UpdateRolledBack")
    serving.apply({**NEWER, "replicas": 3})
    serving.run_until(serving.is_ready, within=900)
    assert serving.status()["replicas"] == 3
    assert serving.world.violations == []


def test_a_scaling_that_fails_is_not_taken_for_another_failure_of_the_successor(serving: Simulation) -> None:
    rolled_back(serving, NEW)
    failure = serving.status()["lastFailure"]
    serving.script(Outcome.NO_CAPACITY)
    serving.apply({**NEW, "replicas": 3})
    serving.run(3600)
    assert serving.status()["replicas"] == 1
    assert serving.status()["lastFailure"] == failure
    assert is_stalled(serving, "UpdateRolledBack")
    assert len(serving.amazon.attempted("UpdateEndpointWeightsAndCapacities")) == 1
    assert len(serving.amazon.attempted("UpdateEndpoint")) == 1


def test_a_lack_of_capacity_in_an_update_is_tried_again(serving: Simulation) -> None:
    serving.script(Outcome.NO_CAPACITY, times=2)
    serving.apply(NEW)
    serving.run_until(serving.is_ready, within=3 * 3600)
    assert len(serving.amazon.made("UpdateEndpoint")) == 3


def test_a_change_during_an_update_waits_for_it(serving: Simulation) -> None:
    serving.apply(NEW)
    serving.run(30)
    serving.apply(NEWER)
    serving.run(30)
    assert len(serving.amazon.attempted("UpdateEndpoint")) == 1
    serving.run_until(serving.is_ready, within=900)
    serving.run(60)
    assert len(serving.amazon.made("UpdateEndpoint")) == 2
    assert len(serving.leftovers()) == 3


def test_going_back_during_an_update_is_not_ready_until_it_is(serving: Simulation) -> None:
    serving.apply(NEW)
    serving.run(30)
    serving.apply(SPEC)
    serving.run(60)
    assert not serving.is_ready()
    serving.run_until(serving.is_ready, within=900)
    assert len(serving.amazon.made("UpdateEndpoint")) == 2


def test_many_failed_revisions_do_not_pile_up(serving: Simulation) -> None:
    for tokens in range(2000, 2040):
        serving.script(Outcome.ROLLBACK)
        serving.apply(changed(maxTotalTokens=tokens))
        serving.run(420)
        assert is_stalled(serving, "UpdateRolledBack")
        assert len(serving.status()["sageMaker"]["revisions"]) <= 3
    serving.apply(NEW)
    serving.run_until(serving.is_ready, within=600)
    serving.run(60)
    assert len(serving.leftovers()) == 3


def test_an_old_failure_reason_is_not_blamed_on_the_next_revision(serving: Simulation) -> None:
    rolled_back(serving, NEW)
    serving.kill_at(operation="UpdateEndpoint")
    serving.apply(NEWER)
    serving.run_until(lambda: serving.kills, within=30)
    region = serving.amazon.region(REGION)
    region.put(system_update(region.endpoint(ENDPOINT), serving.clock.now(), 300))
    serving.run_until(serving.is_ready, within=1200)


def test_a_version_that_failed_is_not_what_an_absent_version_keeps(serving: Simulation) -> None:
    image = serving.status()["image"]
    rolled_back(serving, changed(version="3.0.1"))
    serving.apply(SPEC)
    serving.run_until(serving.is_ready, within=600)
    assert serving.status()["image"] == image


def test_an_endpoint_lost_in_an_update_is_created_again_from_the_old_spec(serving: Simulation) -> None:
    serving.apply(NEW)
    serving.run(30)
    region = serving.amazon.region(REGION)
    lost = replace(region.endpoint(ENDPOINT), status=Status.FAILED, steps=(), failure_reason="Nobody knows.")
    region.put(replace(lost, modified=serving.clock.now() + 1))
    serving.run_until(lambda: is_stalled(serving, "EndpointFailed"), within=120)
    serving.apply(SPEC)
    serving.run_until(serving.is_ready, within=900)
    serving.run(60)
    assert len(serving.leftovers()) == 3


@pytest.mark.parametrize("lost", [False, True], ids=["of an endpoint that serves", "of an endpoint that was deleted"])
def test_an_image_that_is_in_use_survives_a_newer_catalogue(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    with monkeypatch.context() as older:
        older.setattr(images, "newest_version", lambda: "3.0.1")
        simulation.apply(SPEC)
        simulation.run_until(simulation.is_ready, within=600)
    image = simulation.status()["image"]
    assert "tgi3.0.1" in image
    simulation.restart()
    if lost:
        simulation.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    simulation.apply(NEW)
    simulation.run(60)
    simulation.run_until(simulation.is_ready, within=900)
    assert simulation.status()["image"] == image
    made = [call for call in simulation.amazon.calls if call.operation == "CreateModel"]
    requested = [call.request["PrimaryContainer"]["Image"] for call in made]
    assert set(requested) == {image}


# Replicas


def test_replicas_alone_change_the_fleet_and_no_revision(serving: Simulation) -> None:
    serving.apply({**SPEC, "replicas": 3})
    serving.run(5)
    assert serving.is_ready(), "what serves is what the spec wants but for the replica count"
    assert serving.status()["desiredReplicas"] == 3
    serving.run(400)
    assert serving.status()["readyReplicas"] == 3
    assert serving.amazon.made("UpdateEndpoint", "UpdateEndpointWeightsAndCapacities") == [
        "UpdateEndpointWeightsAndCapacities"
    ]


@pytest.mark.parametrize(
    ("first", "second", "replicas", "updates"),
    [
        ({**SPEC, "replicas": 3}, NEW, 3, ["UpdateEndpointWeightsAndCapacities", "UpdateEndpoint"]),
        (SPEC, {**NEW, "replicas": 2}, 2, ["UpdateEndpoint"]),
    ],
    ids=["absent replicas keep what runs", "both change in one update"],
)
def test_replicas_through_an_update(
    serving: Simulation, first: Spec, second: Spec, replicas: int, updates: list[str]
) -> None:
    for spec in (first, second):
        serving.apply(spec)
        serving.run(450)
    assert serving.is_ready()
    assert serving.status()["readyReplicas"] == replicas
    assert serving.amazon.made("UpdateEndpointWeightsAndCapacities", "UpdateEndpoint") == updates


# Deletion


def test_deletion_takes_the_endpoint_first_and_everything_in_the_end(serving: Simulation) -> None:
    serving.delete()
    serving.run(5)
    assert serving.reason("Reconciling") == "Deleting"
    assert len(serving.leftovers()) == 3, "configuration and model stay while the endpoint is there"
    serving.run_until(serving.is_gone, within=180)
    assert serving.leftovers() == []
    assert serving.world.violations == []


def test_deletion_waits_out_a_creation(applied: Simulation) -> None:
    applied.run(30)
    applied.delete()
    applied.run(60)
    assert applied.amazon.attempted("DeleteEndpoint") == []
    assert not applied.is_gone()
    applied.run_until(applied.is_gone, within=600)
    assert applied.leftovers() == []


def test_deletion_of_a_resource_that_never_had_anything(simulation: Simulation) -> None:
    simulation.apply({**SPEC, "runtime": {"version": "9.9.9"}})
    simulation.run(30)
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=60)


def test_what_may_be_there_is_not_let_go_without_permission(applied: Simulation) -> None:
    with applied.amazon.failing(DENIED, *CREATES):
        applied.run(120)
    with applied.amazon.failing(DENIED, "DescribeEndpoint", "ListEndpoints"):
        applied.delete()
        applied.run(180)
        assert is_stalled(applied, "AccessDenied")
        assert not applied.is_gone()
    applied.run_until(applied.is_gone, within=400)


def test_deletion_goes_on_after_a_refusal(serving: Simulation) -> None:
    with serving.amazon.failing(DENIED, "DeleteModel"):
        serving.delete()
        serving.run(300)
        assert is_stalled(serving, "AccessDenied")
        assert not serving.is_gone()
    serving.run_until(serving.is_gone, within=400)
    assert serving.leftovers() == []


def test_retain_leaves_aws_alone_and_the_same_resource_takes_it_back(serving: Simulation) -> None:
    serving.apply({**SPEC, "deletionPolicy": "Retain"})
    serving.run(30)
    before = serving.leftovers()
    serving.delete()
    serving.run(30)
    assert serving.is_gone()
    assert serving.leftovers() == before
    serving.apply(SPEC)
    serving.run_until(serving.is_ready, within=180)
    assert serving.leftovers() == before
    assert tags(serving) == names.owner_tags(serving.owner())


# Ownership


def foreign_endpoint(
    simulation: Simulation, claim: Mapping[str, str], image: str = "other:1", instances: int = 1
) -> list[str]:
    """Create an endpoint of the resource's name that was not created for it."""
    container = {"Image": f"{IMAGES}/{image}", "Environment": {"HF_MODEL_ID": "tiiuae/falcon-7b", "SM_NUM_GPUS": "1"}}
    simulation.aws("CreateModel", ModelName="theirs", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "theirs",
        "InstanceType": "ml.g5.2xlarge",
        "InitialInstanceCount": instances,
    }
    simulation.aws("CreateEndpointConfig", EndpointConfigName="theirs", ProductionVariants=[variant])
    simulation.aws("CreateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="theirs", Tags=names.to_list(claim))
    simulation.run(300)
    return simulation.leftovers()


@pytest.mark.parametrize("cluster", ["", "cluster-2"], ids=["untagged", "of another cluster"])
def test_a_foreign_endpoint_is_never_touched(simulation: Simulation, cluster: str) -> None:
    claim = {names.TAG_CLUSTER: cluster, names.TAG_NAMESPACE: "ml", names.TAG_NAME: "falcon-7b"} if cluster else {}
    theirs = foreign_endpoint(simulation, claim)
    simulation.apply(SPEC)
    simulation.run(1800)
    assert is_stalled(simulation, "NotOwned")
    assert simulation.condition("Available")["status"] == "False"
    simulation.apply(NEW)
    simulation.run(300)
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=300)
    assert simulation.leftovers() == theirs


def test_a_foreign_model_of_our_name_is_not_used(applied: Simulation) -> None:
    applied.kill_at(operation="CreateModel")
    applied.run_until(lambda: applied.kills, within=30)
    theirs = names.set_name(ENDPOINT, applied.status()["updateRevision"])
    container = {"Image": f"{IMAGES}/other:1"}
    applied.aws("CreateModel", ModelName=theirs, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    applied.run(300)
    assert is_stalled(applied, "NotOwned")
    applied.delete()
    applied.run_until(applied.is_gone, within=300)
    assert applied.leftovers() == [theirs]


def test_an_endpoint_handed_over_to_another_cluster_keeps_what_it_runs(serving: Simulation) -> None:
    before = serving.leftovers()
    claim = names.to_list({names.TAG_CLUSTER: "cluster-2"})
    serving.aws("AddTags", ResourceArn=arn_of(serving, "endpoint"), Tags=claim)
    serving.run_until(lambda: is_stalled(serving, "NotOwned"), within=120)
    serving.delete()
    serving.run_until(serving.is_gone, within=300)
    assert serving.leftovers() == before
    assert serving.world.violations == []


def test_two_resources_of_one_endpoint_name_do_not_rob_each_other(serving: Simulation) -> None:
    """The loser of a race recorded the very revision that the winner runs."""
    before = serving.leftovers()
    theirs = names.owner_tags(Owner(CLUSTER, "other", "falcon-7b", "u"))
    for part in ("model", "endpoint-config", "endpoint"):
        serving.aws("AddTags", ResourceArn=arn_of(serving, part), Tags=names.to_list(theirs))
    serving.edit_status({"sageMaker": {"endpointARN": None}, "observedGeneration": -1})
    serving.run_until(lambda: is_stalled(serving, "NotOwned"), within=120)
    serving.delete()
    serving.run_until(serving.is_gone, within=300)
    assert serving.leftovers() == before
    assert tags(serving) == theirs


def test_an_endpoint_of_another_tool_is_taken_over_by_its_tags(simulation: Simulation) -> None:
    """docs/migrate.md: it serves all the time, keeps its size, and the operator does not delete what existed before."""
    claim = {
        tag: value
        for tag, value in names.owner_tags(Owner(CLUSTER, "ml", "falcon-7b", "")).items()
        if tag != names.TAG_UID
    }
    foreign_endpoint(simulation, claim, "huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311", 2)
    simulation.apply(SPEC)
    simulation.run(10)
    assert simulation.condition("Available")["status"] == "True"
    assert simulation.reason("Reconciling") == "Updating"
    simulation.run_until(simulation.is_ready, within=600)
    assert simulation.status()["readyReplicas"] == 2
    assert simulation.leftovers().count("theirs") == 2


# Drift


def test_a_revision_the_status_forgot_is_collected_after_the_next_update(serving: Simulation) -> None:
    serving.edit_status(dict.fromkeys(serving.status()))
    serving.apply(NEW)
    serving.run_until(serving.is_ready, within=900)
    serving.run(60)
    assert len(serving.leftovers()) == 3


def test_an_endpoint_deleted_by_another_user_comes_back(serving: Simulation) -> None:
    before = serving.leftovers()
    serving.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    serving.run(240)
    assert not serving.is_ready()
    serving.run_until(serving.is_ready, within=600)
    assert serving.leftovers() == before


@pytest.mark.parametrize("key", [None, *names.owner_tags(Owner(CLUSTER, "ml", "falcon-7b", "u"))])
def test_owner_tags_that_are_removed_come_back_and_others_stay(serving: Simulation, key: str | None) -> None:
    wanted = names.owner_tags(serving.owner())
    arn = arn_of(serving, "endpoint")
    serving.aws("DeleteTags", ResourceArn=arn, TagKeys=[key] if key else list(wanted))
    serving.aws("AddTags", ResourceArn=arn, Tags=[{"Key": "cost-center", "Value": "7"}])
    serving.run_until(lambda: tags(serving) == {**wanted, "cost-center": "7"}, within=180)
    assert serving.is_ready()
    assert ("Normal", "TagsRestored") in serving.events()


def test_tags_of_the_spec_come_and_go_without_a_new_revision(serving: Simulation) -> None:
    serving.apply(TAGGED)
    serving.run_until(lambda: tags(serving).get("team") == "nlp", within=60)
    serving.apply(SPEC)
    serving.run_until(lambda: tags(serving) == names.owner_tags(serving.owner()), within=60)
    assert serving.amazon.attempted("UpdateEndpoint") == []


def test_a_tag_dropped_together_with_a_change_goes(serving: Simulation) -> None:
    serving.apply(TAGGED)
    serving.run(60)
    serving.apply(NEW)
    serving.run_until(serving.is_ready, within=600)
    serving.run(60)
    assert tags(serving) == names.owner_tags(serving.owner())
    assert "tagKeys" not in serving.status()["sageMaker"]


def test_an_endpoint_that_lost_a_tag_is_deleted_with_its_resource(serving: Simulation) -> None:
    serving.aws("DeleteTags", ResourceArn=arn_of(serving, "endpoint"), TagKeys=[names.TAG_NAME])
    serving.delete()
    serving.run_until(serving.is_gone, within=300)
    assert serving.leftovers() == []


def test_tags_of_a_model_come_back_so_that_it_can_be_deleted(serving: Simulation) -> None:
    serving.aws("DeleteTags", ResourceArn=arn_of(serving, "model"), TagKeys=list(names.owner_tags(serving.owner())))
    serving.run(180)
    serving.delete()
    serving.run_until(serving.is_gone, within=300)
    assert serving.leftovers() == []


def test_a_model_and_a_configuration_deleted_by_another_user_come_back(serving: Simulation) -> None:
    before, name = serving.leftovers(), serving.status()["sageMaker"]["modelName"]
    serving.aws("DeleteEndpointConfig", EndpointConfigName=name)
    serving.aws("DeleteModel", ModelName=name)
    serving.run_until(lambda: serving.leftovers() == before, within=180)
    assert serving.is_ready()


def test_a_live_configuration_that_was_deleted_does_not_stop_updates(serving: Simulation) -> None:
    serving.aws("DeleteEndpointConfig", EndpointConfigName=serving.status()["sageMaker"]["endpointConfigName"])
    serving.apply(NEW)
    serving.run_until(serving.is_ready, within=600)
    serving.run(120)
    assert len(serving.leftovers()) == 3


def test_an_update_by_another_user_is_reverted(serving: Simulation) -> None:
    ours = serving.status()["sageMaker"]["endpointConfigName"]
    variant = {
        "VariantName": names.VARIANT,
        "ModelName": ours,
        "InstanceType": "ml.g5.48xlarge",
        "InitialInstanceCount": 1,
    }
    serving.aws("CreateEndpointConfig", EndpointConfigName="by-hand", ProductionVariants=[variant])
    serving.aws("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="by-hand")
    serving.run(60)
    serving.run_until(serving.is_ready, within=900)
    endpoint = serving.endpoint()
    assert endpoint is not None
    assert endpoint["EndpointConfigName"] == ours
    assert "by-hand" in serving.leftovers(), "what is not ours is not collected"


def test_maintenance_by_aws_is_not_an_outage(serving: Simulation) -> None:
    region = serving.amazon.region(REGION)
    region.put(system_update(region.endpoint(ENDPOINT), serving.clock.now(), 300))
    serving.run_until(lambda: serving.reason() == "SystemUpdating", within=60)
    assert serving.is_ready()
    serving.run_until(lambda: serving.reason() == "InService", within=360)


def test_a_status_that_was_wiped_is_derived_again(serving: Simulation) -> None:
    before = copy.deepcopy(serving.status())
    serving.edit_status(dict.fromkeys(before))
    serving.run(120)
    # The time of the last request cannot be derived, and no longer matters.
    del before["sageMaker"]["requestTime"]
    for name in ("currentRevision", "image", "sageMaker", "observedGeneration", "readyReplicas"):
        assert serving.status()[name] == before[name]
    assert serving.amazon.attempted("UpdateEndpoint") == []


def test_a_stale_read_after_an_update_is_no_rollback(serving: Simulation) -> None:
    region = serving.amazon.region(REGION)
    before = region.endpoint(ENDPOINT)
    serving.apply(NEW)
    serving.run(10)
    after = region.endpoint(ENDPOINT)
    region.put(before)
    serving.run(45)
    assert serving.reason("Reconciling") == "Updating"
    region.put(after)
    serving.run_until(serving.is_ready, within=600)
    assert len(serving.amazon.made("UpdateEndpoint")) == 1


def test_tags_that_cannot_be_read_yet_are_waited_for(applied: Simulation) -> None:
    applied.run(5)
    region, arn = applied.amazon.region(REGION), arn_of(applied, "endpoint")
    found = region.tags.pop(arn)
    applied.restart()
    applied.run(20)
    assert not applied.condition("Stalled")
    applied.delete()
    applied.run(10)
    assert not applied.is_gone()
    region.tags[arn] = found
    applied.run_until(applied.is_gone, within=600)
    assert applied.leftovers() == []


# Input

GATED = {**SPEC, "model": {**SPEC["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}}


def test_a_missing_secret_costs_nothing_and_a_changed_one_rolls_the_endpoint(simulation: Simulation) -> None:
    simulation.apply(GATED)
    simulation.run(5)
    assert is_stalled(simulation, "SecretNotFound")
    simulation.server.put_secret("ml", "hub", other="x")
    simulation.run(5)
    assert is_stalled(simulation, "SecretKeyNotFound")
    assert set(simulation.amazon.made("ListEndpoints", *CREATES)) <= {"ListEndpoints"}
    simulation.server.put_secret("ml", "hub", token="hf_secret1\n")
    simulation.run_until(simulation.is_ready, within=400)
    first = simulation.status()["currentRevision"]
    simulation.server.put_secret("ml", "hub", token="hf_secret2")
    simulation.run(5)
    simulation.run_until(simulation.is_ready, within=400)
    assert simulation.status()["currentRevision"] != first
    assert "hf_secret" not in str(simulation.body())
    assert "hf_secret" not in str(simulation.server.objects["events"])


@contextmanager
def earlier_version() -> Iterator[None]:
    """Run the operator like earlier versions, which derived revisions and digests from the token itself."""
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setattr(HubToken, "fingerprint", property(lambda token: token.value))
        yield


def test_an_operator_that_knows_tokens_by_another_digest_rolls_nothing_out(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "hub", token="hf_secret1")
    with earlier_version():
        simulation.apply(GATED)
        simulation.run_until(simulation.is_ready, within=400)
        former = simulation.status()["sageMaker"]["renderedFrom"]
    simulation.restart()
    simulation.run(LONG)
    assert simulation.is_ready()
    assert len(simulation.amazon.attempted("UpdateEndpoint", "CreateModel")) == 1
    assert simulation.status()["sageMaker"]["renderedFrom"] != former, "the digest of the token is gone"


@pytest.mark.parametrize(
    ("spec", "reason", "text"),
    [
        (changed(version="9.9.9"), "UnknownVersion", "9.9.9 is not in the catalog"),
        (changed(numShard=8), "InvalidNumShard", "the number of GPUs is 4"),
        (changed(numShard=4), "InvalidNumShard", "attention heads"),
        (changed(env=[{"name": "HF_TOKEN", "value": "x"}]), "ConflictingOptions", "spec.model.tokenSecretRef"),
        (
            with_target(instanceType="ml.m5.large"),
            "UnsupportedInstanceType",
            "ml.m5.large is not in the GPU instance table",
        ),
        (with_target(instanceType="ml.g7e.12xlarge"), "UnsupportedInstanceType", "no kernels"),
        (with_target(region="cn-north-1"), "InvalidSpec", "aws-cn"),
        (
            with_target(region="us-weast-1"),
            "UnknownRegion",
            "us-weast-1 is not a known AWS region; did you mean us-west-1?",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_costs_nothing(simulation: Simulation, spec: Spec, reason: str, text: str) -> None:
    simulation.apply(spec)
    simulation.run(180)
    stalled = simulation.condition("Stalled")
    assert stalled["reason"] == reason
    assert text in stalled["message"]
    assert stalled["message"].startswith("spec.")
    assert set(simulation.amazon.made("ListEndpoints", "DescribeEndpoint", *CREATES)) <= {"ListEndpoints"}


def test_a_bad_change_keeps_what_serves_and_reports_it(serving: Simulation) -> None:
    serving.apply(changed(numShard=8))
    serving.run(120)
    assert is_stalled(serving, "InvalidNumShard")
    assert serving.condition("Available")["status"] == "True"
    assert serving.amazon.attempted("UpdateEndpoint") == []
    serving.apply(SPEC)
    serving.run_until(serving.is_ready, within=10)


def test_a_spec_of_another_crd_is_reported_as_plan_does(simulation: Simulation) -> None:
    target = {**SPEC["sageMaker"], "instancetype": "ml.g5.12xlarge"}
    del target["instanceType"]
    simulation.apply({**SPEC, "sageMaker": target, "replicas": -1}, unchecked=True)
    simulation.run(60)
    assert is_stalled(simulation, "InvalidSpec")
    assert simulation.condition("Stalled")["message"] == (
        'unknown field "spec.sageMaker.instancetype": did you mean instanceType?; '
        "spec.replicas: must be at least 0, not -1; change the spec, or install the CRD for this version of the "
        "operator"
    )


@pytest.mark.parametrize("restarted", [False, True])
def test_a_spec_that_is_too_large_costs_only_itself(serving: Simulation, restarted: bool) -> None:
    """An object from before the CRD had bounds: the API server keeps it, and accepts updates of its other fields."""
    large = {**SPEC, "inCluster": {"podTemplate": {"spec": {"tolerations": [{"key": "x" * 60}] * 15_000}}}}
    serving.apply(large, unchecked=True)
    if restarted:
        serving.restart()
    serving.run(120)
    assert is_stalled(serving, "InvalidSpec")
    assert "but the limit is 262144 bytes; make the spec smaller" in serving.condition("Stalled")["message"]
    assert serving.condition("Available")["status"] == "True"
    serving.delete()
    serving.run_until(serving.is_gone, within=600)
    assert serving.leftovers() == []
