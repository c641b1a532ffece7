"""The reasons why a pod does not serve, as the scheduler, the kubelet and the container report them."""

from typing import Any

import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.incluster.seen.pods import MESSAGE_LIMIT, Trouble
from unit.operator.incluster.given import NOT_READY, crashed, pod, starting, unschedulable

Object = dict[str, Any]


def waiting(reason: str, message: str = "", *, kind: str = "containerStatuses", name: str = "tgi") -> Object:
    waits = {"reason": reason} | ({"message": message} if message else {})
    state = {"name": name, "ready": False, "restartCount": 0, "state": {"waiting": waits}}
    statuses: Object = {"containerStatuses": []} | {kind: [state]}
    return pod("p", "r", phase="Pending", conditions=NOT_READY, **statuses)


def ended(restarts: int = 0, **terminated: Any) -> Object:
    """Return a pod whose container was restarted after it had ended."""
    state: Object = {"running": {}}
    last = {"terminated": {"exitCode": 1, "reason": "Error"} | terminated}
    status = {"name": "tgi", "ready": False, "started": False, "restartCount": restarts, "state": state}
    return pod("p", "r", conditions=NOT_READY, containerStatuses=[status | {"lastState": last}])


def trouble(found: Object) -> Trouble:
    said = pods.trouble(found)
    assert said is not None
    return said


EVICTED = pod(
    "p",
    "r",
    phase="Failed",
    reason="Evicted",
    message="The node was low on resource: ephemeral-storage.",
    conditions=[],
    containerStatuses=[],
)
HUNG = pod(
    "p",
    "r",
    conditions=NOT_READY,
    containerStatuses=[
        {"name": "tgi", "ready": False, "started": True, "restartCount": 0, "state": {"running": {}}},
    ],
)
INIT_DONE = {"name": "init", "ready": True, "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(pod("p", "r"), id="serves"),
        pytest.param(starting("p", "r"), id="loads the model"),
        pytest.param(waiting("ContainerCreating"), id="is being made"),
        pytest.param(waiting("PodInitializing"), id="is being made, after its init containers"),
        pytest.param(pod("p", "r", phase="Pending", conditions=[], containerStatuses=[]), id="was just created"),
        pytest.param({**pod("p", "r"), "status": {}}, id="has no status yet"),
        pytest.param(ended(exitCode=0, reason="Completed"), id="starts again after it ended in peace"),
        pytest.param(
            {**crashed("p", "r"), "metadata": {"name": "p", "deletionTimestamp": "t"}}, id="is to go, whatever it does"
        ),
        pytest.param(
            pod(
                "p",
                "r",
                conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
                containerStatuses=[],
            ),
            id="is held back by a gate",
        ),
        pytest.param(
            pod(
                "p",
                "r",
                conditions=NOT_READY,
                containerStatuses=[],
                initContainerStatuses=[
                    INIT_DONE | {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                ],
            ),
            id="has its init containers behind it",
        ),
        pytest.param(
            pod("p", "r", containerStatuses=crashed("p", "r")["status"]["containerStatuses"]), id="serves after a crash"
        ),
    ],
)
def test_no_trouble(found: Object) -> None:
    assert pods.trouble(found) is None


@pytest.mark.parametrize(
    ("found", "reason", "message", "stalled"),
    [
        pytest.param(
            unschedulable("p", "r"), Reason.UNSCHEDULABLE, "3 Insufficient nvidia.com/gpu", False, id="no room"
        ),
        pytest.param(
            unschedulable("p", "r", '0/3 nodes are available: persistentvolumeclaim "weights" not found.'),
            Reason.PVC_NOT_FOUND,
            "PersistentVolumeClaim ml/weights: does not exist; create the PVC",
            True,
            id="no PVC",
        ),
        pytest.param(EVICTED, Reason.CRASH_LOOP_BACK_OFF, "Evicted: The node was low on resource", False, id="evicted"),
        pytest.param(
            waiting("ErrImagePull", "ghcr.io/x:9: not found"),
            Reason.IMAGE_PULL_FAILED,
            "ErrImagePull: ghcr.io/x:9: not found",
            True,
            id="no such image",
        ),
        *(
            pytest.param(waiting("ImagePullBackOff", words), Reason.IMAGE_PULL_FAILED, words, True, id=words)
            for words in (
                "manifest unknown",
                "repository does not exist",
                "401 Unauthorized",
                "pull access denied",
                "403 Forbidden",
            )
        ),
        pytest.param(
            waiting("InvalidImageName", "couldn't parse image"),
            Reason.IMAGE_PULL_FAILED,
            "InvalidImageName",
            True,
            id="no image's name",
        ),
        *(
            pytest.param(waiting("ErrImagePull", words), Reason.IMAGE_PULL_FAILED, words, False, id=words)
            for words in (
                "dial tcp: lookup ghcr.io: i/o timeout",
                "429 Too Many Requests",
                "500 Internal Server Error",
                "connection reset by peer",
            )
        ),
        pytest.param(
            waiting("ErrImagePull", "denied", kind="initContainerStatuses", name="init"),
            Reason.IMAGE_PULL_FAILED,
            "denied",
            True,
            id="the image of an init container",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "hf" not found'),
            Reason.CRASH_LOOP_BACK_OFF,
            'CreateContainerConfigError: secret "hf" not found',
            True,
            id="no Secret",
        ),
        pytest.param(
            waiting("RunContainerError", "exec: bash"), Reason.CRASH_LOOP_BACK_OFF, "exec: bash", True, id="not run"
        ),
        pytest.param(HUNG, Reason.PROBE_FAILED, "does not pass its health check", False, id="hangs"),
        pytest.param(
            ended(1, reason="OOMKilled", exitCode=137),
            Reason.OOM_KILLED,
            "raise spec.inCluster.resources.limits.memory",
            False,
            id="too much memory, once",
        ),
        pytest.param(
            ended(3, reason="OOMKilled"), Reason.OOM_KILLED, "memory", True, id="too much memory, three times"
        ),
        pytest.param(
            ended(0, message="CUDA out of memory"),
            Reason.OUT_OF_GPU_MEMORY,
            "lower spec.runtime.maxBatchPrefillTokens",
            False,
            id="too much memory of the GPU, the first time",
        ),
        pytest.param(
            ended(1, message="CUDA out of memory"),
            Reason.OUT_OF_GPU_MEMORY,
            "Last log lines: CUDA out of memory",
            True,
            id="too much memory of the GPU, again",
        ),
        pytest.param(
            ended(9, message="429 Client Error: Too Many Requests"),
            Reason.MODEL_DOWNLOAD_FAILED,
            "the Hub is rate limiting",
            False,
            id="what another restart can resolve",
        ),
        pytest.param(
            ended(2, message="?!"), Reason.CRASH_LOOP_BACK_OFF, "kubectl logs -p p", False, id="a crash, for now"
        ),
        pytest.param(
            ended(3), Reason.CRASH_LOOP_BACK_OFF, "code 1; read the container's log", True, id="a crash for good"
        ),
        pytest.param(ended(3, exitCode=0, reason="Error"), Reason.CRASH_LOOP_BACK_OFF, "code 0", True, id="an odd end"),
    ],
)
def test_trouble(found: Object, reason: Reason, message: str, *, stalled: bool) -> None:
    said = trouble(found)
    assert (said.pod, said.reason) == ("p", reason)
    assert message in said.message
    assert said.stalled is stalled


def test_crash_tells_container_and_exit_code() -> None:
    said = trouble(crashed("p", "r", code=101))
    assert (said.container, said.exit_code) == ("tgi", 101)


def test_log_is_quoted_on_one_line_without_colours() -> None:
    log = "\x1b[2mfirst\x1b[0m\n\n   second  \r\n\x1b[31mError: ShardCannotStart\x1b[0m\n"
    assert trouble(ended(message=log)).message.endswith("Last log lines: first | second | Error: ShardCannotStart")


def test_end_of_a_long_log_is_quoted_from_the_beginning_of_a_line() -> None:
    log = "\n".join(f"line {number:03} {'x' * 50}" for number in range(100))
    words = trouble(ended(message=log)).message.partition("Last log lines: ")[2]
    assert words.startswith("line 09")
    assert words.endswith(f"line 099 {'x' * 50}")
    assert len(words) < 700


@pytest.mark.parametrize("log", ["x" * 5000, "\n".join("x" * 2000 for _ in range(5)), "é" * 3000])
def test_message_fits_into_the_status(log: str) -> None:
    assert len(trouble(ended(message=log)).message) <= MESSAGE_LIMIT
    assert len(trouble(waiting("ErrImagePull", log)).message) <= MESSAGE_LIMIT


def test_known_text_is_found_in_all_that_the_kubelet_kept_of_the_log() -> None:
    """The shard's traceback comes before the launcher's last message; the kubelet keeps 2048 bytes."""
    log = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n" + "  at the launcher\n" * 60
    said = trouble(ended(message=log))
    assert said.reason is Reason.OUT_OF_GPU_MEMORY


def troubled(name: str, *, stalled: bool) -> Trouble:
    return Trouble(name, Reason.CRASH_LOOP_BACK_OFF, "", stalled=stalled)


def test_worst_is_what_a_person_must_end_then_the_first_by_name() -> None:
    a, b, c = troubled("a", stalled=False), troubled("b", stalled=True), troubled("c", stalled=True)
    assert pods.worst([a, c, b]) == b
    assert pods.worst([a]) == a
    assert pods.worst([]) is None


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([], False),
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "Ready", "status": "Unknown"}], False),
        ([{"type": "ContainersReady", "status": "True"}], False),
    ],
)
def test_ready(conditions: list[Object], *, ready: bool) -> None:
    assert pods.is_ready(pod("p", "r", conditions=conditions)) is ready


def test_a_container_that_has_just_started_is_in_no_trouble() -> None:
    """The kubelet reports that it has started before the first answer to its readiness probe."""
    found = pod("p", "r", conditions=[READY_SINCE | {"lastTransitionTime": "2026-01-31T11:00:00Z"}])
    found["status"]["containerStatuses"] = [HANGING]
    assert pods.trouble(found) is None
    found["status"]["conditions"] = [READY_SINCE | {"lastTransitionTime": "2026-01-31T11:30:00Z"}]
    assert trouble(found).reason is Reason.PROBE_FAILED, "it was ready, and is no longer"


def test_why_a_container_ended_long_ago_says_nothing_of_now() -> None:
    found = pod("p", "r", conditions=[READY_SINCE | {"lastTransitionTime": "2026-01-31T11:30:00Z"}])
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    found["status"]["containerStatuses"] = [HANGING | {"restartCount": 5, "lastState": killed}]
    assert trouble(found).reason is Reason.PROBE_FAILED
    assert not trouble(found).stalled


READY_SINCE: Object = {"type": "Ready", "status": "False"}
HANGING: Object = {
    "name": "tgi",
    "ready": False,
    "started": True,
    "restartCount": 0,
    "state": {"running": {"startedAt": "2026-01-31T11:00:05Z"}},
}
