"""What becomes of one resource: each test is a story of its life, told by the real operator on virtual time."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from simulation.harness import CLUSTER, ENDPOINT, OWNER, REGION, SPEC, Simulation
from tgi_operator.api.names import FINALIZER
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT
from tgi_sandbox.aws.lifecycle import Outcome, Status, system_update

Spec = dict[str, Any]


def changed(spec: Mapping[str, Any] = SPEC, **runtime: Any) -> Spec:
    """Return the spec with other launcher options: another revision."""
    return {**copy.deepcopy(dict(spec)), "runtime": runtime}


NEW = changed(maxTotalTokens=2048)
NEWER = changed(maxTotalTokens=4096)


@pytest.fixture
def simulation() -> Simulation:
    """A simulation in which the resource was just applied."""
    created = Simulation()
    created.cluster.apply(SPEC)
    return created


@pytest.fixture
def serving(simulation: Simulation) -> Simulation:
    """A simulation in which the resource serves."""
    simulation.settle(6)
    assert simulation.is_ready()
    return simulation


def test_a_new_resource_serves_after_three_creates_and_three_writes(simulation: Simulation) -> None:
    simulation.reconcile()
    creates = [operation for operation, _ in simulation.amazon.calls if operation.startswith("Create")]
    assert creates == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    assert simulation.condition("Reconciling")["reason"] == "Creating"
    simulation.world.clock.advance(300)
    simulation.reconcile()
    assert simulation.is_ready()
    assert simulation.cluster.writes == 3
    assert simulation.cluster.events == [("Normal", "Creating"), ("Normal", "InService")]
    reads = [operation for operation, _ in simulation.amazon.calls if operation == "DescribeEndpoint"]
    assert len(reads) == 1, "the look before creating finds nothing, the look after it everything"


def test_a_steady_resource_costs_nothing_but_the_list(serving: Simulation) -> None:
    serving.amazon.calls.clear()
    writes = serving.cluster.writes
    for _ in range(5):
        serving.reconcile()
    assert {operation for operation, _ in serving.amazon.calls} == {"ListEndpoints"}
    assert serving.cluster.writes == writes


def test_the_same_holds_after_a_restart(serving: Simulation) -> None:
    serving._start()
    test_a_steady_resource_costs_nothing_but_the_list(serving)


def test_an_update_serves_all_the_time_and_leaves_one_set(serving: Simulation) -> None:
    before = serving.leftovers()
    serving.cluster.apply(NEW)
    serving.reconcile()
    assert not serving.is_ready()
    assert serving.condition("Available")["status"] == "True"
    assert serving.condition("Reconciling")["reason"] == "Updating"
    assert set(before) < set(serving.leftovers()), "what serves is kept until the update is done"
    serving.settle(6)
    assert serving.is_ready()
    assert len(serving.leftovers()) == 3
    assert serving.leftovers() != before
    assert serving.world.violations == []


def test_an_update_rolled_back_keeps_serving_and_is_not_tried_again(serving: Simulation) -> None:
    old = serving.status["currentRevision"]
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(NEW)
    serving.settle(60)
    assert serving.condition("Stalled")["reason"] == "UpdateRolledBack"
    assert serving.condition("Available")["status"] == "True"
    assert serving.condition("Ready")["status"] == "False"
    assert serving.status["currentRevision"] == old
    assert serving.status["lastFailure"]["revision"] == serving.status["updateRevision"] != old
    assert len(serving.asked("UpdateEndpoint")) == 1


@pytest.mark.parametrize("after", [NEWER, SPEC], ids=["another revision", "back to what serves"])
def test_after_a_rollback_another_spec_is_rolled_out(serving: Simulation, after: Spec) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(NEW)
    serving.settle(10)
    serving.cluster.apply(after)
    serving.settle(10)
    assert serving.is_ready()
    assert not serving.condition("Stalled")
    assert len(serving.leftovers()) == 3


def test_what_serves_is_scaled_though_its_successor_failed(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(NEW)
    serving.settle(10)
    serving.cluster.apply({**NEW, "replicas": 3})
    serving.settle(20)
    assert len(serving.asked("UpdateEndpointWeightsAndCapacities")) == 1
    assert serving.status["replicas"] == 3
    assert serving.condition("Stalled")["reason"] == "UpdateRolledBack"
    assert len(serving.asked("UpdateEndpoint")) == 1
    serving.cluster.apply({**NEWER, "replicas": 3})
    serving.settle(20)
    assert serving.is_ready()
    assert serving.status["replicas"] == 3
    assert serving.world.violations == []


def test_a_scaling_that_fails_is_not_taken_for_another_failure_of_the_successor(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(NEW)
    serving.settle(10)
    failure = serving.status["lastFailure"]
    serving.script(Outcome.NO_CAPACITY)
    serving.cluster.apply({**NEW, "replicas": 3})
    serving.settle(60)
    assert serving.status["replicas"] == 1
    assert serving.status["lastFailure"] == failure
    assert serving.condition("Stalled")["reason"] == "UpdateRolledBack"
    assert len(serving.asked("UpdateEndpointWeightsAndCapacities")) == 1
    assert len(serving.asked("UpdateEndpoint")) == 1


def test_a_forgotten_failure_is_tried_again(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(NEW)
    serving.settle(10)
    serving.edit_status(lastFailure=None)
    serving.settle(10)
    assert serving.is_ready()


def test_a_rollback_that_fails_is_left_to_a_person_and_a_new_spec_ends_it(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK_FAILED)
    serving.cluster.apply(NEW)
    serving.settle(20)
    assert serving.condition("Stalled")["reason"] == "UpdateRollbackFailed"
    assert serving.condition("Available")["status"] == "True"
    assert len(serving.asked("UpdateEndpoint")) == 1
    serving.cluster.apply(NEWER)
    serving.settle(20)
    assert serving.is_ready()
    assert len(serving.leftovers()) == 3


def test_a_container_that_never_answers_is_not_started_twice(simulation: Simulation) -> None:
    simulation.script(Outcome.PING_FAILURE, times=None)
    simulation.settle(120)
    assert simulation.condition("Stalled")["reason"] == "ContainerNotHealthy"
    assert "did not pass the ping health check" in simulation.condition("Ready")["message"]
    assert len(simulation.asked("CreateEndpoint")) == 1


def test_after_a_failed_creation_another_spec_replaces_the_endpoint(simulation: Simulation) -> None:
    simulation.script(Outcome.PING_FAILURE)
    simulation.settle(60)
    simulation.cluster.apply(NEW)
    simulation.settle(20)
    assert simulation.is_ready()
    assert len(simulation.leftovers()) == 3


@pytest.mark.parametrize("outcome", [Outcome.NO_CAPACITY, Outcome.INTERNAL_ERROR])
def test_what_may_pass_by_itself_is_tried_again_with_growing_pauses(simulation: Simulation, outcome: Outcome) -> None:
    simulation.script(outcome, times=3)
    simulation.settle(240)
    assert simulation.is_ready()
    assert len(simulation.asked("CreateEndpoint")) == 4
    assert "lastFailure" not in simulation.status
    assert ("Warning", "InsufficientCapacity") in simulation.cluster.events or outcome is not Outcome.NO_CAPACITY


def test_retries_end(simulation: Simulation) -> None:
    simulation.world.durations = replace(simulation.world.durations, no_capacity=60)
    simulation.script(Outcome.NO_CAPACITY, times=None)
    for _ in range(3000):
        simulation.reconcile()
        simulation.world.clock.advance(120)
    assert simulation.condition("Stalled")["reason"] == "InsufficientCapacity"
    assert len(simulation.asked("CreateEndpoint")) == 50


def test_a_lack_of_capacity_in_an_update_is_tried_again(serving: Simulation) -> None:
    serving.script(Outcome.NO_CAPACITY, times=2)
    serving.cluster.apply(NEW)
    serving.settle(150)
    assert serving.is_ready()
    assert len(serving.asked("UpdateEndpoint")) == 3


def test_a_quota_stalls_and_is_asked_for_again(simulation: Simulation) -> None:
    simulation.world.quotas["ml.g5.12xlarge"] = 0
    simulation.reconcile()
    assert simulation.condition("Stalled")["reason"] == "QuotaExceeded"
    assert "service limit 'ml.g5.12xlarge for endpoint usage' is 0" in simulation.condition("Ready")["message"]
    simulation.world.quotas["ml.g5.12xlarge"] = 1
    simulation.settle(10)
    assert simulation.is_ready()


def test_replicas_alone_change_the_fleet_and_no_revision(serving: Simulation) -> None:
    serving.cluster.apply({**SPEC, "replicas": 3})
    serving.reconcile()
    assert serving.is_ready(), "what serves is what the spec says but for its number"
    assert serving.status["desiredReplicas"] == 3
    serving.settle(6)
    assert serving.status["readyReplicas"] == 3
    assert serving.asked("UpdateEndpoint") == []
    assert serving.asked("UpdateEndpointWeightsAndCapacities") == [ENDPOINT]


def test_absent_replicas_keep_what_runs_through_an_update(serving: Simulation) -> None:
    serving.cluster.apply({**SPEC, "replicas": 3})
    serving.settle(6)
    serving.cluster.apply(NEW)
    serving.settle(6)
    assert serving.is_ready()
    assert serving.status["readyReplicas"] == 3


def test_replicas_and_a_revision_change_together_in_one_update(serving: Simulation) -> None:
    serving.cluster.apply({**NEW, "replicas": 2})
    serving.settle(6)
    assert serving.is_ready()
    assert serving.status["readyReplicas"] == 2
    assert len(serving.asked("UpdateEndpoint")) == 1
    assert serving.asked("UpdateEndpointWeightsAndCapacities") == []


def test_a_change_during_an_update_waits_for_it(serving: Simulation) -> None:
    serving.cluster.apply(NEW)
    serving.reconcile()
    serving.cluster.apply(NEWER)
    serving.reconcile()
    assert len(serving.asked("UpdateEndpoint")) == 1
    serving.settle(12)
    assert serving.is_ready()
    assert len(serving.asked("UpdateEndpoint")) == 2
    assert len(serving.leftovers()) == 3


def test_deletion_takes_the_endpoint_first_and_everything_in_the_end(serving: Simulation) -> None:
    serving.cluster.delete()
    serving.reconcile()
    assert serving.condition("Reconciling")["reason"] == "Deleting"
    assert len(serving.leftovers()) == 3, "configuration and model stay while the endpoint is there"
    serving.settle(3)
    assert serving.is_gone()
    assert serving.leftovers() == []
    assert serving.world.violations == []


def test_deletion_waits_out_a_creation(simulation: Simulation) -> None:
    simulation.reconcile()
    simulation.cluster.delete()
    simulation.reconcile()
    assert simulation.asked("DeleteEndpoint") == []
    assert not simulation.is_gone()
    simulation.settle(8)
    assert simulation.is_gone()
    assert simulation.leftovers() == []


def test_deletion_of_a_resource_that_never_had_anything(simulation: Simulation) -> None:
    simulation.cluster.apply({**SPEC, "runtime": {"version": "9.9.9"}})
    simulation.reconcile()
    simulation.cluster.delete()
    simulation.settle(2)
    assert simulation.is_gone()


def test_what_was_never_asked_for_can_be_deleted_without_rights(simulation: Simulation) -> None:
    simulation.amazon.denied = {"DescribeEndpoint", "ListEndpoints"}
    simulation.settle(2)
    assert simulation.condition("Stalled")["reason"] == "AccessDenied"
    simulation.cluster.delete()
    simulation.settle(2)
    assert simulation.is_gone()


def test_what_may_be_there_is_not_let_go_without_rights(simulation: Simulation) -> None:
    simulation.amazon.denied = {"CreateModel", "CreateEndpointConfig", "CreateEndpoint"}
    simulation.settle(2)
    simulation.amazon.denied = {"DescribeEndpoint", "ListEndpoints"}
    simulation.cluster.delete()
    simulation.settle(3)
    assert simulation.condition("Stalled")["reason"] == "AccessDenied"
    assert not simulation.is_gone()
    simulation.amazon.denied = set()
    simulation.settle(3)
    assert simulation.is_gone()


def test_retain_leaves_aws_alone_and_the_same_resource_takes_it_back(serving: Simulation) -> None:
    serving.cluster.apply({**SPEC, "deletionPolicy": "Retain"})
    serving.reconcile()
    before = serving.leftovers()
    serving.cluster.delete()
    serving.reconcile()
    assert serving.is_gone()
    assert serving.leftovers() == before
    serving.cluster.apply(SPEC, uid="uid-2")
    serving.settle(3)
    assert serving.is_ready()
    assert serving.leftovers() == before
    tags = serving.aws("ListTags", ResourceArn=serving.status["sageMaker"]["endpointARN"])["Tags"]
    assert names.from_list(tags)[names.TAG_UID] == "uid-2"


def foreign_endpoint(simulation: Simulation, **tags: str) -> list[str]:
    """Make an endpoint of the resource's name that is somebody else's."""
    role = SPEC["sageMaker"]["executionRoleARN"]
    image = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/other:1"
    simulation.aws("CreateModel", ModelName="theirs", PrimaryContainer={"Image": image}, ExecutionRoleArn=role)
    variant = {"VariantName": "v", "ModelName": "theirs", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    simulation.aws("CreateEndpointConfig", EndpointConfigName="theirs", ProductionVariants=[variant])
    tag_list = [{"Key": key, "Value": value} for key, value in tags.items()]
    simulation.aws("CreateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="theirs", Tags=tag_list)
    simulation.world.clock.advance(300)
    return simulation.leftovers()


@pytest.mark.parametrize("cluster", ["", "cluster-2"], ids=["nobody's", "another cluster's"])
def test_a_foreign_endpoint_is_never_touched(simulation: Simulation, cluster: str) -> None:
    claim = {names.TAG_CLUSTER: cluster, names.TAG_NAMESPACE: "ml", names.TAG_NAME: "falcon-7b"} if cluster else {}
    theirs = foreign_endpoint(simulation, **claim)
    simulation.settle(30)
    assert simulation.condition("Stalled")["reason"] == "NotOwned"
    assert simulation.condition("Available")["status"] == "False"
    simulation.cluster.apply(NEW)
    simulation.settle(5)
    simulation.cluster.delete()
    simulation.settle(5)
    assert simulation.is_gone()
    assert simulation.leftovers() == theirs


def test_a_foreign_model_of_our_name_is_not_used(simulation: Simulation) -> None:
    simulation.reconcile(kill_at=5)
    revision = simulation.status["updateRevision"]
    theirs = names.set_name(ENDPOINT, revision)
    role = SPEC["sageMaker"]["executionRoleARN"]
    image = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/other:1"
    simulation.aws("CreateModel", ModelName=theirs, PrimaryContainer={"Image": image}, ExecutionRoleArn=role)
    simulation.settle(5)
    assert simulation.condition("Stalled")["reason"] == "NotOwned"
    simulation.cluster.delete()
    simulation.settle(5)
    assert simulation.is_gone()
    assert simulation.leftovers() == [theirs]


def test_an_endpoint_handed_over_to_another_cluster_keeps_what_it_runs(serving: Simulation) -> None:
    arn = serving.status["sageMaker"]["endpointARN"]
    before = serving.leftovers()
    serving.aws("AddTags", ResourceArn=arn, Tags=[{"Key": names.TAG_CLUSTER, "Value": "cluster-2"}])
    serving.settle(2)
    assert serving.condition("Stalled")["reason"] == "NotOwned"
    serving.cluster.delete()
    serving.settle(5)
    assert serving.is_gone()
    assert serving.leftovers() == before
    assert serving.world.violations == []


def test_a_revision_the_status_forgot_is_collected_after_the_next_update(serving: Simulation) -> None:
    serving.edit_status(**dict.fromkeys(serving.status))
    serving.cluster.apply(NEW)
    serving.settle(10)
    assert serving.is_ready()
    assert len(serving.leftovers()) == 3


def test_an_endpoint_deleted_behind_our_back_comes_back(serving: Simulation) -> None:
    before = serving.leftovers()
    serving.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    serving.settle(12)
    assert serving.is_ready()
    assert serving.leftovers() == before


def test_tags_taken_away_come_back_and_others_stay(serving: Simulation) -> None:
    arn = serving.status["sageMaker"]["endpointARN"]
    serving.aws("DeleteTags", ResourceArn=arn, TagKeys=list(names.owner_tags(OWNER)))
    serving.aws("AddTags", ResourceArn=arn, Tags=[{"Key": "cost-center", "Value": "7"}])
    serving.settle(2)
    tags = names.from_list(serving.aws("ListTags", ResourceArn=arn)["Tags"])
    assert tags == {**names.owner_tags(OWNER), "cost-center": "7"}
    assert tags[names.TAG_CLUSTER] == CLUSTER
    assert ("Normal", "TagsRestored") in serving.cluster.events


def test_tags_of_the_spec_come_and_go_without_a_new_revision(serving: Simulation) -> None:
    arn = serving.status["sageMaker"]["endpointARN"]
    tagged = copy.deepcopy(dict(SPEC))
    tagged["sageMaker"]["tags"] = [{"key": "team", "value": "nlp"}]
    serving.cluster.apply(tagged)
    serving.settle(2)
    assert names.from_list(serving.aws("ListTags", ResourceArn=arn)["Tags"])["team"] == "nlp"
    serving.cluster.apply(SPEC)
    serving.settle(2)
    assert names.from_list(serving.aws("ListTags", ResourceArn=arn)["Tags"]) == names.owner_tags(OWNER)
    assert serving.asked("UpdateEndpoint") == []


def test_a_model_and_a_configuration_deleted_behind_our_back_come_back(serving: Simulation) -> None:
    before = serving.leftovers()
    name = serving.status["sageMaker"]["modelName"]
    serving.aws("DeleteEndpointConfig", EndpointConfigName=name)
    serving.aws("DeleteModel", ModelName=name)
    serving.settle(2)
    assert serving.leftovers() == before
    assert serving.is_ready()


def test_an_update_by_hand_is_put_right(serving: Simulation) -> None:
    ours = serving.status["sageMaker"]["endpointConfigName"]
    variant = {
        "VariantName": names.VARIANT,
        "ModelName": ours,
        "InstanceType": "ml.g5.48xlarge",
        "InitialInstanceCount": 1,
    }
    serving.aws("CreateEndpointConfig", EndpointConfigName="by-hand", ProductionVariants=[variant])
    serving.aws("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="by-hand")
    serving.settle(15)
    assert serving.is_ready()
    endpoint = serving.endpoint()
    assert endpoint is not None
    assert endpoint["EndpointConfigName"] == ours
    assert "by-hand" in serving.leftovers(), "what is not ours is not collected"


def test_maintenance_by_aws_is_not_an_outage(serving: Simulation) -> None:
    region = serving.world.region(DEFAULT_ACCOUNT, REGION)
    region.put(system_update(region.endpoint(ENDPOINT), serving.world.clock.now(), 300))
    serving.reconcile()
    assert serving.is_ready()
    assert serving.condition("Ready")["reason"] == "SystemUpdating"
    serving.settle(10)
    assert serving.condition("Ready")["reason"] == "InService"


def test_a_status_that_was_wiped_is_derived_again(serving: Simulation) -> None:
    before = copy.deepcopy(serving.status)
    serving.edit_status(**dict.fromkeys(before))
    serving.settle(2)
    # When a change was last asked for is not to be derived, and of no interest any more.
    del before["sageMaker"]["requestTime"]
    for field in ("currentRevision", "image", "sageMaker", "observedGeneration", "readyReplicas"):
        assert serving.status[field] == before[field]
    assert serving.asked("UpdateEndpoint") == []


def test_a_missing_secret_costs_nothing_and_a_changed_one_rolls_the_endpoint(simulation: Simulation) -> None:
    gated = copy.deepcopy(dict(SPEC))
    gated["model"]["tokenSecretRef"] = {"name": "hub", "key": "token"}
    simulation.cluster.apply(gated)
    simulation.reconcile()
    assert simulation.condition("Stalled")["reason"] == "SecretNotFound"
    simulation.cluster.secrets["hub"] = {"other": b"x"}
    simulation.reconcile()
    assert simulation.condition("Stalled")["reason"] == "SecretKeyNotFound"
    assert simulation.amazon.calls == []
    simulation.cluster.secrets["hub"] = {"token": b"hf_secret1\n"}
    simulation.settle(6)
    assert simulation.is_ready()
    first = simulation.status["currentRevision"]
    simulation.cluster.secrets["hub"] = {"token": b"hf_secret2"}
    simulation.settle(6)
    assert simulation.is_ready()
    assert simulation.status["currentRevision"] != first
    assert "hf_secret" not in str(simulation.cluster.object)
    assert "hf_secret" not in str(simulation.cluster.events)


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"runtime": {"version": "9.9.9"}}, "UnknownVersion", "9.9.9 is not in the catalogue"),
        ({"runtime": {"numShard": 8}}, "InvalidNumShard", "there are 4 GPU(s) for it"),
        ({"runtime": {"numShard": 4}}, "InvalidNumShard", "attention heads"),
        ({"runtime": {"env": [{"name": "HF_TOKEN", "value": "x"}]}}, "ConflictingOptions", "spec.model.tokenSecretRef"),
        ({"instanceType": "ml.m5.large"}, "UnsupportedInstanceType", "ml.m5.large has no GPU"),
        ({"instanceType": "ml.g7e.12xlarge"}, "UnsupportedInstanceType", "no kernels"),
        ({"region": "cn-north-1"}, "InvalidSpec", "aws-cn"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_costs_nothing(simulation: Simulation, change: Spec, reason: str, says: str) -> None:
    spec = copy.deepcopy(dict(SPEC))
    runtime = change.pop("runtime", None)
    if runtime:
        spec["runtime"] = runtime
    spec["sageMaker"] |= change
    simulation.cluster.apply(spec)
    simulation.settle(3)
    stalled = simulation.condition("Stalled")
    assert stalled["reason"] == reason
    assert says in stalled["message"]
    assert stalled["message"].startswith("spec.")
    assert simulation.amazon.calls == []


def test_a_spec_of_another_crd_is_told_in_the_words_of_plan(simulation: Simulation) -> None:
    spec = copy.deepcopy(dict(SPEC))
    spec["sageMaker"]["instancetype"] = spec["sageMaker"].pop("instanceType")
    spec["replicas"] = 0
    simulation.cluster.apply(spec)
    simulation.settle(3)
    stalled = simulation.condition("Stalled")
    assert stalled["reason"] == "InvalidSpec"
    assert stalled["message"] == (
        'unknown field "spec.sageMaker.instancetype": did you mean instanceType?; '
        "spec.replicas: must be at least 1, not 0: change it, or install the CRD that belongs to this operator"
    )


def test_a_bad_change_keeps_what_serves_and_says_so(serving: Simulation) -> None:
    serving.cluster.apply(changed(numShard=8))
    serving.settle(3)
    assert serving.condition("Stalled")["reason"] == "InvalidNumShard"
    assert serving.condition("Available")["status"] == "True"
    assert serving.asked("UpdateEndpoint") == []
    serving.cluster.apply(SPEC)
    serving.settle(3)
    assert serving.is_ready()


def test_an_unpinned_version_survives_a_newer_catalogue(serving: Simulation) -> None:
    """The status remembers the image, so that an upgrade of the operator rolls nothing."""
    older = serving.status["image"].replace("tgi3.3.6", "tgi3.3.5")
    serving.edit_status(image=older)
    serving.settle(6)
    assert serving.status["image"] == older


def test_a_cut_connection_makes_nothing_twice(simulation: Simulation) -> None:
    for cuts in (1, 2, 3, 1):
        simulation.amazon.cut = cuts
        simulation.settle(3)
    simulation.settle(10)
    assert simulation.is_ready()
    assert len(simulation.leftovers()) == 3


def test_the_finalizer_is_there_before_anything_of_aws(simulation: Simulation) -> None:
    simulation.reconcile(kill_at=2)
    assert simulation.cluster.object is not None
    assert simulation.cluster.object["metadata"]["finalizers"] == [FINALIZER]
    assert simulation.leftovers() == []


def test_two_resources_of_one_endpoint_name_do_not_rob_each_other(serving: Simulation) -> None:
    """The loser of a race wrote down the very revision that the winner runs."""
    before = serving.leftovers()
    arn = serving.status["sageMaker"]["endpointARN"]
    theirs = {names.TAG_CLUSTER: CLUSTER, names.TAG_NAMESPACE: "other", names.TAG_NAME: "falcon-7b", names.TAG_UID: "u"}
    for part in ("model", "endpoint-config", "endpoint"):
        name = ENDPOINT if part == "endpoint" else serving.status["sageMaker"]["modelName"]
        serving.aws("AddTags", ResourceArn=f"{arn.rpartition(':')[0]}:{part}/{name}", Tags=names.to_list(theirs))
    serving.edit_status(sageMaker={"endpointARN": None}, observedGeneration=-1)
    serving.settle(3)
    assert serving.condition("Stalled")["reason"] == "NotOwned"
    serving.cluster.delete()
    serving.settle(5)
    assert serving.is_gone()
    assert serving.leftovers() == before
    assert names.from_list(serving.aws("ListTags", ResourceArn=arn)["Tags"]) == theirs


def test_a_version_that_failed_is_not_what_an_absent_version_keeps(serving: Simulation) -> None:
    image = serving.status["image"]
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(changed(version="3.0.1"))
    serving.settle(10)
    assert serving.condition("Stalled")
    serving.cluster.apply(SPEC)
    serving.settle(10)
    assert serving.is_ready()
    assert serving.status["image"] == image


def test_an_endpoint_lost_in_an_update_is_created_again_from_the_old_spec(serving: Simulation) -> None:
    serving.cluster.apply(NEW)
    serving.reconcile()
    region = serving.world.region(DEFAULT_ACCOUNT, REGION)
    lost = replace(region.endpoint(ENDPOINT), status=Status.FAILED, steps=(), failure_reason="Nobody knows.")
    region.put(replace(lost, modified=serving.world.clock.now() + 1))
    serving.settle(3)
    assert serving.condition("Stalled")["reason"] == "EndpointFailed"
    serving.cluster.apply(SPEC)
    serving.settle(15)
    assert serving.is_ready()
    assert len(serving.leftovers()) == 3


def test_a_live_configuration_that_was_deleted_does_not_stop_updates(serving: Simulation) -> None:
    serving.aws("DeleteEndpointConfig", EndpointConfigName=serving.status["sageMaker"]["endpointConfigName"])
    serving.cluster.apply(NEW)
    for _ in range(8):
        serving.reconcile()
        serving.world.clock.advance(60)
    assert serving.is_ready()
    serving.settle(2)
    assert len(serving.leftovers()) == 3


def test_going_back_during_an_update_is_not_ready_until_it_is(serving: Simulation) -> None:
    serving.cluster.apply(NEW)
    serving.reconcile()
    serving.cluster.apply(SPEC)
    serving.reconcile()
    assert not serving.is_ready()
    serving.settle(12)
    assert serving.is_ready()
    assert len(serving.asked("UpdateEndpoint")) == 2


def test_many_failed_revisions_do_not_pile_up(serving: Simulation) -> None:
    for tokens in range(2000, 2040):
        serving.script(Outcome.ROLLBACK)
        serving.cluster.apply(changed(maxTotalTokens=tokens))
        serving.settle(9)
        assert serving.condition("Stalled")["reason"] == "UpdateRolledBack"
        assert len(serving.status["sageMaker"]["revisions"]) <= 3
    serving.cluster.apply(NEW)
    serving.settle(9)
    assert serving.is_ready()
    assert len(serving.leftovers()) == 3


def test_what_was_read_too_early_is_no_rollback(serving: Simulation) -> None:
    serving.cluster.apply(NEW)
    region = serving.world.region(DEFAULT_ACCOUNT, REGION)
    before = region.endpoint(ENDPOINT)
    serving.reconcile()
    after = region.endpoint(ENDPOINT)
    region.put(before)
    serving.reconcile(check=True)
    assert serving.condition("Reconciling")["reason"] == "Updating"
    region.put(after)
    serving.settle(8)
    assert serving.is_ready()
    assert len(serving.asked("UpdateEndpoint")) == 1


def test_an_old_failure_reason_is_not_blamed_on_the_next_revision(serving: Simulation) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.cluster.apply(NEW)
    serving.settle(9)
    serving.cluster.apply(NEWER)
    serving.reconcile(kill_at=9)
    assert len(serving.asked("UpdateEndpoint")) == 1
    region = serving.world.region(DEFAULT_ACCOUNT, REGION)
    region.put(system_update(region.endpoint(ENDPOINT), serving.world.clock.now(), 300))
    serving.settle(20)
    assert serving.is_ready()


def test_upkeep_that_is_denied_takes_nothing_from_what_serves(serving: Simulation) -> None:
    serving.amazon.denied = {"DeleteModel"}
    serving.cluster.apply(NEW)
    serving.settle(8)
    assert serving.is_ready()
    assert not serving.condition("Stalled")
    serving.amazon.denied = set()
    serving.settle(30)
    assert len(serving.leftovers()) == 3


def test_deletion_goes_on_after_a_refusal(serving: Simulation) -> None:
    serving.amazon.denied = {"DeleteModel"}
    serving.cluster.delete()
    serving.settle(5)
    assert serving.condition("Stalled")["reason"] == "AccessDenied"
    assert not serving.is_gone()
    serving.amazon.denied = set()
    serving.settle(3)
    assert serving.is_gone()
    assert serving.leftovers() == []


def test_tags_of_a_model_come_back_so_that_it_can_be_deleted(serving: Simulation) -> None:
    arn = serving.status["sageMaker"]["endpointARN"]
    model = f"{arn.rpartition(':')[0]}:model/{serving.status['sageMaker']['modelName']}"
    serving.aws("DeleteTags", ResourceArn=model, TagKeys=list(names.owner_tags(OWNER)))
    serving.settle(2)
    serving.cluster.delete()
    serving.settle(5)
    assert serving.leftovers() == []


@pytest.mark.parametrize("key", sorted(names.owner_tags(OWNER)))
def test_one_tag_that_is_gone_comes_back(serving: Simulation, key: str) -> None:
    arn = serving.status["sageMaker"]["endpointARN"]
    serving.aws("DeleteTags", ResourceArn=arn, TagKeys=[key])
    serving.settle(3)
    assert serving.is_ready()
    assert names.from_list(serving.aws("ListTags", ResourceArn=arn)["Tags"]) == names.owner_tags(OWNER)


def test_an_endpoint_that_lost_a_tag_is_deleted_with_its_resource(serving: Simulation) -> None:
    arn = serving.status["sageMaker"]["endpointARN"]
    serving.aws("DeleteTags", ResourceArn=arn, TagKeys=[names.TAG_NAME])
    serving.cluster.delete()
    serving.settle(5)
    assert serving.is_gone()
    assert serving.leftovers() == []


def test_a_tag_dropped_together_with_a_change_goes(serving: Simulation) -> None:
    tagged = copy.deepcopy(dict(SPEC))
    tagged["sageMaker"]["tags"] = [{"key": "team", "value": "nlp"}]
    serving.cluster.apply(tagged)
    serving.settle(2)
    serving.cluster.apply(NEW)
    serving.settle(10)
    arn = serving.status["sageMaker"]["endpointARN"]
    assert names.from_list(serving.aws("ListTags", ResourceArn=arn)["Tags"]) == names.owner_tags(OWNER)
    assert "tagKeys" not in serving.status["sageMaker"]


def test_tags_that_cannot_be_read_yet_are_waited_for(simulation: Simulation) -> None:
    simulation.reconcile()
    region = simulation.world.region(DEFAULT_ACCOUNT, REGION)
    arn = region.arn("endpoint", ENDPOINT)
    tags = dict(region.tags.pop(arn))
    simulation.world.clock.advance(2)
    simulation.reconcile()
    assert not simulation.condition("Stalled")
    simulation.cluster.delete()
    simulation.reconcile()
    assert not simulation.is_gone()
    region.tags[arn] = tags
    simulation.settle(10)
    assert simulation.is_gone()
    assert simulation.leftovers() == []


def test_an_endpoint_of_another_tool_is_taken_over_by_its_tags(simulation: Simulation) -> None:
    """docs/migrate.md: it serves all the time, keeps its size, and what was there before is not ours to delete."""
    role = SPEC["sageMaker"]["executionRoleARN"]
    image = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311"
    container = {"Image": image, "Environment": {"HF_MODEL_ID": "tiiuae/falcon-7b", "SM_NUM_GPUS": "1"}}
    simulation.aws("CreateModel", ModelName="theirs", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "theirs",
        "InstanceType": "ml.g5.2xlarge",
        "InitialInstanceCount": 2,
    }
    simulation.aws("CreateEndpointConfig", EndpointConfigName="theirs", ProductionVariants=[variant])
    tags = [tag for tag in names.to_list(names.owner_tags(OWNER)) if tag["Key"] != names.TAG_UID]
    simulation.aws("CreateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="theirs", Tags=tags)
    simulation.world.clock.advance(600)
    simulation.reconcile()
    assert simulation.condition("Available")["status"] == "True"
    assert simulation.condition("Reconciling")["reason"] == "Updating"
    simulation.settle(8)
    assert simulation.is_ready()
    assert simulation.status["readyReplicas"] == 2
    assert simulation.leftovers().count("theirs") == 2
