"""Defects that a review found once, as stories: each is named after the behavior that it checks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from simulation.amazon import DENIED, EXPIRED, HANGS, THROTTLED, UNREACHABLE, Fault
from simulation.simulation import ENDPOINT, PODS, REGION, SPEC, Object, Simulation, condition
from simulation.test_over import MINUTE, reports
from simulation.test_scaling import bounds, follows, retyped, spec, target
from simulation.test_stories import LONG, NEW, TAGGED, changed, is_stalled, tags, with_target
from tgi_operator.api.identifiers import FINALIZER, PLURAL
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import pod_template
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names, render
from tgi_operator.backends.sagemaker.desired.scaling_policies import addressed
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT
from tgi_sandbox.aws.lifecycle import Outcome, Status

OTHER = Key("ml", "other")
NOT_YET_FOUND = Fault(
    "ValidationException", f'Could not find model "arn:aws:sagemaker:{REGION}:{DEFAULT_ACCOUNT}:model/{ENDPOINT}".'
)
ONLY_TGIENDPOINTS = {
    ("*", resource) for resource in ("secrets", "tgiendpoints/status", "events", "deployments", "pods", "jobs")
}
"""The permissions that the operator lacks in a namespace whose RoleBinding is already deleted."""


# Statuses that stay wrong


@pytest.mark.parametrize(
    "edit",
    [
        {"conditions": None},
        {"conditions": [{"type": "Ready", "status": "False", "reason": "X", "message": "", "lastTransitionTime": ""}]},
    ],
    ids=["removed", "edited"],
)
def test_conditions_that_a_user_edits_are_right_within_a_minute(serving: Simulation, edit: Object) -> None:
    serving.edit_status(edit)
    serving.run_until(serving.is_ready, within=MINUTE)


@pytest.mark.parametrize("spec", [SPEC, PODS], ids=["SageMaker", "pods"])
def test_a_spec_that_an_older_operator_refused_is_fine_after_the_upgrade_and_can_be_deleted_meanwhile(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, spec: Object
) -> None:
    """Available stays True: the serving endpoint does not depend on the operator's version."""
    for key in (Key("ml", "falcon-7b"), OTHER):
        simulation.apply(spec, key)
        simulation.run_until(lambda key=key: simulation.is_ready(key), within=600)  # type: ignore[misc]
    with monkeypatch.context() as older:
        older.setattr(Spec, "model_validate", classmethod(_refuse))
        simulation.restart()
        simulation.run_until(lambda: is_stalled(simulation, "InvalidSpec"), within=MINUTE)
        simulation.run(120)
        assert simulation.condition("Available")["status"] == "True"
        simulation.delete(OTHER)
        simulation.run_until(lambda: simulation.is_gone(OTHER), within=300)
    simulation.restart()
    simulation.run_until(simulation.is_ready, within=MINUTE)


def _refuse(_model: type[Spec], _value: Any) -> Spec:
    raise ValidationError.from_exception_data(
        "Spec", [{"type": "extra_forbidden", "loc": ("fromTomorrow",), "input": 1}]
    )


def statuses(simulation: Simulation, kind: str) -> list[str]:
    """Return a list that collects every status of a condition written from now on."""
    found: list[str] = []

    def note(_before: Object, after: Object) -> Iterator[str]:
        found.append(str(condition(after, kind).get("status")))
        yield from ()

    simulation.server.status_checks.append(note)
    return found


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("fault", [UNREACHABLE, HANGS, EXPIRED], ids=["unreachable", "hangs", "expired"])
def test_an_outage_makes_conditions_unknown_and_never_false(serving: Simulation, fault: Fault, restarted: bool) -> None:
    ready, available = statuses(serving, "Ready"), statuses(serving, "Available")
    with serving.amazon.failing(fault):
        if restarted:
            serving.restart()
        serving.run(1800)
        assert (serving.reason("Ready"), serving.reason("Available")) == ("AWSUnavailable", "AWSUnavailable")
        assert len(ready) <= 3, "a status is not written again and again"
    # A call that hangs ends first.
    serving.run_until(serving.is_ready, within=MINUTE + fault.seconds)
    assert set(ready) | set(available) == {"True", "Unknown"}


def test_an_outage_keeps_stalled_as_it_was(applied: Simulation) -> None:
    applied.script(Outcome.PING_FAILURE)
    applied.run_until(lambda: is_stalled(applied, "ContainerNotHealthy"), within=3600)
    with applied.amazon.failing(UNREACHABLE):
        applied.run_until(lambda: applied.condition("Ready")["status"] == "Unknown", within=180)
        assert is_stalled(applied, "ContainerNotHealthy")
    applied.run_until(lambda: applied.condition("Ready")["status"] == "False", within=MINUTE)


@pytest.mark.parametrize("outage", [0, 401, 500])
def test_when_the_api_server_is_back_statuses_are_right_within_a_minute(serving: Simulation, outage: int) -> None:
    serving.apply(NEW)
    serving.run(60)
    serving.server.outage = outage
    serving.run(1800)
    serving.server.outage = None
    serving.run_until(serving.is_ready, within=MINUTE)
    assert serving.kills == 0


# Changes that are dropped


@pytest.mark.parametrize("fault", [THROTTLED, DENIED], ids=["throttled", "denied"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_tag_whose_first_call_failed_is_set_later(serving: Simulation, fault: Fault, restarted: bool) -> None:
    serving.amazon.fail(fault, "AddTags")
    serving.apply(TAGGED)
    serving.run_until(lambda: serving.amazon.attempted("AddTags"), within=30)
    serving.run(1)
    assert not serving.is_ready(), "kubectl wait must not return"
    observed = serving.status()["observedGeneration"] == serving.body()["metadata"]["generation"]
    assert not observed or serving.condition("Reconciling") or serving.condition("Stalled")
    if restarted:
        serving.restart()
        serving.run(30)
    serving.amazon.mend("AddTags")
    serving.run_until(lambda: tags(serving).get("team") == "nlp", within=360)
    serving.run_until(serving.is_ready, within=MINUTE)


@pytest.mark.parametrize(
    ("operation", "after"),
    [("AddTags", TAGGED), ("RegisterScalableTarget", spec()), ("PutScalingPolicy", spec())],
)
def test_upkeep_that_is_denied_is_tried_again_when_announced(
    serving: Simulation, operation: str, after: Object
) -> None:
    serving.amazon.fail(DENIED, operation)
    serving.apply(after)
    since, writes = serving.clock.now(), serving.writes
    serving.run(3600)
    assert 10 <= len(serving.amazon.attempted(operation, since=since)) <= 40
    assert serving.writes - writes <= 60
    serving.amazon.mend(operation)
    serving.run_until(serving.is_ready, within=360 + MINUTE)


def test_a_repair_whose_first_call_failed_is_made_later(serving: Simulation) -> None:
    before = serving.leftovers()
    serving.aws("DeleteModel", ModelName=serving.status()["sageMaker"]["modelName"])
    with serving.amazon.failing(THROTTLED, "CreateModel"):
        serving.run_until(
            lambda: serving.amazon.attempted("CreateModel", since=serving.clock.now() - 300)[1:], within=300
        )
    serving.run_until(lambda: serving.leftovers() == before, within=180)


def test_all_tags_can_be_renamed_at_once(serving: Simulation) -> None:
    for prefix in ("old", "new"):
        listed = [{"key": f"{prefix}-{each}", "value": "x"} for each in range(26)]
        serving.apply({**with_target(tags=listed), "runtime": {"maxTotalTokens": 2000 + len(prefix)}})
        serving.run(30)
        serving.apply(with_target(tags=listed))
        serving.run_until(serving.is_ready, within=1200)
        serving.run(60)
        wanted = {each["key"] for each in listed} | set(names.owner_tags(serving.owner()))
        assert set(tags(serving)) == wanted


# Memory that fills up


def test_34_revisions_roll_out_though_nothing_may_be_collected(serving: Simulation) -> None:
    with serving.amazon.failing(DENIED, "DeleteModel"):
        for tokens in range(2000, 2034):
            serving.apply(changed(maxTotalTokens=tokens))
            serving.run(5)
            serving.run_until(serving.is_ready, within=900)
        assert ("Warning", "CollectionFailed") in serving.events()
    serving.run_until(lambda: len(serving.leftovers()) == 3, within=3600)


def test_failures_of_the_past_do_not_delay_what_a_user_asks_for_now() -> None:
    with Simulation(aws_drift_reads_per_minute=0.1) as simulation, simulation.amazon.failing(DENIED, "DeleteModel"):
        simulation.apply(SPEC)
        simulation.run_until(simulation.is_ready, within=900)
        simulation.apply(NEW)
        simulation.run(LONG)
        simulation.amazon.fail(NOT_YET_FOUND, "CreateEndpointConfig")
        before = len(simulation.amazon.calls)
        simulation.apply(changed(maxTotalTokens=2000))
        simulation.run(2)
        simulation.amazon.mend("CreateEndpointConfig")
        simulation.run_until(lambda: simulation.amazon.made("UpdateEndpoint", since=before), within=10)


def test_an_instance_count_without_quota_is_asked_for_slowly_and_when_announced(serving: Simulation) -> None:
    serving.world.quotas["ml.g5.12xlarge"] = 1
    serving.apply({**SPEC, "replicas": 3})
    since, writes = serving.clock.now(), serving.writes
    serving.run(3600)
    assert len(serving.amazon.attempted("UpdateEndpointWeightsAndCapacities", since=since)) in (3, 4)
    assert serving.writes - writes <= 20
    assert is_stalled(serving, "QuotaExceeded")
    quota = "request an increase for the Amazon SageMaker quota 'ml.g5.12xlarge for endpoint usage' in "
    assert quota in serving.condition("Ready")["message"]
    serving.world.quotas.clear()
    serving.run_until(serving.is_ready, within=1800 + MINUTE)
    assert serving.status()["desiredReplicas"] == 3
    serving.run(600)
    assert serving.status()["replicas"] == 3


@pytest.mark.parametrize("killed", [False, True], ids=["throttled", "killed"])
def test_an_instance_count_is_not_lost_while_a_successor_waits(serving: Simulation, killed: bool) -> None:
    serving.script(Outcome.ROLLBACK)
    serving.apply(NEW)
    serving.run_until(lambda: is_stalled(serving, "UpdateRolledBack"), within=1800)
    serving.apply({**NEW, "replicas": 3})
    if killed:
        serving.kill_at(operation="UpdateEndpointWeightsAndCapacities")
    else:
        serving.amazon.fail(THROTTLED, "UpdateEndpointWeightsAndCapacities")
        serving.run(10)
        serving.amazon.mend("UpdateEndpointWeightsAndCapacities")
    serving.run_until(lambda: serving.status()["replicas"] == 3, within=900)
    assert is_stalled(serving, "UpdateRolledBack")


def test_140_changes_without_quota_leave_room_for_the_one_that_works(serving: Simulation) -> None:
    serving.world.quotas["ml.g5.48xlarge"] = 0
    for tokens in range(2000, 2140):
        serving.apply({**retyped(dict(SPEC)), "runtime": {"maxTotalTokens": tokens}})
        serving.run(5)
    serving.world.quotas.clear()
    serving.run_until(serving.is_ready, within=1800 + 600)
    serving.run(60)
    assert len(serving.leftovers()) == 3


# Deletion


@pytest.mark.parametrize("spec", [SPEC, PODS], ids=["SageMaker", "pods"])
def test_a_resource_is_deleted_without_its_namespaces_role(simulation: Simulation, spec: Object) -> None:
    gated = {**spec, "model": {**spec["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}}
    simulation.server.put_secret("ml", "hub", token="hf_abcdefgh")
    simulation.apply(gated)
    simulation.run_until(simulation.is_ready, within=600)
    simulation.server.denied = set(ONLY_TGIENDPOINTS) if "sageMaker" in spec else {("*", "secrets")}
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=400)
    assert simulation.leftovers() == []


def test_expired_credentials_orphan_nothing_after_retain_and_another_apply(serving: Simulation) -> None:
    serving.apply({**SPEC, "deletionPolicy": "Retain"})
    serving.run(30)
    serving.delete()
    serving.run_until(serving.is_gone, within=30)
    with serving.amazon.failing(EXPIRED):
        serving.apply(SPEC)
        serving.run(20)
        serving.delete()
        serving.run(180)
        assert not serving.is_gone()
    serving.run_until(serving.is_gone, within=300)
    assert serving.leftovers() == []


def test_a_finalizer_removed_by_force_is_reported_with_the_endpoint(serving: Simulation) -> None:
    serving.server.edit(PLURAL, "ml", "falcon-7b", {"metadata": {"finalizers": None}})
    serving.delete()
    serving.run_until(lambda: ("Warning", "LeftAlone") in serving.events(), within=MINUTE)


def test_what_vanished_in_a_gap_of_the_watch_is_dropped(serving: Simulation) -> None:
    serving.cut_watches()
    body = serving.body()
    body["metadata"]["finalizers"].remove(FINALIZER)
    serving.delete()
    serving.run(30)
    serving.connect_watches()
    serving.run(3600)
    assert serving.controller is not None
    assert list(serving.controller.store.items()) == []


# Scaling and rollouts


def test_scaling_goes_on_while_another_instance_type_is_refused(simulation: Simulation) -> None:
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=600)
    simulation.world.quotas["ml.g5.48xlarge"] = 0
    simulation.apply(retyped(spec()))
    simulation.run_until(lambda: is_stalled(simulation, "QuotaExceeded"), within=120)
    missing = 0
    for _ in range(120):
        simulation.run(60)
        missing += target(simulation) is None
    assert missing <= 12, "it is registered but for the moments of an attempt"
    simulation.world.quotas.clear()
    simulation.run_until(lambda: follows(simulation) and simulation.is_ready(), within=2400)


def test_retries_for_capacity_are_not_overdue(applied: Simulation) -> None:
    applied.script(Outcome.NO_CAPACITY, times=None)
    for _ in range(60):
        applied.run(600)
        assert not reports(applied, "ProgressDeadlineExceeded")


def test_a_retried_rollout_never_shrinks_what_serves(serving: Simulation) -> None:
    serving.script(Outcome.NO_CAPACITY, times=2)
    serving.apply({**NEW, "replicas": 1})
    serving.run_until(lambda: reports(serving, "InsufficientCapacity"), within=1800)
    serving.apply({**NEW, "replicas": 6})
    serving.run_until(lambda: _instances(serving) == 6, within=1800)
    while not serving.is_ready():
        serving.run(10)
        assert _instances(serving) >= 6


def _instances(simulation: Simulation) -> int:
    endpoint = simulation.endpoint()
    assert endpoint is not None
    return int(endpoint["ProductionVariants"][0]["CurrentInstanceCount"])


def test_an_image_is_remembered_from_the_first_request_on(applied: Simulation) -> None:
    applied.run_until(lambda: applied.amazon.made("CreateEndpoint"), within=30)
    applied.run(1)
    assert "tgi" in applied.status()["image"]


def test_an_image_is_read_from_the_live_model_after_a_restore(serving: Simulation) -> None:
    serving.apply(changed(version="3.3.4"))
    serving.run(5)
    serving.run_until(serving.is_ready, within=600)
    calls, image = len(serving.amazon.calls), serving.status()["image"]
    serving.server.outage = 0
    serving.restart()
    serving.edit_status(dict.fromkeys(serving.status()))
    serving.apply(SPEC)
    serving.server.outage = None
    serving.run_until(serving.is_ready, within=300)
    assert serving.status()["image"] == image
    assert "UpdateEndpoint" not in serving.amazon.changes(calls)


def test_application_auto_scaling_that_is_denied_blocks_no_rollout(simulation: Simulation) -> None:
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=600)
    reads = ("DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScalingActivities")
    with simulation.amazon.failing(DENIED, *reads):
        simulation.apply(spec({"minReplicas": 2, "maxReplicas": 4}, runtime={"maxTotalTokens": 2048}))
        simulation.run_until(lambda: simulation.amazon.made("UpdateEndpoint"), within=300)
        simulation.run_until(lambda: reports(simulation, "ScalingUnknown"), within=600)
    simulation.run_until(lambda: follows(simulation) and bounds(simulation) == (2, 4), within=360)


@pytest.mark.parametrize("fault", [UNREACHABLE, DENIED], ids=["unreachable", "denied"])
def test_a_steady_resource_reports_that_its_scaling_cannot_be_read(simulation: Simulation, fault: Fault) -> None:
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=600)
    reads = ("DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScalingActivities")
    with simulation.amazon.failing(fault, *reads):
        simulation.run_until(lambda: simulation.condition("ScalingActive")["status"] == "Unknown", within=240)
        assert simulation.is_ready(), "what serves does not depend on it"
        before = len(simulation.amazon.calls)
        simulation.run(600)
        calls = [call.operation for call in simulation.amazon.calls[before:] if call.operation in reads]
        assert len(calls) <= 11, "the sweep alone finds out when it is over"
    simulation.run_until(lambda: follows(simulation), within=2 * MINUTE)


def test_a_second_resource_of_one_endpoint_name_leaves_the_first_ones_target_alone(tmp_path: Path) -> None:
    file = tmp_path / "roles.yaml"
    file.write_text("namespaces: {ml: {endpointNames: [shared]}}")
    with Simulation(allowed_roles_file=str(file)) as simulation:
        leaves_the_target_alone(simulation)


def leaves_the_target_alone(simulation: Simulation) -> None:
    """Run the story of two resources with one endpoint name."""
    first = {**spec(), "sageMaker": {**SPEC["sageMaker"], "endpointName": "shared"}}
    simulation.apply(first)
    simulation.run_until(lambda: follows(simulation), within=600)
    simulation.apply({**first, "autoscaling": {"minReplicas": 3, "maxReplicas": 9}}, OTHER)
    simulation.run(1800)
    assert simulation.condition("Stalled", OTHER)["reason"] == "NotOwned"
    assert bounds_of(simulation, "shared") == (1, 4)
    simulation.aws("DeregisterScalableTarget", **addressed("shared"))
    simulation.run_until(lambda: bounds_of(simulation, "shared") == (1, 4), within=900)


def bounds_of(simulation: Simulation, endpoint: str) -> tuple[int, int] | None:
    """Return the bounds of an endpoint's scalable target."""
    found = target(simulation, endpoint)
    return (found.least, found.most) if found is not None else None


def test_an_adopted_endpoint_with_a_policy_of_the_same_metric_serves_on_and_names_it(simulation: Simulation) -> None:
    simulation.apply(SPEC)
    simulation.run_until(simulation.is_ready, within=600)
    metric = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    simulation.aws("RegisterScalableTarget", **addressed(ENDPOINT), MinCapacity=1, MaxCapacity=4)
    simulation.aws(
        "PutScalingPolicy",
        **addressed(ENDPOINT),
        PolicyName="from-terraform",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 5, "PredefinedMetricSpecification": metric},
    )
    simulation.apply(spec())
    simulation.run(600)
    assert simulation.condition("Available")["status"] == "True"
    assert "from-terraform" in simulation.summary()
    simulation.aws("DeleteScalingPolicy", **addressed(ENDPOINT), PolicyName="from-terraform")
    simulation.run_until(lambda: follows(simulation), within=1900)


# Calls and time


def test_a_refused_request_keeps_its_conditions_from_attempt_to_attempt(applied: Simulation) -> None:
    applied.amazon.fail(DENIED, "CreateModel")
    applied.run_until(lambda: is_stalled(applied, "AccessDenied"), within=60)
    since, writes, began = applied.condition("Stalled")["lastTransitionTime"], applied.writes, applied.clock.now()
    stalled = statuses(applied, "Stalled")
    applied.run(7200)
    attempts = len(applied.amazon.attempted("CreateModel", since=began))
    assert applied.condition("Stalled")["lastTransitionTime"] == since
    assert set(stalled) == {"True"}
    assert attempts >= 20
    assert applied.writes - writes <= 2 * attempts + 1, "that it begins, and that it failed"


def test_a_status_that_is_refused_is_no_hot_loop(serving: Simulation) -> None:
    serving.server.denied = {("patch", "tgiendpoints/status")}
    calls = len(serving.amazon.attempts)
    serving.apply({**SPEC, "replicas": 2})
    serving.run(1800)
    refused = [verb for _, verb, resource, _ in serving.server.requests if resource == "tgiendpoints/status"]
    assert len(refused) <= 100
    assert len(serving.amazon.attempts) - calls <= 1000


def test_a_region_that_hangs_delays_neither_another_region_nor_pods(simulation: Simulation) -> None:
    simulation.amazon.fail(HANGS, region="us-east-1")
    for each in range(40):
        target_there = {**SPEC["sageMaker"], "region": "us-east-1"}
        simulation.apply({**SPEC, "sageMaker": target_there}, Key("ml", f"there-{each}"))
    simulation.run(30)
    simulation.apply(SPEC)
    simulation.apply(PODS, OTHER)
    simulation.run_until(lambda: simulation.is_ready(OTHER), within=120)
    simulation.run_until(simulation.is_ready, within=300)


def test_drift_is_found_on_every_endpoint_though_checks_of_some_fail(simulation: Simulation) -> None:
    keys = [Key("ml", f"each-{index}") for index in range(12)]
    for key in keys:
        simulation.apply(SPEC, key)
    simulation.run_until(lambda: all(map(simulation.is_ready, keys)), within=600)
    simulation.run(300)
    # The names of 1, 10 and 11 contain it.
    simulation.amazon.fail(replace(DENIED, only="ml-each-1"), "DescribeEndpoint")
    region = simulation.amazon.region(REGION)
    arns = [region.arn("endpoint", names.endpoint_name(key)) for key in keys if "each-1" not in key.name]
    for arn in arns:
        simulation.aws("DeleteTags", ResourceArn=arn, TagKeys=[names.TAG_NAME])
    simulation.run_until(lambda: all(names.TAG_NAME in tags(simulation, arn) for arn in arns), within=600)


def test_fetching_weights_needs_no_look_at_nodes(simulation: Simulation) -> None:
    cached = {**PODS, "inCluster": {"gpu": {"count": 1}, "cache": {"size": "100Gi"}}}
    simulation.workloads.fetch_seconds = 1800
    simulation.apply(cached)
    simulation.run(1500)
    assert reports(simulation, "FetchingWeights")
    listed = [resource for _, verb, resource, _ in simulation.server.requests if verb == "list"]
    assert "nodes" not in listed
    simulation.run_until(simulation.is_ready, within=600)


def test_work_that_comes_after_a_long_rest_does_not_look_stuck(simulation: Simulation) -> None:
    simulation.run(1800)
    simulation.amazon.fail(HANGS, "CreateModel")
    for each in range(20):
        simulation.apply(SPEC, Key("ml", f"each-{each}"))
    simulation.run(600)
    assert simulation.kills == 0


# Upgrades


@pytest.mark.parametrize("on_request", [False, True], ids=["with the next change", "on request"])
@pytest.mark.parametrize("spec", [SPEC, PODS], ids=["SageMaker", "pods"])
def test_an_operator_with_another_rendering_changes_nothing_until_it_is_asked_to(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, spec: Object, on_request: bool
) -> None:
    simulation.apply(spec)
    simulation.run_until(simulation.is_ready, within=600)
    simulation.run(120)
    revision, calls = simulation.status()["currentRevision"], len(simulation.amazon.calls)
    requests = len(simulation.server.requests)
    for module in (render, pod_template):
        _render_more(monkeypatch, module)
    simulation.restart()
    simulation.run(3600)
    assert simulation.amazon.changes(calls) == []
    written = [verb for _, verb, resource, _ in simulation.server.requests[requests:] if verb not in ("get", "list")]
    assert written == []
    if on_request:
        simulation.annotate(render="2026-03-02")
    else:
        simulation.apply({**spec, "runtime": {"maxTotalTokens": 2048}})
    simulation.run(5)
    simulation.run_until(
        lambda: simulation.is_ready() and simulation.status()["currentRevision"] != revision, within=900
    )
    live = [*simulation.amazon.region(REGION).models.values(), *simulation.server.objects["deployments"].values()]
    assert "RENDERED_BY" in str(live)


def _render_more(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    environment = module.environment
    monkeypatch.setattr(module, "environment", lambda *given: {**environment(*given), "RENDERED_BY": "another version"})


# Reads that are denied


def test_an_endpoint_is_read_itself_while_the_list_is_denied(serving: Simulation) -> None:
    with serving.amazon.failing(DENIED, "ListEndpoints"):
        serving.run(120)
        region = serving.amazon.region(REGION)
        failed = replace(region.endpoint(ENDPOINT), status=Status.FAILED, failure_reason="Nobody knows.")
        region.put(replace(failed, modified=serving.clock.now()))
        serving.run_until(lambda: not serving.is_ready(), within=900)


def test_reads_that_are_denied_are_reported_on_what_serves_and_so_is_their_end(serving: Simulation) -> None:
    with serving.amazon.failing(DENIED, "ListEndpoints", "DescribeEndpoint"):
        serving.run_until(lambda: not serving.is_ready(), within=900)
        assert serving.condition("Available")["status"] != "False", "nobody knows"
    serving.run_until(serving.is_ready, within=360)


def test_after_a_failed_rollback_the_revision_before_is_not_asked_for_again_and_again(serving: Simulation) -> None:
    """AWS refuses an update to the configuration that the endpoint already has."""
    serving.script(Outcome.ROLLBACK_FAILED)
    serving.apply(NEW)
    serving.run_until(lambda: is_stalled(serving, "UpdateRollbackFailed"), within=900)
    calls = len(serving.amazon.attempted("UpdateEndpoint"))
    serving.apply(SPEC)
    serving.run(3600)
    assert serving.is_ready() or serving.condition("Stalled")
    assert len(serving.amazon.attempted("UpdateEndpoint")) - calls <= 5
