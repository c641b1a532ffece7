"""A resource whose replica count follows the load, on the emulator's own scaling and virtual time."""

import copy
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from simulation.amazon import DENIED, Fault
from simulation.simulation import ENDPOINT, REGION, SPEC, Simulation
from simulation.test_stories import LONG, is_stalled
from tgi_operator.backends.sagemaker.desired.scaling_policies import addressed, resource_id
from tgi_sandbox.aws.autoscaling.targets import Target
from tgi_sandbox.aws.lifecycle import Outcome
from tgi_sandbox.aws.outcomes import Change, Script

Spec = dict[str, Any]

AUTOSCALING: Mapping[str, Any] = {"minReplicas": 1, "maxReplicas": 4}
POLICY = "tgi-operator-ConcurrentRequests"
TARGETS = ("RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy", "DeleteScalingPolicy")
CHANGES = (*TARGETS, "PutScheduledAction", "UpdateEndpoint", "CreateEndpoint", "DeleteEndpoint")
SWEEPS = 16 * 60
"""Seconds in which the sweep of scalable targets reads everything at least once."""


def spec(autoscaling: Mapping[str, Any] | None = AUTOSCALING, **fields: Any) -> Spec:
    """Return the spec with autoscaling and other fields."""
    made = {**copy.deepcopy(dict(SPEC)), **fields}
    return {**made, "autoscaling": copy.deepcopy(dict(autoscaling))} if autoscaling is not None else made


def retyped(made: Spec, instance_type: str = "ml.g5.48xlarge") -> Spec:
    """Return a spec on another instance type."""
    return {**made, "sageMaker": {**made["sageMaker"], "instanceType": instance_type}}


def target(simulation: Simulation, name: str = ENDPOINT) -> Target | None:
    """Return the scalable target of an endpoint, None if there is none."""
    return simulation.amazon.region(REGION).scaling.targets.get(resource_id(name).lower())


def bounds(simulation: Simulation) -> tuple[int, int] | None:
    """Return the bounds of the scalable target."""
    found = target(simulation)
    return (found.least, found.most) if found is not None else None


def load(simulation: Simulation, requests: float | None) -> None:
    """Let so many requests be in flight at the endpoint from now on."""
    region = simulation.amazon.region(REGION)
    region.scaling.metrics.traffic[ENDPOINT].concurrent.set(simulation.clock.now(), requests)


def follows(simulation: Simulation) -> bool:
    """Return whether the resource is Ready, and its replica count follows the load."""
    return simulation.is_ready() and simulation.condition("ScalingActive").get("status") == "True"


def replicas(simulation: Simulation) -> int:
    """Return the ready replicas, as the status shows them."""
    return int(simulation.status().get("readyReplicas", 0))


@pytest.fixture
def scaling(simulation: Simulation) -> Simulation:
    """A simulation in which the resource serves and follows the load."""
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=600)
    return simulation


def test_a_target_is_registered_when_the_endpoint_is_in_service(simulation: Simulation) -> None:
    simulation.apply(spec({"minReplicas": 2, "maxReplicas": 4}))
    simulation.run(5)
    assert simulation.reason("ScalingActive") == "EndpointNotInService"
    assert target(simulation) is None
    simulation.run_until(lambda: follows(simulation), within=400)
    assert bounds(simulation) == (2, 4)
    (policy,) = target(simulation).policies.values()  # type: ignore[union-attr]
    assert (policy.name, (policy.configuration or {})["TargetValue"]) == (POLICY, 5)
    shown = simulation.status()["scaling"]
    assert (shown["minReplicas"], shown["scaler"]) == (2, "ApplicationAutoScaling")
    assert replicas(simulation) == 2, "a new endpoint begins with the lower bound"
    assert simulation.amazon.made(*CHANGES) == ["CreateEndpoint", "RegisterScalableTarget", "PutScalingPolicy"]


def test_load_moves_the_replicas_and_the_status_shows_why(scaling: Simulation) -> None:
    load(scaling, 18)
    scaling.run_until(lambda: replicas(scaling) == 4, within=900)
    scaling.run(120)
    newest = scaling.status()["scaling"]["history"][0]
    assert (newest["from"], newest["to"]) == (1, 4)
    assert "AlarmHigh" in newest["reason"]
    assert scaling.status()["scaling"]["lastScaleTime"] == newest["time"]
    assert ("Normal", "Scaled") in scaling.events()
    load(scaling, None)
    scaling.run_until(lambda: replicas(scaling) == 1, within=3600)
    scaling.run(120)
    assert "AlarmLow" in scaling.status()["scaling"]["history"][0]["reason"]
    assert scaling.amazon.attempted("UpdateEndpoint") == []


def test_ready_stays_true_while_the_replicas_change(scaling: Simulation) -> None:
    load(scaling, 18)
    for _ in range(60):
        scaling.run(10)
        assert follows(scaling)
    assert replicas(scaling) == 4


@pytest.mark.parametrize("restarted", [False, True])
def test_a_steady_resource_makes_few_calls_and_no_writes(scaling: Simulation, restarted: bool) -> None:
    if restarted:
        scaling.restart()
    scaling.run(120)
    writes, calls = scaling.writes, len(scaling.amazon.calls)
    scaling.run(LONG)
    assert scaling.writes == writes
    assert scaling.amazon.changes(calls) == []
    reads = [call for call in scaling.amazon.calls[calls:] if "Scal" in call.operation]
    assert len(reads) <= 1.5 * LONG / 60


def test_an_update_keeps_the_scaled_count_and_the_target(scaling: Simulation) -> None:
    load(scaling, 18)
    scaling.run_until(lambda: replicas(scaling) == 4, within=900)
    calls = len(scaling.amazon.calls)
    scaling.apply(spec(runtime={"maxTotalTokens": 2048}))
    scaling.run(5)
    scaling.run_until(lambda: follows(scaling), within=900)
    assert replicas(scaling) == 4
    assert scaling.amazon.made(*CHANGES, since=calls) == ["UpdateEndpoint"]


@pytest.mark.parametrize(("kill_at", "after_effect"), [(None, False), *itertools.product(range(1, 14), [False, True])])
def test_another_instance_type_deregisters_updates_and_registers_again(
    scaling: Simulation, kill_at: int | None, after_effect: bool
) -> None:
    calls = len(scaling.amazon.calls)
    if kill_at is not None:
        scaling.kill_at(kill_at, after_effect=after_effect)
    scaling.apply(retyped(spec()))
    scaling.run(60)
    scaling.run_until(lambda: follows(scaling) and target(scaling) is not None, within=1200)
    made = scaling.amazon.made(*CHANGES, since=calls)
    assert made.index("DeregisterScalableTarget") < made.index("UpdateEndpoint")
    assert made[-2:] == ["RegisterScalableTarget", "PutScalingPolicy"]
    if kill_at is None:
        assert made == ["DeregisterScalableTarget", "UpdateEndpoint", "RegisterScalableTarget", "PutScalingPolicy"]


def test_a_retyping_that_is_rolled_back_is_registered_again(scaling: Simulation) -> None:
    scaling.script(Outcome.ROLLBACK)
    scaling.apply(retyped(spec()))
    scaling.run_until(lambda: is_stalled(scaling, "UpdateRolledBack"), within=900)
    scaling.run(60)
    assert target(scaling) is not None, "what serves goes on following the load"
    assert scaling.condition("ScalingActive")["status"] == "True"


def test_a_spec_without_autoscaling_ends_it_and_keeps_the_replicas(scaling: Simulation) -> None:
    load(scaling, 18)
    scaling.run_until(lambda: replicas(scaling) == 4, within=900)
    scaling.apply(spec(None))
    scaling.run(120)
    assert target(scaling) is None
    assert replicas(scaling) == 4
    assert scaling.condition("ScalingActive") == {}
    assert "scalingRevision" not in scaling.status()["sageMaker"]
    assert scaling.is_ready()


def test_a_rollout_does_not_wait_for_a_removal_that_is_denied(scaling: Simulation) -> None:
    scaling.amazon.fail(DENIED, "DeregisterScalableTarget")
    scaling.apply(spec(None, runtime={"maxTotalTokens": 2048}))
    scaling.run_until(lambda: scaling.amazon.made("UpdateEndpoint") == ["UpdateEndpoint"], within=10)
    scaling.run_until(lambda: is_stalled(scaling, "AccessDenied"), within=900)
    assert "DeregisterScalableTarget" in scaling.condition("Stalled")["message"]
    assert scaling.condition("Available")["status"] == "True"
    scaling.amazon.mend("DeregisterScalableTarget")
    scaling.run_until(scaling.is_ready, within=360)
    assert target(scaling) is None


def test_a_rollback_is_remembered_while_the_removal_is_denied(scaling: Simulation) -> None:
    scaling.amazon.fail(DENIED, "DeregisterScalableTarget")
    scaling.script(Outcome.ROLLBACK)
    scaling.apply(spec(None, runtime={"maxTotalTokens": 2048}))
    scaling.run_until(lambda: scaling.status().get("lastFailure") is not None, within=1800)
    assert scaling.status()["lastFailure"]["reason"] == "UpdateRolledBack"


def test_from_autoscaling_to_replicas_and_back(scaling: Simulation) -> None:
    scaling.apply(spec(None, replicas=3))
    scaling.run_until(lambda: replicas(scaling) == 3, within=600)
    assert target(scaling) is None
    assert "spec.replicas" in scaling.status()["scaling"]["history"][0]["reason"]
    scaling.apply(spec({"minReplicas": 1, "maxReplicas": 2}))
    scaling.run_until(lambda: replicas(scaling) == 2, within=900)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        ("DeregisterScalableTarget", {}),
        ("DeleteScalingPolicy", {"PolicyName": POLICY}),
        ("RegisterScalableTarget", {"MinCapacity": 2, "MaxCapacity": 9}),
        ("RegisterScalableTarget", {"SuspendedState": {"DynamicScalingOutSuspended": True}}),
    ],
    ids=["deregistered", "policy deleted", "other bounds", "suspended"],
)
def test_what_another_user_changes_is_reverted(
    scaling: Simulation, change: tuple[str, dict[str, Any]], restarted: bool
) -> None:
    if restarted:
        scaling.restart()
    scaling.run(300)
    operation, fields = change
    scaling.aws(operation, **addressed(ENDPOINT), **fields)
    scaling.run(SWEEPS + 120)
    found = target(scaling)
    assert found is not None
    assert (found.least, found.most, len(found.policies)) == (1, 4, 1)
    assert not any(found.suspended.values())
    assert ("Normal", "Restored") in scaling.events()


def test_policies_of_others_are_left_and_shown(scaling: Simulation) -> None:
    tracking = {
        "TargetValue": 100.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    scaling.aws(
        "PutScalingPolicy",
        **addressed(ENDPOINT),
        PolicyName="by-the-ops-team",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
    )
    scaling.run_until(
        lambda: scaling.status()["scaling"].get("foreignPolicies") == ["by-the-ops-team"], within=SWEEPS + 60
    )
    scaling.apply(spec(None))
    scaling.run(120)
    found = target(scaling)
    assert found is not None
    assert list(found.policies) == ["by-the-ops-team"], "only ours is deleted"


def test_scaling_that_the_quota_blocks_is_shown_and_so_is_its_end(scaling: Simulation) -> None:
    scaling.world.quotas["ml.g5.12xlarge"] = 2
    load(scaling, 18)
    scaling.run_until(lambda: scaling.reason("ScalingActive") == "QuotaExceeded", within=600)
    active = scaling.condition("ScalingActive")
    assert active["status"] == "False"
    assert "service limit 'ml.g5.12xlarge" in active["message"]
    assert scaling.is_ready(), "what serves goes on serving"
    assert ("Warning", "QuotaExceeded") in scaling.events()
    load(scaling, None)
    scaling.run_until(lambda: follows(scaling), within=1800)


def test_scaling_that_fails_is_shown_and_so_is_its_end(scaling: Simulation) -> None:
    scaling.world.scripts.add(Script(ENDPOINT, Outcome.NO_CAPACITY, None, Change.SCALE))
    load(scaling, 18)
    scaling.run_until(lambda: scaling.reason("ScalingActive") == "InsufficientCapacity", within=3600)
    assert scaling.is_ready(), "what serves goes on serving"
    scaling.world.scripts.clear()
    scaling.run_until(lambda: replicas(scaling) == 4, within=3600)
    scaling.run_until(lambda: follows(scaling), within=120)


SCHEDULE = {
    "name": "office-hours",
    "timeZone": "Europe/Madrid",
    "start": "0 8 * * *",
    "end": "0 20 * * *",
    "minReplicas": 2,
    "maxReplicas": 6,
}


def test_schedules_are_scheduled_actions_and_are_shown() -> None:
    with Simulation(aws_drift_reads_per_minute=0.1) as simulation:
        schedule = {**SCHEDULE, "end": "0 10 * * *"}
        simulation.apply(spec({**AUTOSCALING, "schedules": [schedule]}))
        simulation.run_until(lambda: follows(simulation), within=600)
        found = target(simulation)
        assert found is not None
        assert {name: action.body["Schedule"] for name, action in found.actions.items()} == {
            "tgi-operator-office-hours-start": "cron(0 8 * * ? *)",
            "tgi-operator-office-hours-end": "cron(0 10 * * ? *)",
        }
        simulation.run(SWEEPS)
        calls, shown = len(simulation.amazon.calls), set()
        for _ in range(4 * 4):
            simulation.run(900)
            now = simulation.status()["scaling"]
            shown.add((now.get("activeSchedule"), now["minReplicas"], now["maxReplicas"], bounds(simulation)))
        assert shown == {(None, 1, 4, (1, 4)), ("office-hours", 2, 6, (2, 6))}
        assert simulation.amazon.changes(calls) == [], "AWS moves the bounds"
        assert ("Normal", "BoundsChanged") in simulation.events()


def test_a_deletion_ends_scaling_first(scaling: Simulation) -> None:
    scaling.delete()
    scaling.run_until(scaling.is_gone, within=300)
    assert scaling.leftovers() == []
    assert scaling.amazon.made(*CHANGES)[-2:] == ["DeregisterScalableTarget", "DeleteEndpoint"]


def test_an_endpoint_deleted_by_another_user_is_registered_again(scaling: Simulation) -> None:
    load(scaling, 9)
    scaling.run_until(lambda: replicas(scaling) == 2, within=900)
    load(scaling, None)
    scaling.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    scaling.run(120)
    scaling.run_until(lambda: follows(scaling) and target(scaling) is not None, within=900)


def test_reads_that_lag_behind_are_not_taken_for_drift(simulation: Simulation) -> None:
    simulation.world.consistency_delay = 90
    simulation.apply(spec())
    simulation.run_until(lambda: follows(simulation), within=900)
    simulation.run(600)
    assert simulation.amazon.made(*TARGETS) == ["RegisterScalableTarget", "PutScalingPolicy"]


def test_concurrent_updates_are_tried_again_without_a_problem(scaling: Simulation) -> None:
    scaling.world.concurrent_update_seconds = 90
    scaling.apply(spec({"minReplicas": 2, "maxReplicas": 3}))
    while bounds(scaling) != (2, 3) or not follows(scaling):
        scaling.run(10)
        assert not scaling.condition("Stalled")


def test_a_refused_policy_is_reported_and_the_endpoint_serves_on(scaling: Simulation) -> None:
    metric = {
        "type": "CloudWatch",
        "target": {"value": "70"},
        "cloudWatch": {"metrics": [{"namespace": "x", "metricName": "y", "statistic": "Average"}]},
    }
    refused = Fault("ValidationException", "1 validation error detected")
    with scaling.amazon.failing(refused, "PutScalingPolicy"):
        scaling.apply(spec({**AUTOSCALING, "metrics": [metric]}))
        scaling.run_until(lambda: scaling.reason("ScalingActive") == "RejectedByAWS", within=60)
        scaling.run(600)
        assert is_stalled(scaling, "RejectedByAWS")
        assert scaling.condition("Available")["status"] == "True"
    scaling.apply(spec())
    scaling.run_until(lambda: follows(scaling), within=120)


def test_the_quota_of_scalable_targets_is_reported_and_so_is_its_end(simulation: Simulation) -> None:
    simulation.world.scalable_targets_quota = 0
    simulation.apply(spec())
    simulation.run_until(lambda: is_stalled(simulation, "QuotaExceeded"), within=600)
    assert simulation.reason("ScalingActive") == "QuotaExceeded"
    assert simulation.condition("Available")["status"] == "True"
    simulation.world.scalable_targets_quota = 500
    simulation.run_until(lambda: follows(simulation), within=1800 + 60)
