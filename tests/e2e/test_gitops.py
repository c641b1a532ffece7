"""The view of a GitOps controller: the operator never writes fields of users, and health follows the resource."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

import argocd
from e2e.conftest import CHILDREN, FALCON, ZEPHYR, Cloud, manifest, until
from kstatus import kstatus

TRACKING = "argocd.argoproj.io/tracking-id"
ANNOTATIONS = {TRACKING: "tgi:tgi-operator.dev/TGIEndpoint:ml/x", "argocd.argoproj.io/sync-wave": "0"}
LABELS = {"team": "search", "app.kubernetes.io/instance": "tgi", "app.kubernetes.io/managed-by": "argocd"}
USERS = ("argocd-controller", "kubectl")
NEXT = {"runtime": {"maxTotalTokens": 2048}}


def sync(cloud: Cloud, name: str, spec: Mapping[str, Any], **annotations: str) -> None:
    """Apply like Argo CD with ServerSideApply=true."""
    in_git = manifest(name, spec)
    in_git["metadata"] |= {"labels": LABELS, "annotations": ANNOTATIONS | annotations}
    command = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-")
    cloud.kubectl(*command, stdin=yaml.safe_dump(in_git))


def living(cloud: Cloud, name: str) -> dict[str, Any]:
    """Return a TGIEndpoint with its managedFields."""
    path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{cloud.namespace}/tgiendpoints/{name}"
    return cloud.plane.api.request("GET", path)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(FALCON, marks=pytest.mark.installation("sageMaker"), id="SageMaker"),
        pytest.param(ZEPHYR, marks=pytest.mark.installation("pods"), id="pods"),
    ],
)
def test_spec_labels_and_annotations_are_never_written(cloud: Cloud, spec: Mapping[str, Any]) -> None:
    sync(cloud, "mine", spec)
    cloud.wait_ready("mine")
    sync(cloud, "mine", {**spec, **NEXT})
    cloud.wait_ready("mine")
    cloud.kubectl("scale", "tgi/mine", "--replicas=2")
    until(lambda: cloud.get("mine")["status"].get("readyReplicas") == 2, lambda: str(cloud.get("mine")["status"]))
    resource = living(cloud, "mine")
    assert resource["metadata"]["labels"] == LABELS
    assert resource["metadata"]["annotations"] == ANNOTATIONS
    ours = [entry for entry in resource["metadata"]["managedFields"] if entry["manager"] not in USERS]
    fields = {field: set(below) for entry in ours for field, below in entry["fieldsV1"].items()}
    assert set(fields) == {"f:metadata", "f:status"}
    assert fields["f:metadata"] == {"f:finalizers"}
    for child in cloud.objects(f"{CHILDREN},horizontalpodautoscalers"):
        meta = child["metadata"]
        assert TRACKING not in meta.get("annotations", {}), "Argo CD would prune it"
        assert not {"team", "app.kubernetes.io/instance"} & set(meta.get("labels", {})), child["kind"]


@pytest.mark.installation("sageMaker")
def test_another_label_or_annotation_costs_nothing(cloud: Cloud) -> None:
    sync(cloud, "mine", FALCON)
    cloud.wait_ready("mine")
    before, calls = living(cloud, "mine"), len(cloud.requests())
    writes = cloud.operator.metrics()['tgi_operator_kubernetes_writes_total{kind="status"}']
    sync(cloud, "mine", FALCON, **{TRACKING: "renamed:tgi-operator.dev/TGIEndpoint:ml/x"})
    sync(cloud, "mine", {**FALCON, "deletionPolicy": "Delete"})  # the default in the schema
    after = living(cloud, "mine")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"] == before["status"]
    assert cloud.operator.metrics()['tgi_operator_kubernetes_writes_total{kind="status"}'] == writes
    assert [each.operation for each in cloud.requests()[calls:] if not each.operation.startswith(("Des", "List"))] == []


@pytest.mark.installation("sageMaker")
def test_health_agrees_with_kstatus_at_every_moment(cloud: Cloud) -> None:
    sync(cloud, "mine", FALCON)
    seen: list[str] = []

    def follow(end: str) -> None:
        for resource in cloud.moments("mine", 30):
            status, message = argocd.health(resource)
            assert argocd.HEALTH_OF_KSTATUS[kstatus(resource)] == status
            assert message
            if seen[-1:] != [status]:
                seen.append(status)
            if status == end:
                return

    follow("Healthy")
    cloud.control.script(cloud.endpoint_name("mine"), "rollback", on="update")
    sync(cloud, "mine", {**FALCON, **NEXT})
    follow("Degraded")
    assert seen == ["Progressing", "Healthy", "Progressing", "Degraded"]
