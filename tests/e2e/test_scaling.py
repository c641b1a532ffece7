"""Scaling on SageMaker as users see it: by hand, by an HPA on the resource, and by Application Auto Scaling."""

import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from e2e.conftest import FALCON, Cloud, manifest, until

pytestmark = pytest.mark.installation("sageMaker")

AUTOSCALED: Mapping[str, Any] = {**FALCON, "autoscaling": {"minReplicas": 1, "maxReplicas": 4}}
WRITES = frozenset(
    {
        "RegisterScalableTarget",
        "DeregisterScalableTarget",
        "PutScalingPolicy",
        "DeleteScalingPolicy",
        "UpdateEndpoint",
        "DeleteEndpoint",
    }
)


def addressed(cloud: Cloud, name: str) -> dict[str, str]:
    """Return the identifiers of the scalable target of a resource."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{cloud.endpoint_name(name)}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def writes(cloud: Cloud, since: int = 0) -> list[tuple[str, str]]:
    """Return the writes on this namespace that affect scaling, each with its outcome."""
    return [(each.operation, each.outcome) for each in cloud.requests(since) if each.operation in WRITES]


def ready_replicas(cloud: Cloud, name: str) -> int:
    """Return the number of serving instances."""
    return int(cloud.get(name)["status"].get("readyReplicas", 0))


def reach(cloud: Cloud, name: str, replicas: int, seconds: float = 60) -> None:
    """Wait until so many instances or pods serve; Ready has to stay True meanwhile."""

    def there() -> bool:
        assert cloud.condition(name, "Ready")["status"] == "True", cloud.get(name)["status"]
        return ready_replicas(cloud, name) == replicas

    until(there, lambda: str(cloud.get(name)["status"]), seconds)


def test_load_scales_out_and_in_and_the_resource_tells_it(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", AUTOSCALED)
    cloud.wait_ready("falcon-7b")
    assert cloud.condition("falcon-7b", "ScalingActive")["status"] == "True"
    target = cloud.control.scaling(cloud.endpoint_name("falcon-7b"))
    assert target is not None
    assert (target["least"], target["most"], list(target["policies"])) == (1, 4, ["tgi-operator-ConcurrentRequests"])
    cloud.control.load(cloud.endpoint_name("falcon-7b"), concurrentRequests=18)
    reach(cloud, "falcon-7b", 4)
    scaling = cloud.get("falcon-7b")["status"]["scaling"]
    assert (scaling["minReplicas"], scaling["maxReplicas"]) == (1, 4)
    assert (scaling["history"][0]["from"], scaling["history"][0]["to"]) == (1, 4)
    assert "AlarmHigh" in scaling["history"][0]["reason"]
    replicas = cloud.operator.metrics()
    labels = f'namespace="{cloud.namespace}",name="falcon-7b"'
    counted = {
        kind: replicas[f'tgi_operator_replicas{{{labels},kind="{kind}"}}']
        for kind in ("desired", "ready", "min", "max")
    }
    assert counted == {"desired": 4, "ready": 4, "min": 1, "max": 4}
    assert "Scaled from 1 to 4" in cloud.kubectl("get", "events", "-o", "jsonpath={.items[*].note}{.items[*].message}")
    cloud.control.load(cloud.endpoint_name("falcon-7b"), concurrentRequests=None)
    reach(cloud, "falcon-7b", 1)
    assert cloud.accepted("UpdateEndpoint") == 0


def test_every_call_around_another_instance_type_is_legal(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", {**FALCON, "replicas": 1})
    cloud.wait_ready("falcon-7b")
    cloud.kubectl("scale", "tgi/falcon-7b", "--replicas=2")
    reach(cloud, "falcon-7b", 2)
    cloud.apply("falcon-7b", AUTOSCALED)
    cloud.wait_reason("falcon-7b", "ScalingActive", "Autoscaling")
    cloud.apply("falcon-7b", {**AUTOSCALED, "runtime": {"maxTotalTokens": 2048}})
    cloud.wait_ready("falcon-7b")
    assert ready_replicas(cloud, "falcon-7b") == 2, "an update keeps the scaled count"
    other = {**AUTOSCALED, "sageMaker": {**FALCON["sageMaker"], "instanceType": "ml.g5.48xlarge"}}
    cloud.apply("falcon-7b", other)
    cloud.wait_ready("falcon-7b")
    cloud.wait_reason("falcon-7b", "ScalingActive", "Autoscaling")
    cloud.apply("falcon-7b", {key: value for key, value in other.items() if key != "autoscaling"})
    until(lambda: cloud.condition("falcon-7b", "ScalingActive") == {}, lambda: str(cloud.get("falcon-7b")["status"]))
    cloud.kubectl("delete", "tgi", "falcon-7b", "--timeout=60s")
    assert writes(cloud) == [
        ("RegisterScalableTarget", "OK"),
        ("PutScalingPolicy", "OK"),
        ("UpdateEndpoint", "OK"),
        ("DeregisterScalableTarget", "OK"),
        ("UpdateEndpoint", "OK"),
        ("RegisterScalableTarget", "OK"),
        ("PutScalingPolicy", "OK"),
        ("DeregisterScalableTarget", "OK"),
        ("DeleteEndpoint", "OK"),
    ]


def test_a_kill_in_the_midst_of_another_instance_type_loses_nothing(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", AUTOSCALED)
    cloud.wait_ready("falcon-7b")
    cloud.control.cut("DeregisterScalableTarget", name=cloud.endpoint_name("falcon-7b"))
    cloud.apply("falcon-7b", {**AUTOSCALED, "sageMaker": {**FALCON["sageMaker"], "instanceType": "ml.g5.48xlarge"}})
    until(lambda: ("DeregisterScalableTarget", "cut") in writes(cloud), lambda: str(writes(cloud)))
    cloud.operator.process.signal(signal.SIGKILL)
    until(lambda: not cloud.operator.process.running, lambda: "it still runs")
    cloud.operator.start()
    cloud.wait_ready("falcon-7b")
    cloud.wait_reason("falcon-7b", "ScalingActive", "Autoscaling")
    assert cloud.control.scaling(cloud.endpoint_name("falcon-7b")) is not None


def test_schedules_and_metrics_come_and_go_with_the_spec(cloud: Cloud) -> None:
    hours = {"name": "night", "timeZone": "Europe/Madrid", "start": "0 22 * * *", "end": "0 6 * * *", "maxReplicas": 1}
    metric = {"type": "InvocationsPerInstance", "target": {"averageValue": 60}}
    tagged = {**FALCON["sageMaker"], "tags": [{"key": "team", "value": "ml"}]}
    bounds = {"minReplicas": 1, "maxReplicas": 4}
    cloud.apply("falcon-7b", {**FALCON, "sageMaker": tagged, "autoscaling": {**bounds, "schedules": [hours]}})
    cloud.wait_ready("falcon-7b")
    name = cloud.endpoint_name("falcon-7b")

    def registered() -> tuple[set[str], set[str]]:
        target = cloud.control.scaling(name) or {"policies": (), "actions": ()}
        return set(target["policies"]), set(target["actions"])

    actions = {"tgi-operator-night-start", "tgi-operator-night-end"}
    until(lambda: registered() == ({"tgi-operator-ConcurrentRequests"}, actions), lambda: str(registered()))
    cloud.apply("falcon-7b", {**FALCON, "autoscaling": {**bounds, "metrics": [metric]}})
    until(lambda: registered() == ({"tgi-operator-InvocationsPerInstance"}, set()), lambda: str(registered()))
    arn = cloud.get("falcon-7b")["status"]["sageMaker"]["endpointARN"]

    def keys() -> set[str]:
        return {tag["Key"] for tag in cloud.sagemaker().list_tags(ResourceArn=arn)["Tags"]}

    until(lambda: "team" not in keys(), lambda: str(keys()))


def test_a_target_and_policies_changed_by_hand_come_back_and_others_stay(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", AUTOSCALED)
    cloud.wait_ready("falcon-7b")
    client, where = cloud.client("application-autoscaling"), addressed(cloud, "falcon-7b")
    theirs = {
        "TargetValue": 100.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    client.put_scaling_policy(
        **where,
        PolicyName="theirs",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=theirs,
    )
    until(
        lambda: cloud.get("falcon-7b")["status"]["scaling"].get("foreignPolicies") == ["theirs"],
        lambda: str(cloud.get("falcon-7b")["status"]),
    )
    # For two minutes after its own request, the operator treats a difference as a stale read.
    status = {"status": {"sageMaker": {"scalingRequestTime": "2026-01-01T00:00:00Z"}}}
    cloud.kubectl("patch", "tgi", "falcon-7b", "--subresource=status", "--type=merge", "-p", yaml.safe_dump(status))
    client.delete_scaling_policy(**where, PolicyName="tgi-operator-ConcurrentRequests")
    client.register_scalable_target(**where, MinCapacity=1, MaxCapacity=40)

    def is_right() -> bool:
        target = cloud.control.scaling(cloud.endpoint_name("falcon-7b"))
        wanted = (4, {"theirs", "tgi-operator-ConcurrentRequests"})
        return target is not None and (target["most"], set(target["policies"])) == wanted

    until(is_right, lambda: str(cloud.control.scaling(cloud.endpoint_name("falcon-7b"))))


def test_scaling_that_the_quota_blocks_is_told_on_the_resource(cloud: Cloud) -> None:
    name = cloud.endpoint_name("falcon-7b")
    spec = {**AUTOSCALED, "sageMaker": {**FALCON["sageMaker"], "instanceType": "ml.g5.24xlarge"}}
    cloud.apply("falcon-7b", spec)
    cloud.wait_ready("falcon-7b")
    cloud.control.quota("ml.g5.24xlarge", 1)
    cloud.control.load(name, concurrentRequests=18)
    blocked = cloud.wait_reason("falcon-7b", "ScalingActive", "QuotaExceeded")
    assert "ml.g5.24xlarge for endpoint usage" in blocked["message"]
    assert cloud.condition("falcon-7b", "Ready")["status"] == "True"
    cloud.control.quota("ml.g5.24xlarge", 100)
    reach(cloud, "falcon-7b", 4)
    cloud.wait_reason("falcon-7b", "ScalingActive", "Autoscaling")


def test_scale_reaches_aws_within_two_seconds_and_waits_for_an_update(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", {**FALCON, "replicas": 1})
    cloud.wait_ready("falcon-7b")
    before = cloud.get("falcon-7b")["metadata"]["generation"]
    asked = time.monotonic()
    cloud.kubectl("scale", "tgi/falcon-7b", "--replicas=2")
    until(lambda: cloud.accepted("UpdateEndpointWeightsAndCapacities") == 1, lambda: "never asked for", 5)
    assert time.monotonic() - asked < 2
    status = cloud.get("falcon-7b")["status"]
    assert status["observedGeneration"] == before + 1
    assert status["desiredReplicas"] == 2
    reach(cloud, "falcon-7b", 2)
    cloud.apply("falcon-7b", {**FALCON, "replicas": 2, "runtime": {"maxTotalTokens": 2048}})
    cloud.wait_reason("falcon-7b", "Reconciling", "Updating")
    cloud.kubectl("scale", "tgi/falcon-7b", "--replicas=3")
    until(lambda: ready_replicas(cloud, "falcon-7b") == 3, lambda: str(cloud.get("falcon-7b")["status"]))
    refused = [each for each in cloud.requests() if each.outcome != "OK" and not each.operation.startswith("Describe")]
    assert refused == []
    assert cloud.get("falcon-7b")["status"]["scaling"]["history"][0]["reason"] == "spec.replicas changed"


def test_an_hpa_scales_the_resource_and_git_does_not_fight_it(cloud: Cloud) -> None:
    """The owner of each field, as a GitOps controller with server-side apply sees it."""
    in_git = yaml.safe_dump(manifest("falcon-7b", FALCON))
    sync = ("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-")
    cloud.kubectl(*sync, stdin=in_git)
    cloud.wait_ready("falcon-7b")
    cloud.kubectl("scale", "tgi/falcon-7b", "--replicas=1")
    target = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "name": "falcon-7b"}
    metric = {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}}
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "falcon-7b"},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": [metric]},
    }
    cloud.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(hpa))
    reach(cloud, "falcon-7b", 2)
    cloud.kubectl(*sync, stdin=in_git)
    found = cloud.get("falcon-7b")
    assert found["spec"]["replicas"] == 2, "Git has no replicas, so a sync leaves them"
    managed = {(each["manager"], each.get("subresource")): each["fieldsV1"] for each in _fields(cloud, "falcon-7b")}
    assert "f:replicas" not in managed["argocd-controller", None]["f:spec"]
    ours = [fields for (manager, _), fields in managed.items() if "tgi-operator" in manager]
    assert ours
    assert all("f:spec" not in fields for fields in ours), "the operator never writes the spec"
    cloud.kubectl("delete", "hpa", "falcon-7b")


def _fields(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{cloud.namespace}/tgiendpoints/{name}"
    found: list[dict[str, Any]] = cloud.plane.api.request("GET", path)["metadata"]["managedFields"]
    return found


def test_a_spec_that_cannot_scale_costs_nothing(cloud: Cloud) -> None:
    bad = {"name": "night", "start": "0 25 * * *", "end": "0 6 * * *", "minReplicas": 1}
    cloud.apply("falcon-7b", {**FALCON, "autoscaling": {"maxReplicas": 4, "schedules": [bad]}})
    stalled = cloud.wait_reason("falcon-7b", "Stalled", "InvalidSpec")
    assert 'spec.autoscaling.schedules[night].start "0 25 * * *": Bad hour' in stalled["message"]
    assert cloud.requests() == []
    assert "at most one of replicas and autoscaling may be set" in cloud.kubectl(
        "scale", "tgi/falcon-7b", "--replicas=2", check=False
    )
