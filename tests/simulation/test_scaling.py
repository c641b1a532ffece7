"""A resource whose number of instances follows the load, on the double's own scaling and virtual time."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from simulation.harness import ENDPOINT, SPEC, Simulation
from tgi_operator.backends.sagemaker.aws.client import SCALING
from tgi_operator.backends.sagemaker.desired.scaling_policies import addressed
from tgi_sandbox.aws.lifecycle import Outcome

Spec = dict[str, Any]

AUTOSCALING: Mapping[str, Any] = {"minReplicas": 1, "maxReplicas": 4}
WRITES = ("RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy", "DeleteScalingPolicy")
ACTIONS = ("PutScheduledAction", "DeleteScheduledAction")


def spec(autoscaling: Mapping[str, Any] | None = AUTOSCALING, **fields: Any) -> Spec:
    """Return the spec with autoscaling and other fields."""
    made = {**copy.deepcopy(dict(SPEC)), **fields}
    return {**made, "autoscaling": copy.deepcopy(dict(autoscaling))} if autoscaling is not None else made


def retyped(made: Spec, instance_type: str = "ml.g5.48xlarge") -> Spec:
    """Return a spec on another instance type."""
    return {**made, "sageMaker": {**made["sageMaker"], "instanceType": instance_type}}


@pytest.fixture
def scaling() -> Simulation:
    """A simulation in which the resource serves and follows the load."""
    made = Simulation()
    made.cluster.apply(spec())
    made.settle(6)
    assert made.is_ready()
    return made


def calls(simulation: Simulation, *operations: str) -> list[str]:
    """Return the operations of a kind that AWS accepted, in order."""
    wanted = operations or (*WRITES, *ACTIONS, "UpdateEndpoint", "CreateEndpoint", "DeleteEndpoint")
    return [operation for operation, _ in simulation.amazon.calls if operation in wanted]


def test_a_target_is_registered_when_the_endpoint_is_in_service() -> None:
    simulation = Simulation()
    simulation.cluster.apply(spec({"minReplicas": 2, "maxReplicas": 4}))
    simulation.reconcile()
    assert simulation.condition("ScalingActive")["reason"] == "EndpointNotInService"
    assert simulation.target() is None
    simulation.settle(6)
    target = simulation.target()
    assert target is not None
    assert (target.least, target.most) == (2, 4)
    (policy,) = target.policies.values()
    assert policy.name == "tgi-operator-ConcurrentRequests"
    assert policy.configuration is not None
    assert policy.configuration["TargetValue"] == 5
    assert simulation.condition("ScalingActive")["status"] == "True"
    assert simulation.status["scaling"]["minReplicas"] == 2
    assert simulation.status["scaling"]["scaler"] == "ApplicationAutoScaling"
    assert simulation.status["readyReplicas"] == 2, "a new endpoint begins with the lower bound"
    assert calls(simulation) == ["CreateEndpoint", "RegisterScalableTarget", "PutScalingPolicy"]


def test_load_moves_the_number_and_the_resource_says_why(scaling: Simulation) -> None:
    scaling.load(18)
    scaling.settle(10)
    assert scaling.status["readyReplicas"] == 4, "18 requests at 5 each need 4"
    assert scaling.is_ready()
    newest = scaling.status["scaling"]["history"][0]
    assert (newest["from"], newest["to"]) == (1, 4)
    assert "AlarmHigh" in newest["reason"]
    assert scaling.status["scaling"]["lastScaleTime"] == newest["time"]
    assert ("Normal", "Scaled") in scaling.cluster.events
    scaling.load(None)
    scaling.settle(60)
    assert scaling.status["readyReplicas"] == 1
    assert "AlarmLow" in scaling.status["scaling"]["history"][0]["reason"]
    assert calls(scaling, "UpdateEndpoint") == []


def test_ready_stays_true_while_the_number_moves(scaling: Simulation) -> None:
    scaling.load(18)
    for _ in range(40):
        scaling.world.clock.advance(15)
        scaling.reconcile(check=True)
        assert scaling.is_ready()
        assert scaling.condition("ScalingActive")["status"] == "True"


def test_a_steady_resource_makes_no_calls_at_application_auto_scaling(scaling: Simulation) -> None:
    scaling.amazon.calls.clear()
    writes = scaling.cluster.writes
    for _ in range(5):
        scaling.reconcile()
    assert {operation for operation, _ in scaling.amazon.calls} == {"ListEndpoints"}
    assert scaling.cluster.writes == writes
    scaling._start()
    scaling.reconcile()
    assert {operation for operation, _ in scaling.amazon.calls} == {"ListEndpoints"}


def test_an_update_keeps_the_scaled_count_and_the_target(scaling: Simulation) -> None:
    scaling.load(18)
    scaling.settle(10)
    scaling.amazon.calls.clear()
    scaling.cluster.apply(spec(runtime={"maxTotalTokens": 2048}))
    scaling.settle(10)
    assert scaling.is_ready()
    assert scaling.status["readyReplicas"] == 4
    assert calls(scaling) == ["UpdateEndpoint"]


@pytest.mark.parametrize("kill_at", [None, *range(3, 16)])
@pytest.mark.parametrize("after_effect", [False, True])
def test_another_instance_type_deregisters_updates_and_registers_again(
    scaling: Simulation, kill_at: int | None, after_effect: bool
) -> None:
    scaling.amazon.calls.clear()
    scaling.cluster.apply(retyped(spec()))
    if kill_at is not None:
        scaling.reconcile(kill_at=kill_at, after_effect=after_effect)
    scaling.settle(15)
    assert scaling.is_ready()
    assert scaling.target() is not None
    assert scaling.condition("ScalingActive")["status"] == "True"
    made = calls(scaling)
    assert made.index("DeregisterScalableTarget") < made.index("UpdateEndpoint")
    assert made[-2:] == ["RegisterScalableTarget", "PutScalingPolicy"]
    if kill_at is None:
        assert made == ["DeregisterScalableTarget", "UpdateEndpoint", "RegisterScalableTarget", "PutScalingPolicy"]


def test_a_retyping_that_is_rolled_back_is_registered_again(scaling: Simulation) -> None:
    scaling.script(Outcome.ROLLBACK)
    scaling.cluster.apply(retyped(spec()))
    scaling.settle(15)
    assert scaling.condition("Stalled")["reason"] == "UpdateRolledBack"
    assert scaling.target() is not None, "what serves goes on following the load"
    assert scaling.condition("ScalingActive")["status"] == "True"


def test_a_spec_without_autoscaling_ends_it_and_keeps_the_number(scaling: Simulation) -> None:
    scaling.load(18)
    scaling.settle(10)
    scaling.cluster.apply(spec(None))
    scaling.settle(3)
    assert scaling.target() is None
    assert scaling.status["readyReplicas"] == 4
    assert scaling.condition("ScalingActive") == {}
    assert "scalingRevision" not in scaling.status["sageMaker"]
    assert scaling.is_ready()


def test_from_autoscaling_to_replicas_and_back(scaling: Simulation) -> None:
    scaling.cluster.apply(spec(None, replicas=3))
    scaling.settle(10)
    assert scaling.target() is None
    assert scaling.status["readyReplicas"] == 3
    assert scaling.status["scaling"]["history"][0]["reason"] == "spec.replicas"
    scaling.cluster.apply(spec({"minReplicas": 1, "maxReplicas": 2}))
    scaling.settle(10)
    assert scaling.status["readyReplicas"] == 2, "the bounds bring the number within them"


@pytest.mark.parametrize(
    "strike",
    [
        ("DeregisterScalableTarget", {}),
        ("DeleteScalingPolicy", {"PolicyName": "tgi-operator-ConcurrentRequests"}),
        ("RegisterScalableTarget", {"MinCapacity": 2, "MaxCapacity": 9}),
        ("RegisterScalableTarget", {"SuspendedState": {"DynamicScalingOutSuspended": True}}),
    ],
    ids=["deregistered", "policy deleted", "other bounds", "suspended"],
)
def test_what_somebody_changes_by_hand_comes_back(scaling: Simulation, strike: tuple[str, dict[str, Any]]) -> None:
    scaling.world.clock.advance(300)
    operation, fields = strike
    scaling.aws(operation, **addressed(ENDPOINT), **fields)
    scaling.settle(1)
    scaling.scaling_fleet.sweep_all(15)
    scaling.settle(6)
    target = scaling.target()
    assert target is not None
    assert (target.least, target.most, len(target.policies)) == (1, 4, 1)
    assert not any(target.suspended.values())
    assert ("Normal", "Restored") in scaling.cluster.events


def test_a_drift_check_leaves_scaling_to_its_own_sweep(scaling: Simulation) -> None:
    scaling.amazon.calls.clear()
    scaling.reconcile(check=True)
    assert not SCALING.intersection(operation for operation, _ in scaling.amazon.calls)


@pytest.mark.parametrize("restarted", [False, True])
def test_the_sweep_finds_a_change_without_a_drift_check(scaling: Simulation, restarted: bool) -> None:
    if restarted:
        scaling._start()
    scaling.reconcile()
    scaling.world.clock.advance(300)
    scaling.aws("DeregisterScalableTarget", **addressed(ENDPOINT))
    scaling.reconcile()
    assert scaling.target() is None, "the list of endpoints does not show it"
    scaling.scaling_fleet.sweep_all(5)
    scaling.reconcile()
    assert scaling.target() is not None


def test_policies_of_others_are_left_and_told(scaling: Simulation) -> None:
    request = {
        "PolicyName": "by-the-ops-team",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 100.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
    }
    scaling.aws("PutScalingPolicy", **addressed(ENDPOINT), **request)
    scaling.scaling_fleet.sweep_all(15)
    scaling.reconcile()
    assert scaling.status["scaling"]["foreignPolicies"] == ["by-the-ops-team"]
    scaling.cluster.apply(spec(None))
    scaling.settle(3)
    target = scaling.target()
    assert target is not None
    assert list(target.policies) == ["by-the-ops-team"], "only ours went"


def test_scaling_that_the_quota_blocks_is_told(scaling: Simulation) -> None:
    scaling.world.quotas["ml.g5.12xlarge"] = 2
    scaling.load(18)
    scaling.world.clock.advance(120)
    scaling.scaling_fleet.sweep_all(1)
    scaling.world.clock.advance(120)
    scaling.scaling_fleet.sweep_all(1)
    scaling.reconcile()
    active = scaling.condition("ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "QuotaExceeded")
    assert "service limit 'ml.g5.12xlarge" in active["message"]
    assert scaling.is_ready(), "what serves goes on serving"
    assert ("Warning", "QuotaExceeded") in scaling.cluster.events
    scaling.load(None)
    scaling.settle(30)
    assert scaling.condition("ScalingActive")["status"] == "True", "nobody wants more any longer"


SCHEDULED = {
    **AUTOSCALING,
    "schedules": [
        {
            "name": "office-hours",
            "timeZone": "Europe/Madrid",
            "start": "0 8 * * *",
            "end": "0 20 * * *",
            "minReplicas": 2,
            "maxReplicas": 6,
        }
    ],
}


def test_schedules_are_scheduled_actions_and_are_shown() -> None:
    simulation = Simulation()
    simulation.cluster.apply(spec(SCHEDULED))
    simulation.settle(6)
    target = simulation.target()
    assert target is not None
    assert {name: action.body["Schedule"] for name, action in target.actions.items()} == {
        "tgi-operator-office-hours-start": "cron(0 8 * * ? *)",
        "tgi-operator-office-hours-end": "cron(0 20 * * ? *)",
    }
    before = len(calls(simulation))
    seen = set()
    for _ in range(26 * 4):
        simulation.world.clock.advance(900)
        simulation.reconcile(check=True)
        shown = simulation.status["scaling"]
        seen.add((shown.get("activeSchedule"), shown["minReplicas"], shown["maxReplicas"], target.least, target.most))
    assert seen == {(None, 1, 4, 1, 4), ("office-hours", 2, 6, 2, 6)}
    assert len(calls(simulation)) == before, "AWS moves the bounds by itself"
    assert ("Normal", "BoundsChanged") in simulation.cluster.events


def test_a_deletion_ends_scaling_first(scaling: Simulation) -> None:
    scaling.cluster.delete()
    scaling.settle(5)
    assert scaling.is_gone()
    assert scaling.leftovers() == []
    assert calls(scaling)[-2:] == ["DeregisterScalableTarget", "DeleteEndpoint"]


def test_an_endpoint_deleted_by_hand_is_registered_anew(scaling: Simulation) -> None:
    scaling.load(9)
    scaling.settle(10)
    scaling.load(None)
    assert scaling.status["readyReplicas"] == 2
    scaling.aws("DeleteEndpoint", EndpointName=ENDPOINT)
    scaling.settle(10)
    assert scaling.is_ready()
    assert scaling.target() is not None


def test_reads_that_lag_behind_are_not_taken_for_drift() -> None:
    simulation = Simulation()
    simulation.world.consistency_delay = 90
    simulation.cluster.apply(spec())
    simulation.settle(12)
    assert simulation.is_ready()
    assert calls(simulation, *WRITES) == ["RegisterScalableTarget", "PutScalingPolicy"]


def test_concurrent_updates_are_tried_again_in_silence(scaling: Simulation) -> None:
    scaling.world.concurrent_update_seconds = 90
    scaling.cluster.apply(spec({"minReplicas": 2, "maxReplicas": 3}))
    scaling.settle(8)
    target = scaling.target()
    assert target is not None
    assert (target.least, target.most) == (2, 3)
    assert scaling.is_ready()
    assert not scaling.condition("Stalled")


def test_a_refused_policy_is_told_and_the_endpoint_serves_on(scaling: Simulation) -> None:
    metric = {
        "type": "CloudWatch",
        "target": {"value": "70"},
        "cloudWatch": {"metrics": [{"namespace": "x", "metricName": "y", "statistic": "Average"}]},
    }
    refuse = scaling.amazon.refused
    refuse["PutScalingPolicy"] = ("ValidationException", "1 validation error detected")
    scaling.cluster.apply(spec({**AUTOSCALING, "metrics": [metric]}))
    scaling.settle(3)
    assert scaling.condition("ScalingActive")["reason"] == "RejectedByAWS"
    assert scaling.condition("Stalled")["reason"] == "RejectedByAWS"
    assert scaling.condition("Available")["status"] == "True"
    refuse.clear()
    scaling.cluster.apply(spec())
    scaling.settle(3)
    assert scaling.is_ready()
    assert scaling.condition("ScalingActive")["status"] == "True"


def test_the_quota_of_scalable_targets_is_told() -> None:
    simulation = Simulation()
    simulation.world.scalable_targets_quota = 0
    simulation.cluster.apply(spec())
    simulation.settle(8)
    assert simulation.condition("ScalingActive")["reason"] == "QuotaExceeded"
    assert simulation.condition("Stalled")["reason"] == "QuotaExceeded"
    assert simulation.condition("Available")["status"] == "True"
    simulation.world.scalable_targets_quota = 500
    simulation.settle(60)
    assert simulation.is_ready()
