"""TGI pods in the cluster, from creation to deletion, as a user sees them."""

import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import CHILDREN, ZEPHYR, Cloud, until
from kstatus import kstatus
from tgi_sandbox.cluster.definitions import wait_established
from tgi_sandbox.cluster.script import Outcome, annotations

pytestmark = pytest.mark.installation("pods")

Spec = dict[str, Any]


def changed(spec: Mapping[str, Any] = ZEPHYR, **fields: Any) -> Spec:
    """Return the spec with other fields; fields of inCluster are merged."""
    made = copy.deepcopy(dict(spec))
    made["inCluster"] |= fields.pop("inCluster", {})
    return made | fields


def invoke(cloud: Cloud, *arguments: str) -> str:
    """Run `tgi-operator invoke`; return the answer."""
    command = [str(Path(sys.executable).with_name("tgi-operator")), "invoke", "-n", cloud.namespace, *arguments]
    environment = {"KUBECONFIG": str(cloud.plane.kubeconfig), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pods_serve_answer_and_go(cloud: Cloud) -> None:
    cloud.apply("zephyr", changed(replicas=2))
    cloud.wait_ready("zephyr")
    status = cloud.get("zephyr")["status"]
    assert (status["backend"], status["replicas"], status["readyReplicas"], status["desiredReplicas"]) == (
        "InCluster",
        2,
        2,
        2,
    )
    assert status["url"] == f"http://zephyr.{cloud.namespace}.svc:80"
    assert status["currentRevision"] == status["updateRevision"]
    assert len(cloud.pods("zephyr")) == 2
    uid = cloud.get("zephyr")["metadata"]["uid"]
    for child in cloud.objects("deployments,services,poddisruptionbudgets"):
        assert [owner["uid"] for owner in child["metadata"]["ownerReferences"]] == [uid], child["kind"]
    question = "What is deep learning?"
    answer = invoke(cloud, "zephyr", question)
    assert "deep learning" in answer
    assert invoke(cloud, "zephyr", question, "--no-stream") == answer
    assert invoke(cloud, "zephyr", question, "--chat")
    cloud.kubectl("delete", "tgi", "zephyr", "--timeout=30s")
    until(lambda: cloud.objects(CHILDREN) == [], lambda: cloud.kubectl("get", CHILDREN))


def test_steady_pods_cost_nothing(cloud: Cloud) -> None:
    cloud.apply("zephyr", changed(replicas=2))
    cloud.wait_ready("zephyr")
    until(lambda: cloud.operator.metrics()["tgi_operator_queue_depth"] == 0, lambda: "the queue does not empty")
    kinds = f"{CHILDREN},tgiendpoints"
    before = {child["metadata"]["uid"]: child["metadata"]["resourceVersion"] for child in cloud.objects(kinds)}
    writes = written(cloud)
    cloud.operator.stop()
    cloud.operator.start()
    until(lambda: cloud.operator.metrics()["tgi_operator_queue_depth"] == 0, lambda: "the queue does not empty")
    assert written(cloud) == {}, f"a restart writes nothing; {writes} before"
    after = {child["metadata"]["uid"]: child["metadata"]["resourceVersion"] for child in cloud.objects(kinds)}
    assert after == before


def written(cloud: Cloud) -> dict[str, float]:
    """Return the operator's writes to Kubernetes by kind."""
    metrics = cloud.operator.metrics()
    return {name: value for name, value in metrics.items() if name.startswith("tgi_operator_kubernetes_writes_total")}


def test_a_new_pod_first_where_a_gpu_is_free_else_in_place(cloud: Cloud) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    first = cloud.get("zephyr")["status"]["currentRevision"]
    cloud.apply("zephyr", changed(runtime={"maxTotalTokens": 4096}))
    until(lambda: "A new pod becomes ready before an old pod terminates" in told(cloud), lambda: told(cloud))
    cloud.wait_ready("zephyr")
    assert cloud.get("zephyr")["status"]["inCluster"]["replacement"] == "Surge"
    assert cloud.get("zephyr")["status"]["currentRevision"] != first
    # Two pods use all eight GPUs. The resource stays Ready until then.
    cloud.apply("zephyr", changed(replicas=2, runtime={"maxTotalTokens": 4096}))
    until(lambda: cloud.get("zephyr")["status"].get("readyReplicas") == 2, lambda: told(cloud))
    cloud.apply("zephyr", changed(replicas=2, runtime={"maxTotalTokens": 2048}))
    until(lambda: "an old pod terminates before a new pod starts" in told(cloud), lambda: told(cloud))
    cloud.wait_ready("zephyr")
    assert cloud.get("zephyr")["status"]["inCluster"]["replacement"] == "InPlace"


def test_a_new_pod_that_finds_no_room_gets_that_of_an_old_one(cloud: Cloud) -> None:
    cloud.apply("zephyr", changed(inCluster={"resources": {"requests": {"memory": "600Gi"}}}))
    cloud.wait_ready("zephyr")
    # Its GPUs are free, its memory is not.
    cloud.apply("zephyr", changed(inCluster={"resources": {"requests": {"memory": "601Gi"}}}))
    until(
        lambda: cloud.get("zephyr")["status"]["inCluster"]["replacement"] == "InPlace",
        lambda: str(cloud.get("zephyr")["status"]),
    )
    cloud.wait_ready("zephyr")
    assert len(cloud.pods("zephyr")) == 1
    assert "A new pod becomes ready before an old pod terminates" in told(cloud), "it was tried"


@pytest.mark.parametrize(
    "impossible",
    [{"gpu": {"count": 4, "products": ["NVIDIA-L40S"]}}, {"resources": {"requests": {"memory": "4Ti"}}}],
    ids=["GPUs of a kind that no node has", "more memory than any node has"],
)
def test_pods_that_fit_on_no_node_end_no_serving_pod(cloud: Cloud, impossible: Mapping[str, Any]) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    (serving,) = cloud.pods("zephyr")
    rollout = {"progressDeadlineSeconds": 10, "onFailure": "Hold"}
    cloud.apply("zephyr", changed(rollout=rollout, inCluster=impossible))
    stalled = cloud.wait_reason("zephyr", "Stalled", "Unschedulable")
    assert "nodes are available" in stalled["message"]
    assert cloud.condition("zephyr", "Available")["status"] == "True"
    cloud.apply("zephyr", changed(rollout=rollout))
    cloud.wait_ready("zephyr")
    until(lambda: len(cloud.pods("zephyr")) == 1, lambda: str(cloud.pods("zephyr")))
    assert cloud.pods("zephyr")[0]["metadata"]["uid"] == serving["metadata"]["uid"]


@pytest.mark.parametrize(
    "labels",
    [
        {"karpenter.k8s.aws/instance-gpu-name": "l40s", "karpenter.k8s.aws/instance-gpu-memory": "45776"},
        {"eks.amazonaws.com/instance-gpu-name": "l40s", "eks.amazonaws.com/instance-gpu-memory": "45776"},
    ],
    ids=["Karpenter", "EKS Auto Mode"],
)
def test_a_node_with_the_labels_of_its_autoscaler_only_runs_the_pods(cloud: Cloud, labels: Mapping[str, str]) -> None:
    """The scheduler accepts the node before GPU feature discovery has labeled it."""
    wanted = {"gpu": {"count": 1, "products": ["NVIDIA-L40S"]}}
    node = cloud.plane.add_node("g6.xlarge")
    try:
        cloud.apply("zephyr", changed(inCluster=wanted))
        message = cloud.wait_reason("zephyr", "Ready", "Unschedulable")["message"]
        assert "didn't match Pod's node affinity/selector" in message
        cloud.kubectl("label", "node", node, "nvidia.com/gpu.product-", *(f"{key}={labels[key]}" for key in labels))
        cloud.wait_ready("zephyr")
        assert [pod["spec"]["nodeName"] for pod in cloud.pods("zephyr")] == [node]
    finally:
        cloud.kubectl("delete", "tgi", "zephyr")
        until(lambda: not cloud.objects("pods"), lambda: str(cloud.objects("pods")))
        cloud.kubectl("delete", "node", node)


def test_a_revision_that_does_not_become_ready_is_undone(cloud: Cloud) -> None:
    rollout = {"progressDeadlineSeconds": 8}
    cloud.apply("zephyr", changed(rollout=rollout))
    cloud.wait_ready("zephyr")
    (serving,) = cloud.pods("zephyr")
    revision = cloud.get("zephyr")["status"]["currentRevision"]
    crashing = {"metadata": {"annotations": annotations(Outcome.CRASH_LOOP, message="CUDA error: out of memory")}}
    cloud.apply("zephyr", changed(rollout=rollout, inCluster={"podTemplate": crashing}))
    stalled = cloud.wait_reason("zephyr", "Stalled", "UpdateRolledBack")
    assert "CUDA error: out of memory" in stalled["message"]
    until(lambda: len(cloud.pods("zephyr")) == 1, lambda: str(cloud.pods("zephyr")))
    status = cloud.get("zephyr")["status"]
    assert cloud.pods("zephyr")[0]["metadata"]["uid"] == serving["metadata"]["uid"]
    assert (status["currentRevision"], status["inCluster"]["rolledBackFrom"]) == (revision, status["updateRevision"])
    assert cloud.condition("zephyr", "Available")["status"] == "True"
    deployment = cloud.object("deployments", "zephyr")
    assert deployment is not None
    cloud.operator.stop()
    cloud.operator.start()
    until(lambda: cloud.operator.metrics()["tgi_operator_queue_depth"] == 0, lambda: "the queue does not empty")
    assert written(cloud) == {}, "the failed revision is not tried again"
    cloud.apply("zephyr", changed(rollout=rollout, runtime={"maxTotalTokens": 4096}))
    cloud.wait_ready("zephyr")
    assert "rolledBackFrom" not in cloud.get("zephyr")["status"]["inCluster"]


def test_pods_with_a_volume_of_one_node_stay_on_it(cloud: Cloud) -> None:
    cached = {"gpu": {"count": 1}, "cache": {"size": "50Gi", "accessMode": "ReadWriteOnce"}}
    cloud.apply("zephyr", changed(inCluster=cached))
    cloud.wait_ready("zephyr")
    (before,) = cloud.pods("zephyr")
    nodes: dict[str, str] = {}

    def fetched_twice() -> bool:
        for pod in cloud.objects("pods"):
            meta = pod["metadata"]
            if meta["name"].startswith("zephyr-fetch") and "nodeName" in pod["spec"]:
                nodes[meta["labels"]["batch.kubernetes.io/job-name"]] = pod["spec"]["nodeName"]
        return len(nodes) == 2

    (first,) = cloud.objects("jobs")
    cloud.apply("zephyr", changed(model={"uri": "hf://HuggingFaceH4/zephyr-7b-alpha"}, inCluster=cached))
    until(fetched_twice, lambda: f"{nodes} {cloud.objects('jobs')}")
    assert {nodes[job] for job in nodes.keys() - {first["metadata"]["name"]}} == {before["spec"]["nodeName"]}
    cloud.wait_ready("zephyr")
    assert cloud.get("zephyr")["status"]["inCluster"]["replacement"] == "InPlace"
    assert len(cloud.pods("zephyr")) == 1


def test_a_full_quota_of_gpus_lets_pods_be_replaced_in_place(cloud: Cloud) -> None:
    cloud.kubectl("create", "quota", "gpus", "--hard=requests.nvidia.com/gpu=4")
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    cloud.apply("zephyr", changed(runtime={"maxTotalTokens": 4096}))
    cloud.wait_ready("zephyr")
    assert cloud.get("zephyr")["status"]["inCluster"]["replacement"] == "InPlace"
    cloud.kubectl("delete", "quota", "gpus")


def told(cloud: Cloud) -> str:
    """Return the messages of Events about rollouts."""
    return cloud.kubectl("get", "events", "-o", "jsonpath={.items[?(@.reason=='Updating')].message}")


def test_scaled_by_hand_it_stays_ready_and_the_revision_the_same(cloud: Cloud) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    revision = cloud.get("zephyr")["status"]["currentRevision"]
    cloud.kubectl("scale", "tgi/zephyr", "--replicas=2")
    until(lambda: cloud.get("zephyr")["status"].get("readyReplicas") == 2, lambda: str(cloud.get("zephyr")["status"]))
    assert cloud.condition("zephyr", "Ready")["status"] == "True"
    assert cloud.get("zephyr")["status"]["currentRevision"] == revision
    assert len({pod["metadata"]["labels"]["pod-template-hash"] for pod in cloud.pods("zephyr")}) == 1
    transitions = cloud.condition("zephyr", "Ready")["lastTransitionTime"]
    cloud.kubectl("scale", "tgi/zephyr", "--replicas=1")
    until(lambda: len(cloud.pods("zephyr")) == 1, lambda: str(cloud.pods("zephyr")))
    cloud.wait_ready("zephyr")
    assert cloud.condition("zephyr", "Ready")["lastTransitionTime"] == transitions, "it was Ready all the time"


def test_without_replicas_what_somebody_scaled_stays(cloud: Cloud) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    cloud.kubectl("scale", "deployment/zephyr", "--replicas=2")
    until(lambda: cloud.get("zephyr")["status"].get("readyReplicas") == 2, lambda: str(cloud.get("zephyr")["status"]))
    cloud.apply("zephyr", changed(runtime={"maxTotalTokens": 2048}))
    cloud.wait_ready("zephyr")
    assert len(cloud.pods("zephyr")) == 2


@pytest.mark.parametrize("kind", ["deployments", "services", "poddisruptionbudgets"])
def test_a_deleted_child_is_put_back(cloud: Cloud, kind: str) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    old = cloud.object(kind, "zephyr")
    assert old is not None
    cloud.kubectl("delete", kind, "zephyr")
    until(lambda: cloud.object(kind, "zephyr") is not None, lambda: f"no {kind}")
    new = cloud.object(kind, "zephyr")
    assert new is not None
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    cloud.wait_ready("zephyr")


MONITORS: Mapping[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "podmonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {
            "kind": "PodMonitor",
            "listKind": "PodMonitorList",
            "plural": "podmonitors",
            "singular": "podmonitor",
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def test_pods_are_scraped_once_the_cluster_has_pod_monitors(cloud: Cloud) -> None:
    cloud.apply("zephyr", changed(inCluster={"podMonitor": {"labels": {"release": "prometheus"}}}))
    cloud.wait_ready("zephyr")
    cloud.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(dict(MONITORS)))
    wait_established(cloud.plane.api, MONITORS["metadata"]["name"])
    until(lambda: "No resources" in cloud.kubectl("get", "podmonitors", check=False), lambda: "not served")
    try:
        cloud.kubectl("annotate", "tgi", "zephyr", "tgi-operator.dev/requestedAt=now")
        until(
            lambda: cloud.object("podmonitors", "zephyr") is not None, lambda: "the API that is served now is not used"
        )
        monitor = cloud.object("podmonitors", "zephyr")
        assert monitor is not None
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        pod = cloud.pods("zephyr")[0]
        assert pod["metadata"]["labels"].items() >= monitor["spec"]["selector"]["matchLabels"].items()
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports
        cloud.kubectl("delete", "podmonitor", "zephyr")
        until(lambda: cloud.object("podmonitors", "zephyr") is not None, lambda: "it does not come back")
    finally:
        cloud.kubectl("delete", "crd", MONITORS["metadata"]["name"])
    cloud.kubectl("annotate", "tgi", "zephyr", "--overwrite", "tgi-operator.dev/requestedAt=later")
    until(
        lambda: cloud.get("zephyr")["status"].get("lastHandledRequest") == "later", lambda: "the request is not handled"
    )
    assert cloud.condition("zephyr", "Ready")["status"] == "True"


def test_what_others_change_is_put_right_and_what_they_add_is_left(cloud: Cloud) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    selector = {"spec": {"selector": {"tgi-operator.dev/name": "other"}}}
    cloud.kubectl("patch", "service", "zephyr", "--type=merge", "-p", json.dumps(selector))
    port = [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]
    cloud.kubectl("patch", "service", "zephyr", "--type=json", "-p", json.dumps(port))
    until(lambda: settled_port(cloud), lambda: cloud.kubectl("get", "service", "-o", "yaml"))
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "stolen"}]
    cloud.kubectl("patch", "deployment", "zephyr", "--type=json", "-p", json.dumps(image))
    cloud.kubectl("annotate", "deployment", "zephyr", "mesh.example.com/inject=true")
    cloud.kubectl("label", "service", "zephyr", "team=ml")
    until(lambda: settled(cloud), lambda: cloud.kubectl("get", "deployment,service", "-o", "yaml"))
    cloud.wait_ready("zephyr")
    assert "Restored" in cloud.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}")


def settled_port(cloud: Cloud) -> bool:
    """Return whether the Service has exactly its one port."""
    service = cloud.object("services", "zephyr")
    return service is not None and [port["port"] for port in service["spec"]["ports"]] == [80]


def settled(cloud: Cloud) -> bool:
    """Return whether our fields are restored and the fields of others are unchanged."""
    service, deployment = cloud.object("services", "zephyr"), cloud.object("deployments", "zephyr")
    assert service is not None
    assert deployment is not None
    return bool(
        service["spec"]["selector"]["tgi-operator.dev/name"] == "zephyr"
        and service["metadata"]["labels"]["team"] == "ml"
        and deployment["metadata"]["annotations"]["mesh.example.com/inject"] == "true"
        and deployment["spec"]["template"]["spec"]["containers"][0]["image"] != "stolen"
    )


def test_an_object_of_somebody_else_is_left_alone(cloud: Cloud) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "zephyr"},
        "spec": {"ports": [{"port": 1}], "selector": {"app": "other"}},
    }
    cloud.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(service))
    before = cloud.object("services", "zephyr")
    cloud.apply("zephyr", ZEPHYR)
    stalled = cloud.wait_reason("zephyr", "Stalled", "NotOwned", 10)
    assert "Service" in stalled["message"]
    assert kstatus(cloud.get("zephyr")) == "Failed"
    assert cloud.objects("deployments,poddisruptionbudgets") == []
    assert cloud.object("services", "zephyr") == before
    cloud.kubectl("delete", "service", "zephyr")


def test_a_spec_that_cannot_work_creates_nothing(cloud: Cloud) -> None:
    cloud.apply("zephyr", changed(runtime={"numShard": 8}))
    cloud.wait_reason("zephyr", "Stalled", "InvalidNumShard", 10)
    assert cloud.objects(CHILDREN) == []
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")


def test_the_backend_cannot_be_exchanged(cloud: Cloud) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    patch = {"spec": {"inCluster": None, "sageMaker": dict(SAGEMAKER)}}
    refusal = cloud.kubectl("patch", "tgi", "zephyr", "--type=merge", "-p", json.dumps(patch), check=False)
    assert "create a second TGIEndpoint" in refusal
    assert cloud.condition("zephyr", "Ready")["status"] == "True"


SAGEMAKER: Mapping[str, str] = {
    "region": "eu-west-1",
    "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec",
    "instanceType": "ml.g5.2xlarge",
}
