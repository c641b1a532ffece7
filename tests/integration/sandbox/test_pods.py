"""The life of a pod on a simulated node, as its annotations script it."""

from collections.abc import Callable
from typing import Any

import pytest

from integration.sandbox.conftest import Pods
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiServer
from tgi_sandbox.cluster.script import PREFIX, Outcome, annotations
from waiting import is_found, wait_until


def _waits_for(reason: str) -> Callable[[dict[str, Any]], bool]:
    return lambda container: container.get("state", {}).get("waiting", {}).get("reason") == reason


def _writes(api: ApiServer) -> int:
    """Count the writes to the status of pods, all but the scheduler's of KWOK."""
    lines = api.text("/metrics").splitlines()
    wanted = [line for line in lines if line.startswith("apiserver_request_total{") and 'subresource="status"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in wanted if 'resource="pods"' in line)


def test_pod_starts_and_is_then_ready(pods: Pods) -> None:
    pods.create("slow", annotations(start_seconds=2))
    container = pods.wait("slow", lambda container: "running" in container.get("state", {}))
    assert (container["started"], container["ready"]) == (False, False)
    assert pods.condition("slow", "Ready")["reason"] == "ContainersNotReady"
    assert pods.condition("slow", "Ready")["message"] == "containers with unready status: [tgi]"
    started = container["state"]["running"]["startedAt"]
    pods.wait_ready("slow")
    container = pods.container("slow")
    assert (container["started"], container["ready"], container["restartCount"]) == (True, True, 0)
    assert container["state"]["running"]["startedAt"] == started
    status = pods.get("slow")["status"]
    assert status["podIP"].startswith("10.")
    assert status["hostIP"].startswith("10.0.")


def test_the_address_of_a_deleted_pod_is_not_used_again(api: ApiServer, pods: Pods) -> None:
    addresses = []
    for _ in range(4):
        pods.create("tgi", annotations(start_seconds=0))
        pods.wait_ready("tgi")
        addresses.append(pods.get("tgi")["status"]["podIP"])
        api.request("DELETE", f"{pods.path}/tgi")
        wait_until(lambda: not is_found(api, f"{pods.path}/tgi"))
    assert len(set(addresses)) == 4


@pytest.mark.parametrize(("start_seconds", "writes"), [(0, 1), (0.5, 2)])
def test_pod_is_ready_after_few_writes(api: ApiServer, pods: Pods, start_seconds: float, writes: int) -> None:
    before = _writes(api)
    pods.create("tgi", annotations(start_seconds=start_seconds))
    pods.wait_ready("tgi")
    assert _writes(api) - before == writes


def test_crash_loop(pods: Pods) -> None:
    scripted = annotations(Outcome.CRASH_LOOP, exit_code=2, message='error: "tgi"\nends', start_seconds=0)
    pods.create("tgi", scripted)
    container = pods.wait("tgi", lambda container: container.get("restartCount") == 3)
    container = pods.wait("tgi", _waits_for("CrashLoopBackOff"))
    assert container["restartCount"] == 3
    assert container["state"]["waiting"]["message"].startswith("back-off 40s restarting failed container=tgi pod=tgi_")
    last = container["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (2, "Error", 'error: "tgi"\nends')
    assert not pods.is_ready("tgi")
    assert pods.get("tgi")["status"]["phase"] == "Running"


def test_an_outcome_of_one_life_is_not_that_of_the_next(
    control_plane: ControlPlane, namespace: str, pods: Pods
) -> None:
    pods.create("tgi", annotations(Outcome.CRASH_LOOP, start_seconds=0, life=0))
    container = pods.wait("tgi", lambda container: container.get("restartCount") == 1 and container["started"])
    assert (container["ready"], "running" in container["state"]) == (False, True)
    control_plane.annotate_pod(namespace, "tgi", annotations(Outcome.OK, life=1))
    pods.wait_ready("tgi")
    assert pods.container("tgi")["restartCount"] == 1


@pytest.mark.parametrize(("policy", "message"), [("FallbackToLogsOnError", "the end"), ("File", None)])
def test_last_words_are_those_of_the_log_where_the_pod_asks_for_it(
    pods: Pods, policy: str, message: str | None
) -> None:
    scripted = annotations(Outcome.CRASH_LOOP, logs="the end", start_seconds=0)
    pods.create("tgi", scripted, {"terminationMessagePolicy": policy})
    container = pods.wait("tgi", lambda container: "terminated" in container.get("lastState", {}))
    assert container["lastState"]["terminated"].get("message") == message


def test_ready_pod_is_killed_for_its_memory_and_recovers(
    control_plane: ControlPlane, namespace: str, pods: Pods
) -> None:
    pods.create("tgi", annotations(start_seconds=0))
    pods.wait_ready("tgi")
    control_plane.annotate_pod(namespace, "tgi", annotations(Outcome.OOM_KILLED))
    container = pods.wait("tgi", _waits_for("CrashLoopBackOff"))
    last = container["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "OOMKilled")
    assert container["restartCount"] >= 1
    control_plane.annotate_pod(namespace, "tgi", {PREFIX + "outcome": None})
    pods.wait_ready("tgi")
    assert pods.container("tgi")["lastState"]["terminated"]["reason"] == "OOMKilled"


@pytest.mark.parametrize(
    ("scripted", "image"),
    [(annotations(Outcome.IMAGE_PULL), "host.test/tgi:3.3.7"), ({}, "host.test/tgi:does-not-exist")],
)
def test_image_that_cannot_be_pulled(
    control_plane: ControlPlane, namespace: str, pods: Pods, scripted: dict[str, str], image: str
) -> None:
    pods.create("tgi", scripted, {"image": image})
    container = pods.wait("tgi", _waits_for("ImagePullBackOff"))
    cause = f'"{image}": failed to resolve reference "{image}": {image}: not found'
    assert container["state"]["waiting"]["message"] == (
        f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = NotFound desc = '
        f"failed to pull and unpack image {cause}"
    )
    assert pods.get("tgi")["status"]["phase"] == "Pending"
    control_plane.annotate_pod(namespace, "tgi", annotations(Outcome.OK))
    pods.wait_ready("tgi")


def test_probe_failure_of_a_pod_that_was_ready(
    control_plane: ControlPlane, api: ApiServer, namespace: str, pods: Pods
) -> None:
    pods.create("tgi", annotations(start_seconds=0))
    pods.wait_ready("tgi")
    control_plane.annotate_pod(namespace, "tgi", annotations(Outcome.PROBE_FAILURE))
    container = pods.wait("tgi", lambda container: not container["ready"])
    assert container["started"]
    assert "running" in container["state"]

    def messages() -> list[str]:
        events = api.request("GET", f"/api/v1/namespaces/{namespace}/events")["items"]
        return [event["message"] for event in events if event["reason"] == "Unhealthy"]

    wait_until(messages)
    assert messages() == ["Readiness probe failed: HTTP probe failed with statuscode: 503"]
    control_plane.annotate_pod(namespace, "tgi", annotations(Outcome.OK))
    pods.wait_ready("tgi")


def test_pod_never_ready_fails_its_probe_from_the_start(pods: Pods) -> None:
    pods.create("tgi", annotations(Outcome.PROBE_FAILURE, start_seconds=0))
    container = pods.wait("tgi", lambda container: container.get("started"))
    assert not container["ready"]


def test_pod_that_is_not_restarted_fails_for_good(pods: Pods) -> None:
    pods.create("tgi", annotations(Outcome.CRASH_LOOP, start_seconds=0), spec={"restartPolicy": "Never"})
    wait_until(lambda: pods.get("tgi")["status"]["phase"] == "Failed")
    assert pods.condition("tgi", "Ready")["reason"] == "PodFailed"


def test_deletion_does_not_wait_for_the_grace_period(api: ApiServer, pods: Pods) -> None:
    pods.create("tgi", annotations(start_seconds=0), spec={"terminationGracePeriodSeconds": 600})
    pods.wait_ready("tgi")
    api.request("DELETE", f"{pods.path}/tgi")
    wait_until(lambda: not is_found(api, f"{pods.path}/tgi"))


def test_pod_that_asks_for_too_much_has_the_schedulers_words(pods: Pods) -> None:
    pods.create("tgi", container={"resources": {"limits": {"nvidia.com/gpu": "16"}}})
    wait_until(lambda: pods.condition("tgi", "PodScheduled"))
    condition = pods.condition("tgi", "PodScheduled")
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"].startswith("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")


def _job(scripted: dict[str, str]) -> dict[str, Any]:
    pod = {"containers": [{"name": "fetch", "image": "tgi:3.3.7"}], "restartPolicy": "Never"}
    template = {"metadata": {"annotations": scripted}, "spec": pod}
    return {"metadata": {"name": "fetch"}, "spec": {"template": template, "backoffLimit": 0}}


def test_job_runs_and_completes_when_its_time_has_passed(api: ApiServer, namespace: str, pods: Pods) -> None:
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    api.request("POST", jobs, _job(annotations(start_seconds=5)))
    wait_until(lambda: api.request("GET", pods.path)["items"])
    (pod,) = api.request("GET", pods.path)["items"]
    pods.wait_ready(pod["metadata"]["name"])
    wait_until(lambda: api.request("GET", f"{jobs}/fetch")["status"].get("succeeded") == 1)


def test_job_fails(api: ApiServer, namespace: str, pods: Pods) -> None:
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    api.request("POST", jobs, _job(annotations(Outcome.JOB_FAILED, exit_code=3, message="no such model")))
    wait_until(lambda: api.request("GET", f"{jobs}/fetch")["status"].get("failed") == 1)
    (pod,) = api.request("GET", pods.path)["items"]
    assert pod["status"]["phase"] == "Failed"
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (3, "no such model")


def _claim(api: ApiServer, namespace: str, storage_class: str) -> str:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "10Gi"}},
        "storageClassName": storage_class,
    }
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    api.request("POST", claims, {"metadata": {"name": "weights"}, "spec": spec})
    return f"{claims}/weights"


_MOUNTED = {"volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}]}


def test_claim_gets_a_volume_which_goes_with_it(api: ApiServer, namespace: str, pods: Pods) -> None:
    claim = _claim(api, namespace, "efs")
    pods.create("tgi", annotations(start_seconds=0), spec=_MOUNTED)
    pods.wait_ready("tgi")
    bound = api.request("GET", claim)
    assert (bound["status"]["phase"], bound["status"]["capacity"]["storage"]) == ("Bound", "10Gi")
    volume = f"/api/v1/persistentvolumes/{bound['spec']['volumeName']}"
    assert is_found(api, volume)
    api.request("DELETE", f"{pods.path}/tgi")
    api.request("DELETE", claim)
    wait_until(lambda: not is_found(api, volume))


def test_claim_of_a_class_that_does_not_exist_keeps_its_pod_pending(api: ApiServer, namespace: str, pods: Pods) -> None:
    claim = _claim(api, namespace, "does-not-exist")
    pods.create("tgi", spec=_MOUNTED)
    wait_until(lambda: pods.condition("tgi", "PodScheduled"))
    assert "unbound immediate PersistentVolumeClaims" in pods.condition("tgi", "PodScheduled")["message"]
    assert api.request("GET", claim)["status"]["phase"] == "Pending"
