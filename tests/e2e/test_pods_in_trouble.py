"""The resource reports what keeps pods from serving, and Ready is never True meanwhile."""

import json
import re
import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest

from e2e.conftest import CHILDREN, ZEPHYR, Cloud, until
from e2e.test_pods import Spec, changed
from kstatus import kstatus, kubectl_wait
from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.backends.incluster.seen import pods
from tgi_sandbox.cluster.script import Outcome, annotations

pytestmark = pytest.mark.installation("pods")

LAUNCHER = 'Error: ArgumentValidation("`max_input_tokens`(2048) must be < `max_total_tokens`(2048)")'


def scripted(outcome: Outcome | None = None, **values: Any) -> Spec:
    """Return the spec whose pods follow a script from their start."""
    return changed(inCluster={"podTemplate": {"metadata": {"annotations": annotations(outcome, **values)}}})


def annotate(cloud: Cloud, outcome: Outcome | None, **values: Any) -> None:
    """Let the running pods of zephyr follow a script; None: recover."""
    wanted = annotations(outcome or Outcome.OK, **values)
    for pod in cloud.pods("zephyr"):
        cloud.plane.annotate_pod(cloud.namespace, pod["metadata"]["name"], wanted)


def failure(cloud: Cloud) -> Mapping[str, Any]:
    """Return the last failure in the status."""
    return dict(cloud.get("zephyr")["status"].get("lastFailure") or {})


@pytest.fixture
def serving(cloud: Cloud) -> Cloud:
    """A cloud in which zephyr serves."""
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    return cloud


def test_an_image_that_is_not_there(serving: Cloud) -> None:
    serving.apply("zephyr", changed(runtime={"image": "ghcr.io/huggingface/text-generation-inference:does-not-exist"}))
    stalled = serving.wait_reason("zephyr", "Stalled", "ImagePullFailed", 20)
    assert "does-not-exist" in stalled["message"]
    assert kstatus(serving.get("zephyr")) == "Failed"
    assert serving.condition("zephyr", "Available")["status"] == "True", "the old pod serves on"
    assert failure(serving)["container"] == "tgi"
    serving.apply("zephyr", ZEPHYR)
    serving.wait_ready("zephyr")
    assert not serving.condition("zephyr", "Stalled")


def test_no_gpu_left(serving: Cloud) -> None:
    serving.kubectl("scale", "tgi/zephyr", "--replicas=3")
    waiting = serving.wait_reason("zephyr", "Reconciling", "Unschedulable", 20)
    assert "Insufficient nvidia.com/gpu" in waiting["message"], "the scheduler's own words"
    assert serving.condition("zephyr", "Ready")["status"] == "False"
    assert serving.condition("zephyr", "Available")["status"] == "True"
    status = serving.get("zephyr")["status"]
    assert [pod["reason"] for pod in status["inCluster"]["unhealthyPods"]] == ["Unschedulable"]
    assert kstatus(serving.get("zephyr")) == "InProgress", "it may pass by itself"
    serving.kubectl("scale", "tgi/zephyr", "--replicas=2")
    serving.wait_ready("zephyr")
    assert "unhealthyPods" not in serving.get("zephyr")["status"]["inCluster"]


def test_out_of_memory(serving: Cloud) -> None:
    annotate(serving, Outcome.OOM_KILLED)
    until(lambda: failure(serving).get("reason") == "OOMKilled", lambda: str(serving.get("zephyr")["status"]))
    assert failure(serving)["exitCode"] == 137
    assert failure(serving)["pod"] == serving.pods("zephyr")[0]["metadata"]["name"]
    assert "resources.limits.memory" in failure(serving)["message"]
    assert serving.condition("zephyr", "Ready")["status"] == "False"
    annotate(serving, None)
    serving.wait_ready("zephyr")
    assert failure(serving)["reason"] == "OOMKilled", "why it was restarted is remembered"


def test_a_crash_loop_in_the_launchers_words(cloud: Cloud) -> None:
    cloud.apply(
        "zephyr", scripted(Outcome.CRASH_LOOP, start_seconds=0.1, message=f"\x1b[2mstarting\x1b[0m\n{LAUNCHER}")
    )
    stalled = cloud.wait_reason("zephyr", "Stalled", "ConflictingOptions", 30)
    assert LAUNCHER in stalled["message"]
    assert "change the options under spec.runtime" in stalled["message"]
    assert (failure(cloud)["container"], failure(cloud)["exitCode"]) == ("tgi", 1)
    assert kstatus(cloud.get("zephyr")) == "Failed"
    version = cloud.get("zephyr")["metadata"]["resourceVersion"]
    time.sleep(6)
    assert cloud.get("zephyr")["metadata"]["resourceVersion"] == version, "each restart is no news"


def test_a_probe_that_fails(serving: Cloud) -> None:
    annotate(serving, Outcome.PROBE_FAILURE)
    serving.wait_reason("zephyr", "Ready", "ProbeFailed", 20)
    serving.wait_reason("zephyr", "Available", "NotServing", 20)
    annotate(serving, None)
    serving.wait_ready("zephyr")


def test_a_rollout_past_its_deadline_keeps_the_old_pods(serving: Cloud) -> None:
    late = {**scripted(start_seconds=600), "rollout": {"progressDeadlineSeconds": 3, "onFailure": "Hold"}}
    serving.apply("zephyr", late)
    stalled = serving.wait_reason("zephyr", "Stalled", "ProgressDeadlineExceeded", 30)
    assert "0/1 pods ready" in stalled["message"]
    assert serving.condition("zephyr", "Available")["status"] == "True"
    assert kstatus(serving.get("zephyr")) == "Failed"
    serving.apply("zephyr", ZEPHYR)
    serving.wait_ready("zephyr")


def test_a_node_is_drained(serving: Cloud) -> None:
    (pod,) = serving.pods("zephyr")
    node, other = pod["spec"]["nodeName"], serving.plane.add_node("p4d.24xlarge")
    try:
        drain(serving, node)
        until(lambda: nodes(serving) == {other}, lambda: str(nodes(serving)))
        serving.wait_ready("zephyr")
    finally:
        serving.kubectl("uncordon", node)
        drain(serving, other)
        serving.kubectl("delete", "node", other)
    until(lambda: nodes(serving) == {node}, lambda: str(nodes(serving)))
    serving.wait_ready("zephyr")


def drain(cloud: Cloud, node: str) -> None:
    """Drain a node like an administrator: the eviction respects the disruption budget."""
    cloud.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")


def nodes(cloud: Cloud) -> set[str]:
    """Return the nodes of zephyr's pods that are Ready."""
    return {pod["spec"]["nodeName"] for pod in cloud.pods("zephyr") if pods.is_ready(pod)}


def test_the_api_server_refuses_the_pod_template(cloud: Cloud) -> None:
    cloud.apply("zephyr", changed(inCluster={"podTemplate": {"spec": {"containers": [{"name": "proxy"}]}}}))
    stalled = cloud.wait_reason("zephyr", "Stalled", "RejectedByKubernetes", 20)
    assert "containers[1].image" in stalled["message"]
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")


def test_a_quota_lets_no_pod_be_made(cloud: Cloud) -> None:
    cloud.kubectl("create", "quota", "gpus", "--hard=requests.nvidia.com/gpu=1")
    cloud.apply("zephyr", ZEPHYR)
    stalled = cloud.wait_reason("zephyr", "Stalled", "QuotaExceeded", 20)
    assert "exceeded quota" in stalled["message"]
    cloud.kubectl("delete", "quota", "gpus")
    cloud.wait_ready("zephyr", 120)


@pytest.mark.parametrize("fails", [False, True], ids=["ok", "bad image"])
def test_every_moment_is_told_right(cloud: Cloud, fails: bool) -> None:
    cloud.apply("zephyr", ZEPHYR)
    assert seen(cloud)[-1] == "Current"
    tag = "does-not-exist" if fails else "3.3.6"
    cloud.apply("zephyr", changed(runtime={"image": f"ghcr.io/huggingface/text-generation-inference:{tag}"}))
    found = seen(cloud)
    assert found[0] == "InProgress"
    assert found[-1] == ("Failed" if fails else "Current")


def seen(cloud: Cloud) -> list[str]:
    """Return the results of kstatus until it is done; check that they agree with `kubectl wait` and the pods."""
    said = []
    for resource in cloud.moments("zephyr", 30):
        said.append(kstatus(resource))
        assert kubectl_wait(resource) == (said[-1] == "Current")
        if said[-1] == "Current":
            revision = resource["status"]["currentRevision"]
            ready = [
                pod
                for pod in cloud.pods("zephyr")
                if pod["metadata"]["labels"]["tgi-operator.dev/revision"] == revision
            ]
            assert len(ready) == 1
        if said[-1] != "InProgress":
            break
    return said


def test_kill_dash_nine(cloud: Cloud) -> None:
    for round_ in range(4):
        cloud.apply("zephyr", changed(replicas=2, runtime={"maxTotalTokens": 2048 + round_}))
        time.sleep(0.05 * round_)
        cloud.operator.process.signal(signal.SIGKILL)
        cloud.operator.process.wait(10)
        cloud.operator.start()
    cloud.wait_ready("zephyr")
    (template,) = {pod["metadata"]["labels"]["pod-template-hash"] for pod in cloud.pods("zephyr")}
    assert template
    names = {
        (child["kind"], child["metadata"]["name"])
        for child in cloud.objects("deployments,services,poddisruptionbudgets,jobs")
    }
    assert names == {("Deployment", "zephyr"), ("Service", "zephyr"), ("PodDisruptionBudget", "zephyr")}


def test_the_token_is_by_reference_and_a_new_one_replaces_no_pod(cloud: Cloud) -> None:
    spec = changed(model={**ZEPHYR["model"], "tokenSecretRef": {"name": "hub", "key": "token"}})
    cloud.apply("zephyr", spec)
    cloud.wait_reason("zephyr", "Stalled", "SecretNotFound", 10)
    cloud.kubectl("create", "secret", "generic", "hub", "--from-literal=token=hf_firstsecret")
    cloud.kubectl("label", "secret", "hub", f"{LABEL_ALLOW_USE}=true")
    cloud.wait_ready("zephyr")
    before = [pod["metadata"]["uid"] for pod in cloud.pods("zephyr")]
    patch = {"stringData": {"token": "hf_secondsecret"}}
    cloud.kubectl("patch", "secret", "hub", "--type=merge", "-p", json.dumps(patch))
    # Another change, which the operator handles after the one of the Secret.
    cloud.apply("zephyr", spec | {"replicas": 2})
    until(lambda: cloud.get("zephyr")["status"].get("readyReplicas") == 2, lambda: str(cloud.get("zephyr")["status"]))
    assert before[0] in [pod["metadata"]["uid"] for pod in cloud.pods("zephyr")]
    everything = cloud.kubectl("get", f"tgi,events,{CHILDREN}", "-o", "yaml") + cloud.operator.log.read_text()
    assert "hf_firstsecret" not in everything
    assert "hf_secondsecret" not in everything


def test_a_service_account_and_a_secret_are_used_once_the_commands_of_the_message_have_run(cloud: Cloud) -> None:
    template = {"spec": {"containers": [{"name": "tgi", "envFrom": [{"secretRef": {"name": "proxy"}}]}]}}
    cloud.kubectl("create", "serviceaccount", "reader")
    cloud.kubectl("create", "secret", "generic", "proxy", "--from-literal=HTTPS_PROXY=http://proxy:3128")
    cloud.apply("zephyr", changed(inCluster={"serviceAccountName": "reader", "podTemplate": template}))
    for name in ("reader", "proxy"):
        cloud.wait_reason("zephyr", "Stalled", "UseNotAllowed")
        until(lambda name=name: f" {name} " in message(cloud), lambda: message(cloud))  # type: ignore[misc]
        assert cloud.objects(CHILDREN) == []
        command = re.search(r"`kubectl (label .*)`", message(cloud))
        assert command
        cloud.kubectl(*command[1].split())
    cloud.wait_ready("zephyr")


def message(cloud: Cloud) -> str:
    """Return the message of Stalled."""
    return str(cloud.condition("zephyr", "Stalled").get("message", ""))
