"""Weights are downloaded to a PVC once, before a pod takes a GPU."""

from typing import Any

import pytest
import yaml

from e2e.conftest import ZEPHYR, Cloud, until
from e2e.test_pods import changed
from kstatus import kstatus
from tgi_sandbox.cluster.script import annotations

pytestmark = pytest.mark.installation("pods")

CACHED = changed(inCluster={"cache": {"size": "50Gi"}})


def jobs(cloud: Cloud) -> list[dict[str, Any]]:
    """Return the jobs."""
    return cloud.objects("jobs")


def environment(cloud: Cloud) -> dict[str, str]:
    """Return the variables of TGI's container."""
    deployment = cloud.object("deployments", "zephyr")
    assert deployment is not None
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", "") for each in container["env"]}


def test_weights_are_fetched_once_and_pods_start_offline(cloud: Cloud) -> None:
    cloud.apply("zephyr", CACHED)
    cloud.wait_reason("zephyr", "Reconciling", "FetchingWeights", 10)
    cloud.wait_ready("zephyr")
    (job,) = jobs(cloud)
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][:2] == [
        "fetch",
        "hf://HuggingFaceH4/zephyr-7b-beta",
    ]
    assert environment(cloud)["HF_HUB_OFFLINE"] == "1"
    assert cloud.get("zephyr")["status"]["inCluster"]["claimName"] == "zephyr-weights"
    # The same weights with other options: no new download.
    cloud.apply("zephyr", {**CACHED, "runtime": {"maxTotalTokens": 2048}})
    cloud.wait_ready("zephyr")
    assert [each["metadata"]["uid"] for each in jobs(cloud)] == [job["metadata"]["uid"]]
    # Another revision of the model: a new job replaces the old one.
    cloud.apply("zephyr", {**CACHED, "model": {**ZEPHYR["model"], "revision": "v0.1"}})
    cloud.wait_ready("zephyr")
    until(lambda: len(jobs(cloud)) == 1, lambda: str(jobs(cloud)))
    assert jobs(cloud)[0]["metadata"]["uid"] != job["metadata"]["uid"]
    assert environment(cloud)["REVISION"] == "v0.1"


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_the_deletion_policy_decides_about_the_claim(cloud: Cloud, policy: str) -> None:
    cloud.apply("zephyr", {**CACHED, "deletionPolicy": policy})
    cloud.wait_ready("zephyr")
    claim = cloud.object("persistentvolumeclaims", "zephyr-weights")
    assert claim is not None
    cloud.kubectl("delete", "tgi", "zephyr", "--timeout=30s")
    if policy == "Delete":
        until(lambda: cloud.object("persistentvolumeclaims", "zephyr-weights") is None, lambda: "the claim is left")
        return
    until(lambda: cloud.objects("pods") == [], lambda: "pods are left")
    kept = cloud.object("persistentvolumeclaims", "zephyr-weights")
    assert kept is not None
    assert kept["metadata"]["uid"] == claim["metadata"]["uid"]
    assert "deletionTimestamp" not in kept["metadata"]
    # Applied again, it takes over the PVC again.
    cloud.apply("zephyr", CACHED)
    cloud.wait_ready("zephyr")
    assert cloud.get("zephyr")["status"]["inCluster"]["claimName"] == "zephyr-weights"


def test_a_job_that_fails_is_told_and_tried_again_when_it_is_deleted(cloud: Cloud) -> None:
    cloud.kubectl("create", "quota", "none", "--hard=pods=0")
    cloud.apply("zephyr", CACHED)
    until(lambda: jobs(cloud) != [], lambda: "no job")
    name = jobs(cloud)[0]["metadata"]["name"]
    failed = [
        {"type": kind, "status": "True", "reason": "PodFailurePolicy", "message": "exit code 3", **TIMES}
        for kind in ("FailureTarget", "Failed")
    ]
    status = {"status": {"conditions": failed}}
    cloud.plane.api.request("PATCH", f"/apis/batch/v1/namespaces/{cloud.namespace}/jobs/{name}/status", status)
    stalled = cloud.wait_reason("zephyr", "Stalled", "ModelDownloadFailed", 10)
    assert name in stalled["message"]
    assert kstatus(cloud.get("zephyr")) == "Failed"
    assert cloud.objects("deployments") == [], "no GPU was taken"
    cloud.kubectl("delete", "quota", "none")
    cloud.kubectl("delete", "job", name)
    cloud.wait_ready("zephyr")


def test_a_job_that_gets_no_pod_is_explained(cloud: Cloud) -> None:
    cloud.kubectl("create", "quota", "none", "--hard=pods=0")
    cloud.apply("zephyr", CACHED)
    stalled = cloud.wait_reason("zephyr", "Stalled", "QuotaExceeded", 120)
    assert "exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0" in stalled["message"]
    cloud.kubectl("delete", "quota", "none")
    cloud.wait_ready("zephyr", 120)


TIMES = {"lastTransitionTime": "2026-01-01T00:00:00Z", "lastProbeTime": "2026-01-01T00:00:00Z"}


def test_a_claim_that_has_the_weights_is_looked_at_first(cloud: Cloud) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    cloud.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(claim))
    cloud.apply("zephyr", changed(model={"uri": "pvc://models/zephyr/v1"}))
    cloud.wait_ready("zephyr")
    (job,) = jobs(cloud)
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][:2] == ["fetch", "file:///models/zephyr/v1"]
    assert environment(cloud)["MODEL_ID"] == "/models/zephyr/v1"
    assert cloud.object("persistentvolumeclaims", "models") is not None


def test_the_progress_of_the_job_is_told(cloud: Cloud) -> None:
    slow = {"metadata": {"annotations": annotations(start_seconds=8, logs="12.3 of 14.5 GiB")}}
    cloud.apply("zephyr", changed(CACHED, inCluster={"podTemplate": slow}))
    until(
        lambda: "12.3 of 14.5 GiB" in cloud.condition("zephyr", "Reconciling").get("message", ""),
        lambda: str(cloud.get("zephyr")["status"]),
        20,
    )
    assert cloud.objects("deployments") == []
    cloud.wait_ready("zephyr")
