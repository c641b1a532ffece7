"""Pods whose count follows the load: who sets it, what is applied, and what is reported."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from tgi_operator.api.autoscaling import MetricType
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Scaler
from tgi_operator.backends.incluster.decide.scaling_status import SCALE_MANAGER
from tgi_operator.backends.incluster.decide.steps import Delete, Step
from tgi_operator.backends.incluster.desired.autoscaler import PODS_METRICS, Means, pod_names
from unit.operator.incluster.given import OWNER, Cluster, spec, unschedulable

AUTOSCALING: Mapping[str, Any] = {"minReplicas": 2, "maxReplicas": 4}
KEDA = Means(keda=True, prometheus="http://prometheus:9090")


def autoscaled(**fields: Any) -> dict[str, Any]:
    return spec({"autoscaling": {**AUTOSCALING, **fields}})


def steps(planned: tuple[Step, ...]) -> list[str]:
    """Return the steps as verb, kind and, if it is not ours, the manager."""
    return [
        f"Delete {step.body['kind']}"
        if isinstance(step, Delete)
        else f"Apply {step.manifest['kind']}{' by ' + step.manager if step.manager == SCALE_MANAGER else ''}"
        for step in planned
    ]


def test_new_pods_begin_with_the_lower_bound_and_are_handed_over() -> None:
    cluster = Cluster(autoscaled())
    first = cluster.step()
    assert "Apply HorizontalPodAutoscaler" in steps(first.steps)
    assert cluster.deployment["spec"]["replicas"] == 2
    second = cluster.step()
    assert steps(second.steps) == ["Apply Deployment by tgi-operator-scale", "Apply Deployment"]
    assert cluster.deployment["spec"]["replicas"] == 2, "never one for a moment"
    cluster.serve()
    assert cluster.step().steps == ()
    assert cluster.status.desired_replicas == 2


@pytest.mark.parametrize("wanted", [2, 3, 4])
def test_the_autoscaler_is_never_fought(wanted: int) -> None:
    cluster = Cluster(autoscaled()).settle()
    cluster.hpa(ScalingActive=("True", "ValidMetricFound", "from pods metric tgi_queue_size"))
    cluster.scale(wanted)
    planned = cluster.step()
    assert planned.steps == ()
    assert cluster.condition("Ready") is not None
    assert cluster.condition("Ready")["status"] == "True"  # type: ignore[index]
    cluster.serve()
    assert cluster.step().steps == ()
    assert cluster.status.ready_replicas == wanted
    scaling = cluster.status.scaling
    assert scaling is not None
    assert scaling.scaler is Scaler.HORIZONTAL_POD_AUTOSCALER
    if wanted != 2:
        assert scaling.history is not None
        record = scaling.history[0]
        assert (record.before, record.to, record.time) == (2, wanted, "2026-01-31T12:00:00Z")
        assert "tgi_queue_size" in record.reason


def test_reason_is_reported_as_soon_as_the_autoscaler_has_one() -> None:
    """It changes the replica count first, and its own status afterwards."""
    cluster = Cluster(autoscaled()).settle()
    cluster.scale(3)
    cluster.step()
    assert cluster.status.scaling is not None
    assert cluster.status.scaling.history is not None
    assert cluster.status.scaling.history[0].reason == "HorizontalPodAutoscaler zephyr-7b"
    cluster.hpa(ScalingActive=("True", "ValidMetricFound", "from pods metric tgi_queue_size"))
    cluster.step()
    assert [each.reason for each in cluster.status.scaling.history] == [
        "HorizontalPodAutoscaler zephyr-7b: from pods metric tgi_queue_size"
    ]


def test_a_new_revision_keeps_the_number() -> None:
    cluster = Cluster(autoscaled()).settle()
    cluster.scale(4)
    cluster.serve()
    cluster.step()
    cluster.described, cluster.generation = {**autoscaled(), "runtime": {"maxTotalTokens": 2048}}, 2
    planned = cluster.step()
    assert "Apply Deployment" in steps(planned.steps)
    assert cluster.deployment["spec"]["replicas"] == 4


NUMBERS = st.sampled_from(["fixed", "autoscaled", "absent", "scale"])


@settings(max_examples=80, deadline=None)
@hypothesis_given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_the_number_changes_only_when_somebody_wants_another(acts: list[str]) -> None:
    cluster = Cluster(spec({"replicas": 3})).settle()
    expected = 3
    for number, act in enumerate(acts, start=2):
        cluster.generation, before = number, expected
        if act == "fixed":
            cluster.described, expected = spec({"replicas": 3}), 3
        elif act == "autoscaled":
            cluster.described = autoscaled()
        elif act == "absent":
            cluster.described = spec()
        elif "autoscaling" in cluster.described:
            expected = 5 - expected if expected in (2, 3) else 2
            cluster.scale(expected)
        for _ in range(4):
            planned = cluster.plan()
            for step in planned.steps:
                cluster.act(step)
                assert cluster.deployment["spec"]["replicas"] in (before, expected)
            cluster.status = planned.status
        assert cluster.deployment["spec"]["replicas"] == expected
        assert ("autoscaling" in cluster.described) == (("HorizontalPodAutoscaler", OWNER.name) in cluster.children)
        cluster.serve()


def test_who_changes_the_number_goes_before_another_number_is_applied() -> None:
    cluster = Cluster(autoscaled()).settle()
    cluster.described, cluster.generation = spec({"replicas": 1}), 2
    assert steps(cluster.step().steps) == ["Delete HorizontalPodAutoscaler", "Apply Deployment"]
    assert cluster.deployment["spec"]["replicas"] == 1
    assert cluster.condition("ScalingActive") is None


def test_keda_is_used_where_the_address_of_a_prometheus_is_set() -> None:
    cluster = Cluster(autoscaled(), means=KEDA).settle()
    made = cluster.children[("ScaledObject", OWNER.name)]["spec"]
    assert (made["minReplicaCount"], made["maxReplicaCount"]) == (2, 4)
    assert made["triggers"][0]["metadata"] == {
        "serverAddress": "http://prometheus:9090",
        "query": (
            '(sum(tgi_queue_size{namespace="ml",pod=~"zephyr-7b-[a-z0-9]+-[a-z0-9]+"}) '
            'or 0 * count(up{namespace="ml",pod=~"zephyr-7b-[a-z0-9]+-[a-z0-9]+"} == 1))'
        ),
        "threshold": "5",
        "ignoreNullValues": "false",
    }
    assert ("HorizontalPodAutoscaler", OWNER.name) not in cluster.children
    assert cluster.status.scaling is not None
    assert cluster.status.scaling.scaler is Scaler.SCALED_OBJECT
    cluster.means = Means(custom_metrics=True, keda=True, prometheus="http://prometheus:9090")
    assert steps(cluster.step().steps) == [], "a metrics API of another application takes nothing away from KEDA"
    cluster.means = Means(custom_metrics=True, keda=True)
    assert steps(cluster.step().steps) == ["Delete ScaledObject", "Apply HorizontalPodAutoscaler"]


def test_metrics_api_and_prometheus_of_a_cloud() -> None:
    """As Google Cloud's adapter calls the metric, and as Amazon's Prometheus wants to be queried."""
    names = PODS_METRICS | {MetricType.QUEUE_DEPTH: "prometheus.googleapis.com|tgi_queue_size|gauge"}
    cluster = Cluster(autoscaled(), means=Means(custom_metrics=True, names=names)).settle()
    (metric,) = cluster.children[("HorizontalPodAutoscaler", OWNER.name)]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "prometheus.googleapis.com|tgi_queue_size|gauge"

    cluster.means = replace(KEDA, authentication="amp", trigger_metadata={"awsRegion": "eu-west-1", "query": "1"})
    cluster.settle()
    (trigger,) = cluster.children[("ScaledObject", OWNER.name)]["spec"]["triggers"]
    assert trigger["authenticationRef"] == {"kind": "ClusterTriggerAuthentication", "name": "amp"}
    assert trigger["metadata"]["awsRegion"] == "eu-west-1"
    assert "tgi_queue_size" in trigger["metadata"]["query"], "the operator's own metadata wins"


@pytest.mark.parametrize("length", [1, 20, 45, 46, 47, 48, 55, 57, 58, 60, 63])
def test_names_of_pods_match_however_long_the_name_is(length: int) -> None:
    deployment = "z" * length
    for template_hash in ("5d5f8bd6d9", "7c4"):
        generated = f"{deployment}-{template_hash}-"[:58] + "x7lkq"
        assert re.fullmatch(pod_names(deployment), generated), generated
        assert not re.fullmatch(pod_names(deployment), f"{'y' * length}-{template_hash}-x7lkq")


@pytest.mark.parametrize(
    ("means", "conditions", "expected"),
    [
        (
            Means(custom_metrics=True),
            {"ScalingActive": ("True", "ValidMetricFound", "m")},
            ("True", Reason.AUTOSCALING),
        ),
        (Means(), {"ScalingActive": ("True", "ValidMetricFound", "m")}, ("False", Reason.METRICS_API_MISSING)),
        (
            Means(custom_metrics=True),
            {"ScalingActive": ("False", "FailedGetPodsMetric", "no metrics returned")},
            ("False", Reason.NO_METRICS),
        ),
        (
            Means(custom_metrics=True),
            {"ScalingActive": ("False", "InvalidMetricSourceType", "m")},
            ("False", Reason.SCALING_FAILED),
        ),
        (
            Means(custom_metrics=True),
            {"AbleToScale": ("False", "FailedGetScale", "m")},
            ("False", Reason.SCALING_FAILED),
        ),
    ],
)
def test_scaling_active_says_what_the_autoscaler_says(
    means: Means, conditions: dict[str, tuple[str, str, str]], expected: tuple[str, Reason]
) -> None:
    cluster = Cluster(autoscaled(), means=means).settle()
    cluster.hpa(**conditions)
    cluster.step()
    said = cluster.condition("ScalingActive")
    assert said is not None
    assert (said["status"], said["reason"]) == expected
    ready = cluster.condition("Ready")
    assert ready is not None
    assert ready["status"] == "True", "what serves, serves"


@pytest.mark.parametrize(
    ("means", "words"),
    [
        (Means(), "KEDA is not installed, and --prometheus-address is not set; install a metrics adapter, or install"),
        (Means(keda=True), "cannot use KEDA because --prometheus-address is not set; install a metrics adapter or set"),
        (Means(prometheus="http://p"), "and KEDA is not installed; install a metrics adapter or KEDA; see Scaling"),
    ],
)
def test_what_autoscaling_lacks_is_named(means: Means, words: str) -> None:
    cluster = Cluster(autoscaled(), means=means).settle()
    cluster.hpa(ScalingActive=("True", "ValidMetricFound", "m"))
    cluster.step()
    said = cluster.condition("ScalingActive")
    assert said is not None
    assert words in said["message"]


def test_more_pods_than_gpus_are_reported_and_the_ready_ones_serve() -> None:
    cluster = Cluster(autoscaled()).settle()
    cluster.scale(4)
    ready = [body for (kind, _), body in cluster.children.items() if kind == "Pod"]
    cluster.pods(*ready, unschedulable("p-3", cluster.revision), unschedulable("p-4", cluster.revision))
    cluster.step()
    shown = cluster.condition("Ready")
    assert shown is not None
    assert (shown["status"], shown["reason"]) == ("True", Reason.SCALING)
    assert cluster.condition("Stalled") is None
    said = cluster.condition("ScalingActive")
    assert said is not None
    assert (said["status"], said["reason"]) == ("False", Reason.UNSCHEDULABLE)
    assert "Insufficient nvidia.com/gpu" in said["message"]


def test_fewer_than_the_lower_bound_is_not_ready() -> None:
    cluster = Cluster(autoscaled(minReplicas=3)).settle()
    ready = [body for (kind, _), body in cluster.children.items() if kind == "Pod"]
    cluster.pods(*ready[:1], unschedulable("p-3", cluster.revision), unschedulable("p-4", cluster.revision))
    cluster.step()
    shown = cluster.condition("Ready")
    assert shown is not None
    assert shown["status"] == "False"


NIGHT = {"name": "night", "timeZone": "Europe/Madrid", "start": "0 22 * * *", "end": "0 6 * * *", "maxReplicas": 2}


@pytest.mark.parametrize(
    ("utc", "most"),
    [
        ("2026-01-31T20:59:59", 4),
        ("2026-01-31T21:00:00", 2),
        ("2026-02-01T04:59:59", 2),
        ("2026-02-01T05:00:00", 4),
        # After the last Sunday of March, the same hours come earlier.
        ("2026-03-29T19:59:59", 4),
        ("2026-03-29T20:00:00", 2),
    ],
)
def test_a_schedule_moves_the_bounds_of_the_autoscaler(utc: str, most: int) -> None:
    cluster = Cluster(autoscaled(schedules=[NIGHT])).settle()
    cluster.now = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    planned = cluster.step()
    made = cluster.children[("HorizontalPodAutoscaler", OWNER.name)]["spec"]
    assert (made["minReplicas"], made["maxReplicas"]) == (2, most)
    assert planned.notes == (), "the start of a schedule has an Event of its own"
    scaling = cluster.status.scaling
    assert scaling is not None
    assert (scaling.max_replicas, scaling.active_schedule) == (most, "night" if most == 2 else None)


def test_other_bounds_by_hand_are_put_back() -> None:
    cluster = Cluster(autoscaled()).settle()
    cluster.children[("HorizontalPodAutoscaler", OWNER.name)]["spec"]["maxReplicas"] = 40
    planned = cluster.step()
    assert steps(planned.steps) == ["Apply HorizontalPodAutoscaler"]
    assert [note.reason for note in planned.notes] == [Reason.RESTORED]


def test_behavior_and_metrics_are_autoscaling_v2s() -> None:
    behavior = {
        "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 90}]},
        "scaleDown": {"stabilizationWindowSeconds": 600, "selectPolicy": "Min"},
    }
    both = [
        {"type": "QueueDepth", "target": {"averageValue": 4}},
        {"type": "ConcurrentRequests", "target": {"averageValue": "16"}},
    ]
    cluster = Cluster(autoscaled(behavior=behavior, metrics=both)).settle()
    made = cluster.children[("HorizontalPodAutoscaler", OWNER.name)]["spec"]
    assert made["behavior"] == behavior
    assert [(each["pods"]["metric"]["name"], each["pods"]["target"]) for each in made["metrics"]] == [
        ("tgi_queue_size", {"type": "AverageValue", "averageValue": "4"}),
        ("tgi_concurrent_requests", {"type": "AverageValue", "averageValue": "16"}),
    ]
