"""The decision: every rule with an example, the effect of the status on clients, and the end of each chain of steps."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kstatus import kstatus, kubectl_wait
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.incluster.decide import chain
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Delete, Step
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.desired.strategy import IN_PLACE, SURGE, Strategy
from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.incluster.seen.capacity import Room
from tgi_operator.backends.plans.planning import Ask, Need, Plan
from tgi_operator.backends.plans.verdicts import stalled, with_verdict
from tgi_operator.backends.rules.shared import FOREIGN_SECONDS
from unit.operator.incluster.given import (
    CACHED,
    NOT_READY,
    NOW,
    OWNER,
    TOKEN,
    Cluster,
    crashed,
    pod,
    spec,
    starting,
    unschedulable,
)

TWO = {"replicas": 2}
NEXT = {"runtime": {"maxTotalTokens": 2048}}
OLD_SPEC = spec(TWO)
NEW_SPEC = spec(TWO | NEXT)


def steps(planned: Plan[Step]) -> list[str]:
    """Return the steps as text."""
    said = []
    for step in (*planned.steps, *planned.collection):
        body = step.manifest if isinstance(step, Apply) else step.body
        said.append(f"{type(step).__name__} {body['kind']} {body['metadata']['name']}")
    return said


def strategy_of(planned: Plan[Step]) -> Any:
    """Return how the Deployment of a plan replaces pods."""
    (found,) = (
        step.manifest["spec"]["strategy"]["rollingUpdate"]
        for step in planned.steps
        if isinstance(step, Apply) and step.manifest["kind"] == "Deployment"
    )
    return found


def decided(situation: Situation) -> Plan[Step]:
    planned = chain.decide(situation)
    assert isinstance(planned, Plan)
    return planned


def settled(described: dict[str, Any] | None = None, **fields: Any) -> Cluster:
    return Cluster(described or OLD_SPEC, **fields).settle()


def updating(described: dict[str, Any] = NEW_SPEC, before: dict[str, Any] = OLD_SPEC) -> Cluster:
    """Return a cluster whose new revision was just applied; the controller made a first new pod."""
    cluster = settled(before)
    cluster.described, cluster.generation = described, 2
    old = cluster.revision
    cluster.step()
    olds = [pod(f"old-{number}", old) for number in range(2)]
    cluster.pods(*olds, starting("new", cluster.revision))
    return cluster


class TestStatusTable:
    """The rows that apply to pods, in the table of the status contract."""

    @staticmethod
    def check(cluster: Cluster, ready: str, current: str, *, reconciling: bool, stalled: bool) -> None:
        found = {each["type"]: each for each in cluster.shown()["status"]["conditions"]}
        assert found["Ready"]["status"] == ready
        assert ("Reconciling" in found, "Stalled" in found) == (reconciling, stalled)
        assert all(each["observedGeneration"] == cluster.generation for each in found.values())
        assert found["Ready"]["reason"] in set(Reason)
        assert kstatus(cluster.shown()) == current
        assert kubectl_wait(cluster.shown()) is (current == "Current")

    def test_just_created(self) -> None:
        cluster = Cluster()
        assert kstatus(cluster.shown()) == "InProgress"
        assert not kubectl_wait(cluster.shown())

    def test_pods_are_created(self) -> None:
        cluster = Cluster()
        cluster.step()
        self.check(cluster, "False", "InProgress", reconciling=True, stalled=False)
        cluster.pods(starting("p", cluster.revision))
        cluster.step()
        self.check(cluster, "False", "InProgress", reconciling=True, stalled=False)

    def test_weights_are_fetched(self) -> None:
        cluster = Cluster(spec(**CACHED))
        cluster.step()
        cluster.step()
        self.check(cluster, "False", "InProgress", reconciling=True, stalled=False)

    def test_pods_are_replaced(self) -> None:
        cluster = updating()
        cluster.step()
        self.check(cluster, "False", "InProgress", reconciling=True, stalled=False)
        available = cluster.condition("Available")
        assert available is not None
        assert available["status"] == "True"

    def test_what_passes_by_itself(self) -> None:
        cluster = updating()
        cluster.described = {**cluster.described, "rollout": {"maxSurge": 1}}
        cluster.pods(pod("old", "0123456789"), unschedulable("new", cluster.revision))
        cluster.step()
        self.check(cluster, "False", "InProgress", reconciling=True, stalled=False)

    @pytest.mark.parametrize("restarts", [3, 30])
    def test_what_a_person_must_change(self, restarts: int) -> None:
        cluster = updating()
        cluster.pods(pod("old", "0123456789"), crashed("new", cluster.revision, restarts=restarts))
        cluster.step()
        self.check(cluster, "False", "Failed", reconciling=False, stalled=True)

    def test_quota(self) -> None:
        cluster = Cluster()
        cluster.step()
        words = 'pods "x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1'
        cluster.deployment["status"] = {
            "conditions": [{"type": "ReplicaFailure", "status": "True", "message": words}],
        }
        cluster.step()
        self.check(cluster, "False", "Failed", reconciling=False, stalled=True)

    def test_deadline(self) -> None:
        cluster = updating()
        cluster.step()
        cluster.later(cluster.desired.progress_deadline_seconds + 60)
        cluster.step()
        self.check(cluster, "False", "Failed", reconciling=True, stalled=True)

    def test_pods_serve(self) -> None:
        self.check(settled(), "True", "Current", reconciling=False, stalled=False)

    def test_scaled_to_zero(self) -> None:
        cluster = settled(spec())
        cluster.deployment["spec"]["replicas"] = 0
        cluster.pods()
        cluster.step()
        self.check(cluster, "True", "Current", reconciling=False, stalled=False)
        available = cluster.condition("Available")
        assert available is not None
        assert available["status"] == "False"

    def test_spec_changed_and_the_operator_is_down(self) -> None:
        cluster = settled()
        cluster.generation = 2
        assert kstatus(cluster.shown()) == "InProgress"
        assert not kubectl_wait(cluster.shown())

    def test_resource_is_being_deleted(self) -> None:
        cluster = settled()
        cluster.deleting = True
        assert kstatus(cluster.shown()) == "Terminating"


def reason(planned: Plan[Step]) -> str:
    return next(each.reason for each in planned.status.conditions if each.type == "Ready")


def message(planned: Plan[Step]) -> str:
    return next(each.message for each in planned.status.conditions if each.type == "Ready")


def is_ready(planned: Plan[Step]) -> bool:
    return next(each.status for each in planned.status.conditions if each.type == "Ready") == "True"


def is_stalled(planned: Plan[Step]) -> bool:
    return any(each.type == "Stalled" for each in planned.status.conditions)


def test_new_resource_gets_its_objects() -> None:
    planned = Cluster(OLD_SPEC, monitored=True, serving_pods_from=("gateway",)).plan()
    assert reason(planned) == Reason.CREATING
    assert steps(planned) == [
        "Apply NetworkPolicy zephyr-7b",
        "Apply Service zephyr-7b",
        "Apply PodDisruptionBudget zephyr-7b",
        "Apply Deployment zephyr-7b",
        "Apply PodMonitor zephyr-7b",
    ]


def test_cluster_without_the_api_gets_no_monitor() -> None:
    cluster = Cluster()
    assert not any("PodMonitor" in step for step in steps(cluster.plan()))
    assert not any("PodMonitor" in step for step in steps(cluster.settle().plan()))


def test_weights_come_before_pods() -> None:
    cluster = Cluster(spec(**CACHED))
    planned = cluster.step()
    assert reason(planned) == Reason.FETCHING_WEIGHTS
    assert [step.split()[1] for step in steps(planned)] == ["PersistentVolumeClaim", "Job"]
    cluster.progress = "12.5 of 15.0 GB"
    waits = cluster.step()
    assert (waits.steps, waits.after) == ((), 30)
    assert message(waits).endswith("12.5 of 15.0 GB")
    cluster.finish_jobs()
    assert "Apply Deployment zephyr-7b" in steps(cluster.plan())


def test_claim_of_another_owner_is_not_applied() -> None:
    assert [step.split()[1] for step in steps(Cluster(spec(cache={"claimName": "shared"})).plan())] == ["Job"]


def test_claim_deleted_while_weights_are_fetched_comes_back() -> None:
    cluster = Cluster(spec(**CACHED))
    cluster.step()
    del cluster.children["PersistentVolumeClaim", "zephyr-7b-weights"]
    assert steps(cluster.plan()) == ["Apply PersistentVolumeClaim zephyr-7b-weights"]


def fetching(*, conditions: list[Object] | None = None) -> Cluster:
    cluster = Cluster(spec(**CACHED))
    cluster.step()
    for (kind, _), body in cluster.children.items():
        if kind == "Job":
            body["status"] = {"conditions": conditions or []}
    return cluster


def fetcher(cluster: Cluster, name: str, *, created: str = "2026-01-31T11:00:00Z", **terminated: Any) -> Object:
    job = next(child[1] for child in cluster.children if child[0] == "Job")
    labels = names.weights_labels(OWNER) | {"batch.kubernetes.io/job-name": job}
    status = {
        "name": "fetch",
        "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "reason": "Error"} | terminated},
    }
    found = pod(name, None, phase="Failed", conditions=NOT_READY, containerStatuses=[status])
    found["metadata"] |= {"labels": labels, "creationTimestamp": created}
    return found


def failed(reason: str, message: str = "Job has reached the specified backoff limit") -> list[dict[str, Any]]:
    return [
        {
            "type": "Failed",
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": "2026-01-31T12:00:00Z",
        }
    ]


FAILED = failed("PodFailurePolicy")
TEMPORARILY = failed("BackoffLimitExceeded")


def test_failed_fetch_is_for_a_person_to_end() -> None:
    cluster = fetching(conditions=FAILED)
    cluster.add(
        fetcher(
            cluster, "f", exitCode=3, message="tgi-operator: hf://a/b: the model does not exist or is private (404)"
        )
    )
    planned = cluster.step()
    assert is_stalled(planned)
    assert reason(planned) == Reason.MODEL_DOWNLOAD_FAILED
    assert "; to retry, set the tgi-operator.dev/requestedAt annotation" in message(planned)
    assert "the model does not exist" in message(planned)
    failure = planned.status.last_failure
    assert failure is not None
    assert (failure.pod, failure.container, failure.exit_code) == ("f", "fetch", 3)


def test_fetch_whose_claim_is_missing_is_for_a_person_to_end() -> None:
    cluster = fetching()
    words = '0/3 nodes are available: persistentvolumeclaim "zephyr-7b-weights" not found.'
    waiting = fetcher(cluster, "f")
    waiting["status"] = unschedulable("f", None, words)["status"]
    cluster.add(waiting)
    planned = cluster.plan()
    assert is_stalled(planned)
    assert reason(planned) == Reason.PVC_NOT_FOUND


def test_failed_download_that_the_job_repeats_is_not_for_a_person_yet() -> None:
    cluster = fetching()
    cluster.add(fetcher(cluster, "f", message="connection refused"))
    planned = cluster.plan()
    assert reason(planned) == Reason.MODEL_DOWNLOAD_FAILED
    assert not is_stalled(planned)


def test_failed_fetch_without_a_pod_has_the_words_of_the_job() -> None:
    for conditions in (FAILED, TEMPORARILY):
        assert "reached the specified backoff limit" in message(fetching(conditions=conditions).plan())


def job_of(cluster: Cluster) -> Object:
    (job,) = (body for (kind, _), body in cluster.children.items() if kind == "Job")
    return job


def test_failed_job_that_is_deleted_is_created_again() -> None:
    cluster = fetching(conditions=FAILED)
    cluster.step()
    name = job_of(cluster)["metadata"]["name"]
    del cluster.children["Job", name]
    assert steps(cluster.plan()) == [f"Apply Job {name}"]


def test_what_may_pass_is_tried_again_after_growing_pauses() -> None:
    cluster = fetching(conditions=TEMPORARILY)
    for attempt, pause in enumerate((60, 120, 240, 480, 960, 1920, 3600, 3600)):
        planned = cluster.step()
        assert planned.steps == ()
        assert is_stalled(planned) is (attempt >= 3)
        when = NOW + timedelta(seconds=pause)
        assert f"Retrying at {rfc3339(when)}." in message(planned)
        cluster.now = when
        name = job_of(cluster)["metadata"]["name"]
        planned = cluster.step()
        assert steps(planned) == [f"Delete Job {name}", f"Apply Job {name}"]
        assert reason(planned) == Reason.FETCHING_WEIGHTS
        assert job_of(cluster)["metadata"]["annotations"]["tgi-operator.dev/attempt"] == str(attempt + 1)
        job_of(cluster)["status"] = {"conditions": TEMPORARILY}
        cluster.now = NOW


@pytest.mark.parametrize("text", ["", "x", "-1", "1" * 40, "\u0663"])
def test_number_of_attempts_that_another_user_wrote_is_zero(text: str) -> None:
    cluster = fetching(conditions=TEMPORARILY)
    job_of(cluster)["metadata"]["annotations"]["tgi-operator.dev/attempt"] = text
    assert "Retrying at 2026-01-31T12:01:00Z." in message(cluster.plan())


@pytest.mark.parametrize("conditions", [[], FAILED, TEMPORARILY], ids=["runs", "failed for good", "failed"])
@pytest.mark.parametrize(
    ("changes", "token"),
    [
        ({"serviceAccountName": "other"}, TOKEN),
        ({"tolerations": [{"operator": "Exists"}]}, TOKEN),
        ({}, "hf_other"),
    ],
    ids=["service account", "tolerations", "token"],
)
def test_job_follows_its_input_until_it_is_complete(
    conditions: list[dict[str, Any]], changes: dict[str, Any], token: str
) -> None:
    gated = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}
    cluster = Cluster(spec(gated, **CACHED), token=TOKEN)
    cluster.step()
    job_of(cluster)["status"] = {"conditions": conditions}
    assert not any(step.startswith("Delete") for step in steps(cluster.plan()))
    cluster.described, cluster.generation, cluster.token = spec(gated, **changes, **CACHED), 2, token
    name = job_of(cluster)["metadata"]["name"]
    planned = cluster.step()
    assert steps(planned) == [f"Delete Job {name}", f"Apply Job {name}"]
    assert reason(planned) == Reason.FETCHING_WEIGHTS
    assert not is_stalled(planned)
    job_of(cluster)["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    cluster.described, cluster.generation, cluster.token = spec(gated, **CACHED), 3, TOKEN
    assert not any("Job" in step for step in steps(cluster.plan())), "what is fetched stays"


COMPLETE = [{"type": "Complete", "status": "True"}]


def moved(cluster: Cluster, *options: str) -> None:
    """Let the Job have made another home, or none."""
    (container,) = job_of(cluster)["spec"]["template"]["spec"]["containers"]
    at = container["args"].index("--home")
    container["args"][at : at + 2] = options


@pytest.mark.parametrize(
    ("options", "replaced"),
    [
        ((), True),
        (("--home", "aaaaaaaaaa/bbbbbbbbbb"), True),
        (None, False),
    ],
    ids=["of pods without homes", "of a deleted resource", "its own"],
)
@pytest.mark.parametrize("deployed", [False, True])
def test_job_that_has_filled_another_home_is_replaced_before_pods_look_there(
    options: tuple[str, ...] | None, *, replaced: bool, deployed: bool
) -> None:
    cluster = settled(spec(**CACHED)) if deployed else fetching(conditions=COMPLETE)
    name = job_of(cluster)["metadata"]["name"]
    if options is not None:
        moved(cluster, *options)
    if deployed:
        assert cluster.plan().steps == (), "pods that run do not depend on it"
        cluster.described, cluster.generation = spec(NEXT, **CACHED), 2
    planned = cluster.step()
    assert (steps(planned) == [f"Delete Job {name}", f"Apply Job {name}"]) is replaced
    assert ("Apply Deployment zephyr-7b" in steps(planned)) is not replaced
    if not replaced:
        return
    assert reason(planned) == Reason.FETCHING_WEIGHTS
    assert cluster.plan().steps == (), "it is replaced once"
    cluster.finish_jobs()
    assert "Apply Deployment zephyr-7b" in steps(cluster.plan())


def test_job_for_other_weights_ends_with_the_wish_for_them() -> None:
    cluster = fetching()
    former = job_of(cluster)["metadata"]["name"]
    cluster.described = spec({"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-alpha"}}, **CACHED)
    assert steps(cluster.plan())[0] == f"Delete Job {former}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('Error creating: pods "x" is forbidden: exceeded quota: none', Reason.QUOTA_EXCEEDED),
        ("Error creating: error looking up service account ml/x: not found", Reason.REJECTED_BY_KUBERNETES),
    ],
)
def test_job_without_a_pod_is_explained_by_its_events(words: str, expected: Reason) -> None:
    cluster = fetching()
    assert asked(replace(cluster.seen, progress=None)) == {Need.PROGRESS}
    cluster.later(61)
    assert asked(replace(cluster.seen, warning=None)) == {Need.WARNING}
    cluster.warning = words
    for _ in range(3):
        planned = cluster.step()
        assert (reason(planned), is_stalled(planned)) == (expected, True)
        assert words in message(planned)
        cluster.later(3600)


def test_job_without_a_pod_and_without_events_is_stalled_after_the_deadline() -> None:
    cluster = fetching()
    cluster.later(61)
    planned = cluster.step()
    assert (reason(planned), is_stalled(planned)) == (Reason.FETCHING_WEIGHTS, False)
    assert "kubectl describe job" in message(planned)
    cluster.later(cluster.desired.progress_deadline_seconds)
    for _ in range(3):
        planned = cluster.step()
        assert (reason(planned), is_stalled(planned)) == (Reason.PROGRESS_DEADLINE_EXCEEDED, True)
        cluster.later(60)


def test_pod_whose_predecessor_never_terminates_is_stalled_after_the_deadline() -> None:
    cluster = squeezed()
    cluster.step()
    ending = pod("old-0", "0123456789")
    ending["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    cluster.pods(ending, unschedulable("new", cluster.revision))
    assert not is_stalled(cluster.step())
    cluster.later(cluster.desired.progress_deadline_seconds + 1)
    for _ in range(3):
        planned = cluster.step()
        assert (reason(planned), is_stalled(planned)) == (Reason.PROGRESS_DEADLINE_EXCEEDED, True)
        assert "is waiting for pod old-0 to terminate" in message(planned)
        cluster.later(60)


def test_pod_of_a_job_that_does_not_start_is_stalled_after_the_deadline_with_the_claim_it_waits_for() -> None:
    cluster = fetching()
    waiting = fetcher(cluster, "f")
    waiting["status"] = unschedulable("f", None, "0/3 nodes are available: 3 pod has unbound immediate PVCs.")["status"]
    cluster.add(waiting)
    claim = cluster.children["PersistentVolumeClaim", "zephyr-7b-weights"]
    claim["status"] = {"phase": "Pending"}
    planned = cluster.step()
    assert (reason(planned), is_stalled(planned)) == (Reason.UNSCHEDULABLE, False)
    words = "PersistentVolumeClaim zephyr-7b-weights is Pending (no storage class, access mode ReadWriteMany)."
    assert words in message(planned)
    cluster.later(cluster.desired.progress_deadline_seconds + 1)
    planned = cluster.step()
    assert (reason(planned), is_stalled(planned)) == (Reason.UNSCHEDULABLE, True)


def test_only_the_newest_pod_of_a_fetch_counts() -> None:
    cluster = fetching()
    cluster.add(fetcher(cluster, "a", created="2026-01-31T11:00:00Z", message="connection refused"))
    assert "connection refused" in message(cluster.plan())
    running = fetcher(cluster, "b", created="2026-01-31T11:30:00Z")
    running["status"] = {"phase": "Running", "conditions": NOT_READY, "containerStatuses": []}
    cluster.add(running)
    assert reason(cluster.plan()) == Reason.FETCHING_WEIGHTS


def test_what_serves_goes_on_while_other_weights_are_fetched() -> None:
    cluster = settled(spec(**CACHED))
    cluster.described = spec({"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-alpha"}}, **CACHED)
    planned = cluster.plan()
    assert [step.split()[1] for step in steps(planned)] == ["Job"]
    assert any(each.type == "Available" and each.status == "True" for each in planned.status.conditions)


def test_another_option_does_not_fetch_again() -> None:
    cluster = settled(spec(**CACHED))
    cluster.described = spec(NEXT, **CACHED)
    assert "Apply Deployment zephyr-7b" in steps(cluster.plan())
    assert not any(" Job " in step for step in steps(cluster.plan()))


@pytest.mark.parametrize(
    ("rollout", "expected", "words"),
    [
        pytest.param(None, SURGE, "A new pod becomes ready before an old pod terminates", id="by default"),
        pytest.param({"maxSurge": 2}, Strategy(2, 0), "maxSurge 2, maxUnavailable 0", id="the spec says"),
    ],
)
def test_how_pods_are_replaced(rollout: Any, expected: Strategy, words: str) -> None:
    cluster = settled()
    cluster.described = NEW_SPEC | ({"rollout": rollout} if rollout else {})
    planned = cluster.plan()
    assert words in message(planned)
    assert strategy_of(planned) == expected.manifest["rollingUpdate"]


def squeezed(room: Room | None = Room.TAKEN, **fields: Any) -> Cluster:
    """Return a cluster in which a new pod does not fit beside two old ones."""
    cluster = updating()
    cluster.room = room
    cluster.node_wait_seconds = fields.pop("node_wait_seconds", 0)
    cluster.pods(*(pod(f"old-{n}", "0123456789") for n in range(2)), unschedulable("new", cluster.revision))
    return cluster


def test_new_pod_that_fits_only_in_the_place_of_an_old_one_makes_it_end() -> None:
    cluster = squeezed()
    planned = cluster.step()
    assert steps(planned) == ["Apply Deployment zephyr-7b"]
    assert strategy_of(planned) == IN_PLACE.manifest["rollingUpdate"]
    assert "an old pod terminates before a new pod starts" in message(planned)
    assert cluster.plan().steps == (), "once is enough"


@pytest.mark.parametrize("room", [Room.NONE, Room.FREE, Room.UNREADABLE])
def test_old_pods_serve_on_where_their_end_would_not_help(room: Room) -> None:
    cluster = squeezed(room)
    planned = cluster.step()
    assert planned.steps == ()
    assert (reason(planned), is_stalled(planned)) == (Reason.UNSCHEDULABLE, False)
    assert ("set spec.rollout.maxSurge to 0" in message(planned)) is (room is Room.UNREADABLE)
    assert planned.after == 60, "pods of others end unseen"
    cluster.later(cluster.desired.progress_deadline_seconds + 1)
    planned = cluster.step()
    assert planned.steps == ()
    assert (reason(planned), is_stalled(planned)) == (Reason.UNSCHEDULABLE, True)


@pytest.mark.parametrize(
    "words",
    [
        '0/3 nodes are available: persistentvolumeclaim "cache" not found.',
        "0/3 nodes are available: 3 pod has unbound immediate PersistentVolumeClaims.",
        "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
    ],
)
def test_old_pods_serve_on_where_the_new_pod_lacks_something_else_than_room(words: str) -> None:
    cluster = squeezed()
    cluster.pods(*(pod(f"old-{n}", "0123456789") for n in range(2)), unschedulable("new", cluster.revision, words))
    assert cluster.step().steps == ()


def test_an_autoscaler_of_nodes_has_time_before_an_old_pod_ends() -> None:
    cluster = squeezed(node_wait_seconds=300)
    cluster.later(100)
    planned = cluster.step()
    assert (planned.steps, planned.after, reason(planned)) == ((), 201, Reason.UNSCHEDULABLE)
    assert asked(replace(cluster.seen, room=None)) == set(), "the nodes are not read yet"
    cluster.later(200)
    assert asked(replace(cluster.seen, room=None)) == {Need.ROOM}
    assert strategy_of(cluster.step()) == IN_PLACE.manifest["rollingUpdate"]


def test_new_pod_waits_for_the_old_pod_that_terminates_in_its_place() -> None:
    cluster = squeezed()
    cluster.step()
    ending = pod("old-0", "0123456789")
    ending["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    cluster.pods(ending, pod("old-1", "0123456789"), unschedulable("new", cluster.revision))
    planned = cluster.step()
    assert (reason(planned), is_stalled(planned)) == (Reason.UPDATING, False)
    assert "A new pod is waiting for pod old-0 to terminate." in message(planned)


ONCE = spec(TWO, cache={"size": "1Gi", "accessMode": "ReadWriteOnce"})
ONCE_NEXT = spec(TWO | NEXT, cache={"size": "1Gi", "accessMode": "ReadWriteOnce"})


@pytest.mark.parametrize(
    ("room", "expected"),
    [(Room.TAKEN, IN_PLACE), (Room.UNREADABLE, SURGE), (Room.NONE, SURGE)],
)
def test_pods_with_a_volume_of_one_node_are_replaced_in_place_if_the_new_one_fits(
    room: Room, expected: Strategy
) -> None:
    cluster = settled(ONCE)
    cluster.described, cluster.generation = ONCE_NEXT, 2
    assert asked(replace(cluster.seen, room=None)) == {Need.ROOM}
    cluster.room = room
    planned = cluster.step()
    assert strategy_of(planned) == expected.manifest["rollingUpdate"]
    if expected is IN_PLACE:
        assert "Only one node can attach the volume" in message(planned)


def test_new_pod_that_waited_for_a_node_beside_a_volume_of_one_node_gets_the_place_of_the_old_one() -> None:
    cluster = settled(ONCE)
    cluster.described, cluster.generation, cluster.node_wait_seconds = ONCE_NEXT, 2, 300
    old = cluster.revision
    cluster.step()
    cluster.pods(pod("old-0", old), pod("old-1", old), unschedulable("new", cluster.revision))
    assert cluster.step().steps == (), "the node of the volume does not take it"
    cluster.room = Room.TAKEN
    assert strategy_of(cluster.step()) == IN_PLACE.manifest["rollingUpdate"]


QUOTA = (
    'pods "x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, '
    "used: requests.nvidia.com/gpu={used}, limited: requests.nvidia.com/gpu=2"
)


@pytest.mark.parametrize(("used", "in_place"), [(2, True), (3, False)])
def test_full_quota_of_gpus_is_handled_in_place_if_an_old_pod_frees_enough(used: int, in_place: bool) -> None:
    cluster = updating()
    cluster.node_wait_seconds = 300
    cluster.pods(*(pod(f"old-{n}", "0123456789") for n in range(2)))
    cluster.deployment["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA.format(used=used)}
    ]
    planned = cluster.step()
    if in_place:
        assert strategy_of(planned) == IN_PLACE.manifest["rollingUpdate"]
    else:
        assert planned.steps == ()
        assert (reason(planned), is_stalled(planned)) == (Reason.QUOTA_EXCEEDED, True)


def test_what_the_spec_says_of_rollouts_is_kept_although_a_pod_waits() -> None:
    cluster = updating(NEW_SPEC | {"rollout": {"maxSurge": 1}}, OLD_SPEC | {"rollout": {"maxSurge": 1}})
    cluster.pods(pod("old", "0123456789"), unschedulable("new", cluster.revision))
    assert cluster.plan().steps == ()
    assert reason(cluster.plan()) == Reason.UNSCHEDULABLE


def test_first_pods_that_wait_have_nobody_to_make_room() -> None:
    cluster = Cluster()
    cluster.step()
    cluster.pods(unschedulable("p", cluster.revision))
    planned = cluster.plan()
    assert planned.steps == ()
    assert reason(planned) == Reason.UNSCHEDULABLE
    assert not is_stalled(planned)


OBJECTS = ("Service", "PodDisruptionBudget", "Deployment", "NetworkPolicy")


@pytest.mark.parametrize("kind", OBJECTS)
def test_deleted_object_is_restored(kind: str) -> None:
    cluster = settled(serving_pods_from=("gateway",))
    del cluster.children[kind, OWNER.name]
    planned = cluster.plan()
    assert f"Apply {kind} zephyr-7b" in steps(planned)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Service", ("spec", "selector"), {"app": "other"}),
        ("Service", ("metadata", "labels", "app.kubernetes.io/managed-by"), "Helm"),
        ("Service", ("metadata", "ownerReferences"), []),
        ("PodDisruptionBudget", ("spec", "maxUnavailable"), 0),
        ("Deployment", ("spec", "template", "spec", "containers", 0, "image"), "own:1"),
        ("Deployment", ("spec", "progressDeadlineSeconds"), 1),
        ("Deployment", ("spec", "replicas"), 5),
        ("PersistentVolumeClaim", ("spec", "resources", "requests", "storage"), "1Gi"),
        ("NetworkPolicy", ("spec", "policyTypes"), ["Egress"]),
        ("NetworkPolicy", ("spec", "podSelector", "matchLabels", "selects"), "no pod"),
        ("NetworkPolicy", ("spec", "ingress"), []),
        ("NetworkPolicy", ("spec", "ingress", 0, "from", 0, "namespaceSelector"), {}),
        ("NetworkPolicy", ("spec", "ingress", 0, "ports", 0, "endPort"), 65535),
    ],
)
def test_changed_object_is_restored(kind: str, path: tuple[str | int, ...], value: Any) -> None:
    cluster = settled(spec(TWO, **CACHED), serving_pods_from=("gateway",))
    (body,) = (body for child, body in cluster.children.items() if child[0] == kind)
    parent: Any = body
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = value
    planned = cluster.step()
    assert steps(planned) == [f"Apply {kind} {body['metadata']['name']}"]
    assert [note.reason for note in planned.notes] == [Reason.RESTORED]
    assert cluster.plan().steps == ()


def test_a_port_of_ours_with_another_number_takes_another_service() -> None:
    """An apply would add port 80 beside it, and Kubernetes refuses two ports of one name."""
    cluster = settled()
    cluster.children["Service", OWNER.name]["spec"]["ports"][0]["port"] = 81
    assert steps(cluster.step()) == ["Delete Service zephyr-7b", "Apply Service zephyr-7b"]
    assert cluster.plan().steps == ()


def test_a_deleted_claim_is_released_and_created_again() -> None:
    """The pod of the finished job would hold it forever."""
    cluster = settled(spec(**CACHED))
    claim = cluster.children["PersistentVolumeClaim", "zephyr-7b-weights"]
    claim["metadata"]["deletionTimestamp"] = "t"
    (job,) = [child[1] for child in cluster.children if child[0] == "Job"]
    assert steps(cluster.step()) == [f"Delete Job {job}"]
    assert cluster.plan().steps == (), "the claim is not gone yet"
    del cluster.children["PersistentVolumeClaim", "zephyr-7b-weights"]
    assert steps(cluster.plan()) == ["Apply PersistentVolumeClaim zephyr-7b-weights", f"Apply Job {job}"]


def test_restoring_a_deleted_deployment_has_an_event() -> None:
    cluster = settled()
    del cluster.children["Deployment", OWNER.name]
    assert [note.reason for note in cluster.plan().notes] == [Reason.RESTORED]


def test_a_refusal_stays_in_the_status_until_the_same_steps_succeed() -> None:
    cluster = settled()
    cluster.described, cluster.generation = NEW_SPEC, 2
    refusal = stalled(Reason.REJECTED_BY_KUBERNETES, "no", available=True)
    cluster.status = with_verdict(cluster.status, 2, refusal, "2026-01-31T12:00:00Z")
    planned = cluster.plan()
    assert not planned.ahead, "written ahead, it would change with each attempt"
    assert reason(planned) == Reason.UPDATING


@pytest.mark.parametrize("rule", [{}, {"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], ids=["everybody", "addresses"])
def test_what_others_let_in_beside_is_removed(rule: Object) -> None:
    """In other objects, additions by others are theirs. Here, they undo what we applied."""
    cluster = settled(serving_pods_from=("gateway",))
    cluster.children["NetworkPolicy", OWNER.name]["spec"]["ingress"].append(rule)
    assert steps(cluster.step()) == ["Apply NetworkPolicy zephyr-7b"]
    assert cluster.plan().steps == ()


def test_network_policy_follows_the_setting_and_replaces_no_pod() -> None:
    cluster = settled()
    before = cluster.revision
    for namespaces, expected in (
        (("gateway",), ["Apply NetworkPolicy zephyr-7b"]),
        (("monitoring", "gateway"), ["Apply NetworkPolicy zephyr-7b"]),
        (("gateway", "monitoring", "gateway"), []),
        ((), ["Apply NetworkPolicy zephyr-7b"]),
        (("gateway", "*"), ["Delete NetworkPolicy zephyr-7b"]),
        (("*",), []),
    ):
        cluster.serving_pods_from = namespaces
        planned = cluster.step()
        assert steps(planned) == expected, namespaces
        assert is_ready(planned)
        assert cluster.plan().steps == ()
    assert cluster.revision == before


def test_network_policy_of_another_owner_is_not_deleted() -> None:
    cluster = settled(serving_pods_from=("gateway",))
    cluster.children["NetworkPolicy", OWNER.name]["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    cluster.serving_pods_from = ("*",)
    assert cluster.plan().steps == ()


def test_additions_by_others_stay() -> None:
    cluster = settled(serving_pods_from=("gateway",))
    for kind in OBJECTS:
        metadata = cluster.children[kind, OWNER.name]["metadata"]
        metadata.setdefault("annotations", {})["team"] = metadata["labels"]["team"] = "ml"
    cluster.deployment["spec"]["template"]["spec"]["containers"].append({"name": "proxy"})
    assert cluster.plan().steps == ()


def test_changed_strategy_is_not_restored() -> None:
    """It is decided again with each rollout."""
    cluster = settled()
    cluster.deployment["spec"]["strategy"] = SURGE.manifest
    assert cluster.plan().steps == ()


def test_job_that_is_done_is_not_changed() -> None:
    cluster = settled(spec(**CACHED))
    for (kind, _), body in cluster.children.items():
        if kind == "Job":
            body["spec"]["template"]["spec"]["containers"][0]["image"] = "operator:old"
    assert cluster.plan().steps == ()


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_another_number_is_scaled_and_stays_ready(before: int, after: int) -> None:
    cluster = settled(spec({"replicas": before}))
    cluster.described, cluster.generation = spec({"replicas": after}), 2
    planned = cluster.step()
    assert steps(planned) == ["Apply Deployment zephyr-7b"]
    assert cluster.status.scaling is not None
    assert cluster.status.scaling.history is not None
    record = cluster.status.scaling.history[0]
    assert (record.before, record.to, record.reason) == (before, after, "spec.replicas changed")
    assert is_ready(planned)
    assert cluster.status.desired_replicas == after
    cluster.serve()
    assert reason(cluster.step()) == Reason.IN_SERVICE


def test_scale_stays_ready_while_the_deployment_controller_has_not_seen_it() -> None:
    """A Ready condition that flaps with every scaling confuses autoscalers and Argo CD."""
    cluster = settled(spec({"replicas": 1}))
    cluster.described, cluster.generation = spec({"replicas": 3}), 2
    cluster.step()
    assert is_ready(cluster.plan())


def test_change_taken_back_half_way_is_not_ready_before_it_is_observed() -> None:
    """The counts in the Deployment's status are still those of the revision that was rolled back."""
    cluster = updating()
    cluster.pods(pod("new-0", cluster.revision), starting("new-1", cluster.revision))
    cluster.step()
    assert cluster.status.current_revision != cluster.revision
    cluster.described, cluster.generation = OLD_SPEC, 3
    cluster.step()
    assert cluster.status.current_revision == cluster.revision, "what served last is what is wanted again"
    assert not is_ready(cluster.plan())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(spec({"replicas": 1}), spec({"replicas": 3}), id="another replica count"),
        pytest.param(spec(**CACHED), spec(cache={"size": "200Gi"}), id="a larger PVC"),
        pytest.param(spec(), spec(podDisruptionBudget={"maxUnavailable": 2}), id="another budget"),
    ],
)
def test_status_reports_a_generation_only_after_its_steps_succeeded(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    cluster = settled(before)
    cluster.described, cluster.generation = after, 2
    planned = cluster.plan()
    assert planned.steps
    assert not planned.ahead
    assert planned.status.observed_generation == 2


def test_replica_count_of_another_controller_is_kept() -> None:
    cluster = settled(spec())
    cluster.deployment["spec"]["replicas"] = 4
    cluster.serve()
    planned = cluster.plan()
    assert planned.steps == ()
    assert is_ready(planned)
    assert planned.status.desired_replicas == 4


def refused_with(words: str) -> Cluster:
    cluster = Cluster()
    cluster.step()
    cluster.deployment["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": words}]}
    return cluster


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('pods "x" is forbidden: exceeded quota: gpus', Reason.QUOTA_EXCEEDED),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', Reason.REJECTED_BY_KUBERNETES),
        ('admission webhook "policy" denied the request', Reason.REJECTED_BY_KUBERNETES),
    ],
)
def test_cluster_that_lets_no_pod_be_made(words: str, expected: Reason) -> None:
    planned = refused_with(words).plan()
    assert reason(planned) == expected
    assert message(planned).startswith(f"Deployment zephyr-7b: {words}; ")
    assert ("raise the ResourceQuota" in message(planned)) is (expected is Reason.QUOTA_EXCEEDED)
    assert is_stalled(planned)
    assert planned.after == 60


def test_jobs_of_old_revisions_are_collected_when_all_serve() -> None:
    cluster = settled(spec(**CACHED))
    (old,) = [child[1] for child in cluster.children if child[0] == "Job"]
    cluster.described = spec({"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-alpha"}}, **CACHED)
    cluster.step()
    cluster.finish_jobs()
    cluster.step()
    cluster.pods(starting("p", cluster.revision))
    assert cluster.step().steps == (), "not before they serve"
    cluster.serve()
    planned = cluster.step()
    assert steps(planned) == [f"Delete Job {old}"]
    assert planned.steps == (), "a failing collection must not hold up anything else"
    assert len([child for child in cluster.children if child[0] == "Job"]) == 1
    assert cluster.plan().steps == ()


def test_pods_in_trouble_are_not_counted_among_those_that_serve() -> None:
    cluster = settled()
    cluster.pods(pod("good", cluster.revision), crashed("bad", cluster.revision, restarts=1))
    planned = cluster.step()
    assert message(planned).startswith("1/2 pods ready"), "the Deployment still says 2"


def test_pod_in_trouble_is_reported_with_its_log() -> None:
    cluster = updating()
    cluster.pods(
        pod("old", "0123456789"), crashed("new", cluster.revision, "CUDA out of memory. Tried to allocate", restarts=1)
    )
    planned = cluster.step()
    assert reason(planned) == Reason.OUT_OF_GPU_MEMORY
    assert message(planned).startswith(f"0/2 pods ready at revision {cluster.revision}. Pod new: container tgi exited")
    assert is_stalled(planned)
    shown = planned.status.in_cluster
    assert shown is not None
    assert shown.unhealthy_pods is not None
    assert [(each.name, each.reason) for each in shown.unhealthy_pods] == [("new", Reason.OUT_OF_GPU_MEMORY)]
    failure = planned.status.last_failure
    assert failure is not None
    assert failure.revision == cluster.revision


def test_trouble_of_old_pods_does_not_matter_to_the_new_revision() -> None:
    cluster = updating()
    cluster.pods(crashed("old", "0123456789"), starting("new", cluster.revision))
    assert reason(cluster.plan()) == Reason.UPDATING


def test_failure_of_an_earlier_revision_is_forgotten_when_the_next_serves() -> None:
    cluster = updating()
    cluster.pods(pod("old", "0123456789"), crashed("new", cluster.revision))
    cluster.step()
    assert cluster.status.last_failure is not None
    cluster.described = spec(TWO | {"runtime": {"maxTotalTokens": 1024}})
    assert cluster.settle().status.last_failure is None


def test_failure_of_the_revision_that_serves_is_kept() -> None:
    cluster = settled()
    cluster.pods(crashed("p", cluster.revision, restarts=1), pod("q", cluster.revision))
    cluster.step()
    cluster.serve()
    planned = cluster.step()
    assert is_ready(planned)
    assert planned.status.last_failure is not None


@pytest.mark.parametrize("phase_reason", ["Evicted", "UnexpectedAdmissionError", "NodeShutdown", "OutOfnvidia.com/gpu"])
def test_failed_pod_that_was_replaced_keeps_nothing_from_being_ready(phase_reason: str) -> None:
    """Kubernetes keeps it until thousands of them are collected; the ReplicaSet has created another in its place."""
    cluster = settled()
    serving = [body for (kind, _), body in cluster.children.items() if kind == "Pod"]
    corpse = pod(
        "p-dead",
        cluster.revision,
        phase="Failed",
        reason=phase_reason,
        message="The node was low on resource: memory.",
        conditions=NOT_READY,
        containerStatuses=[],
    )
    cluster.pods(*serving, corpse)
    planned = cluster.plan()
    assert is_ready(planned), message(planned)


def test_failed_pod_of_a_container_that_ended_and_was_replaced_keeps_nothing_from_being_ready() -> None:
    cluster = settled()
    serving = [body for (kind, _), body in cluster.children.items() if kind == "Pod"]
    corpse = crashed("p-dead", cluster.revision, restarts=0, code=137)
    corpse["status"] |= {"phase": "Failed", "reason": "Evicted"}
    cluster.pods(*serving, corpse)
    assert is_ready(cluster.plan())


def test_hours_of_fetching_are_not_counted_as_a_slow_rollout() -> None:
    cluster = Cluster(spec(**CACHED))
    cluster.step()
    cluster.later(3 * 3600)
    cluster.step()
    cluster.finish_jobs()
    cluster.step()
    cluster.pods(starting("p", cluster.revision))
    cluster.later(5)
    planned = cluster.step()
    assert not is_stalled(planned), message(planned)
    assert kstatus(cluster.shown()) == "InProgress"


def test_another_change_in_the_middle_of_one_has_its_own_time() -> None:
    cluster = updating()
    cluster.step()
    cluster.later(cluster.desired.progress_deadline_seconds - 10)
    cluster.step()
    cluster.described, cluster.generation = spec(TWO | {"runtime": {"maxTotalTokens": 1024}}), 3
    cluster.step()
    cluster.pods(pod("old", "0123456789"), starting("newer", cluster.revision))
    cluster.later(60)
    planned = cluster.step()
    assert not is_stalled(planned), message(planned)


def test_pod_that_found_a_node_late_has_its_own_time_to_start() -> None:
    cluster = Cluster()
    cluster.step()
    cluster.pods(unschedulable("p", cluster.revision))
    cluster.step()
    cluster.later(cluster.desired.progress_deadline_seconds - 10)
    cluster.step()
    cluster.pods(starting("p", cluster.revision))
    cluster.later(60)
    planned = cluster.step()
    assert not is_stalled(planned), message(planned)


def test_next_look_is_when_the_patience_ends() -> None:
    cluster = updating()
    planned = cluster.step()
    patience = cluster.desired.progress_deadline_seconds
    assert planned.after == patience + 1
    cluster.later(100)
    assert cluster.step().after == patience - 99
    cluster.later(patience)
    assert cluster.step().after is None


def test_deployment_controller_that_lost_patience_is_believed() -> None:
    cluster = updating()
    cluster.deployment["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    ]
    planned = cluster.step()
    assert not is_stalled(planned), "it may speak of the rollout before"
    assert planned.after == 3
    cluster.later(3)
    planned = cluster.plan()
    assert reason(planned) == Reason.PROGRESS_DEADLINE_EXCEEDED
    assert is_stalled(planned)


def test_no_pods_wanted_is_no_slow_rollout() -> None:
    """Without replicas in the spec, the client that scales the Deployment decides; kubectl and KEDA can set 0."""
    cluster = settled(spec())
    cluster.deployment["spec"]["replicas"] = 0
    cluster.pods()
    cluster.step()
    cluster.later(24 * 3600)
    planned = cluster.step()
    assert not is_stalled(planned), message(planned)


def test_deletion_takes_the_claim() -> None:
    cluster = settled(spec(**CACHED))
    cluster.deleting = True
    planned = cluster.plan()
    assert planned.finished
    assert steps(planned) == ["Delete PersistentVolumeClaim zephyr-7b-weights"]
    assert [note.reason for note in planned.notes] == [Reason.DELETED]


def test_deletion_policy_retain_keeps_the_claim() -> None:
    cluster = settled(spec({"deletionPolicy": "Retain"}, **CACHED))
    cluster.deleting = True
    planned = cluster.plan()
    assert planned.finished
    assert steps(planned) == []
    (note,) = planned.notes
    assert note.reason == Reason.RETAINED
    assert "Kept PersistentVolumeClaim ml/zephyr-7b-weights" in note.message


def deleted() -> Cluster:
    cluster = settled()
    cluster.deleting = True
    return cluster


def updated(changes: dict[str, Any] | None = None) -> Cluster:
    """Return a cluster whose spec has changed, without any other change yet."""
    cluster = settled(OLD_SPEC | (changes or {}))
    cluster.described, cluster.generation = NEW_SPEC | (changes or {}), 2
    return cluster


def asked(situation: Situation) -> set[Need]:
    """Return the missing parts of the rules."""
    answer = chain.decide(situation)
    return set(answer.needs) if isinstance(answer, Ask) else set()


@pytest.mark.parametrize(
    ("situation", "needs"),
    [
        pytest.param(fetching, {Need.PROGRESS}, id="a job fetches weights"),
        pytest.param(updated, set(), id="a rollout is next"),
        pytest.param(squeezed, {Need.ROOM}, id="a new pod does not fit"),
        pytest.param(Cluster, set(), id="a first rollout"),
        pytest.param(settled, set(), id="all is well"),
        pytest.param(deleted, {Need.CLAIMS}, id="deletion"),
    ],
)
def test_rules_ask_only_for_what_they_need(situation: Callable[[], Cluster], needs: set[Need]) -> None:
    cluster = situation()
    assert asked(replace(cluster.seen, room=None, progress=None, claims=None)) == needs


def test_deletion_leaves_a_claim_that_the_operator_did_not_make() -> None:
    """A copy of the PVC has its labels, and can lack its managedFields."""
    cluster = settled(spec(cache={"claimName": "copy"}))
    metadata = {"name": "copy", "namespace": "ml", "uid": "u", "labels": {names.LABEL_NAME: OWNER.name}}
    cluster.add({"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {}, "status": {}})
    cluster.deleting = True
    assert steps(cluster.plan()) == []


def test_object_that_is_not_owned_is_left_alone() -> None:
    words = (
        "Service ml/zephyr-7b: exists but is not owned by this resource; delete the Service or create a TGIEndpoint "
        "with another name"
    )
    planned = Cluster(foreign=words).plan()
    assert (planned.steps, planned.after) == ((), FOREIGN_SECONDS)
    assert reason(planned) == Reason.NOT_OWNED
    assert message(planned) == words


def test_spec_that_cannot_work_changes_nothing_of_what_serves() -> None:
    cluster = settled()
    seen = cluster.seen
    problem = Problem(Reason.UNKNOWN_VERSION, "spec.runtime.version: no")
    planned = decided(replace(seen, rendered=None, problem=problem))
    assert (planned.steps, planned.after) == ((), None), "only the spec can end it"
    assert (reason(planned), message(planned)) == (problem.reason, problem.message)
    assert any(each.type == "Available" and each.status == "True" for each in planned.status.conditions)
    assert planned.status.current_revision == cluster.revision


def test_deployment_about_to_go_is_applied_again_and_what_goes_is_waited_for() -> None:
    cluster = settled()
    cluster.children["Service", OWNER.name]["metadata"]["deletionTimestamp"] = "t"
    assert cluster.plan().steps == ()


GATED = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}


def test_token_is_in_no_plan() -> None:
    cluster = Cluster(spec(GATED, **CACHED), token=TOKEN)
    for _ in range(4):
        planned = cluster.step()
        bodies = [step.manifest if isinstance(step, Apply) else step.body for step in planned.steps]
        assert TOKEN not in f"{planned} {planned!r} {json.dumps(bodies)} {cluster.shown()}"
        cluster.finish_jobs()


def test_token_that_a_container_printed_is_not_shown() -> None:
    """Many more people can read the status than Secrets and logs."""
    cluster = Cluster(spec(GATED), token=TOKEN)
    cluster.step()
    words = f"InvalidHeader: Invalid header value b'Bearer {TOKEN}\\n'"
    cluster.pods(crashed("p", cluster.revision, words))
    cluster.step()
    assert TOKEN not in json.dumps(cluster.shown())


variants = st.sampled_from(
    [
        spec(),
        spec(TWO),
        spec(TWO | {"rollout": {"maxSurge": "50%"}}),
        spec(**CACHED),
        spec(cache={"claimName": "shared"}),
        spec({"model": {"uri": "pvc://models/x"}}),
        spec(NEXT, nodeSelector={"a": "b"}),
        spec(tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]),
        spec(podTemplate={"spec": {"initContainers": [{"name": "wait", "image": "x"}]}}),
    ]
)


@settings(max_examples=50)
@given(st.lists(variants, min_size=1, max_size=3), st.booleans())
def test_what_was_carried_out_leaves_nothing_to_do(described: list[dict[str, Any]], monitored: bool) -> None:
    cluster = Cluster(described[0], monitored=monitored)
    for generation, each in enumerate(described, start=1):
        cluster.described, cluster.generation = each, generation
        cluster.settle()
        for _ in range(2):
            planned = cluster.step()
            assert (planned.steps, planned.notes) == ((), ())
            assert planned.status == cluster.status
        assert kstatus(cluster.shown()) == "Current"


@pytest.mark.parametrize(
    "in_cluster",
    [
        pytest.param(
            {
                "tolerations": [
                    {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
                    {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
                ]
            },
            id="two effects of one taint",
        ),
        pytest.param(
            {
                "podTemplate": {
                    "spec": {
                        "containers": [
                            {"name": "tgi", "volumeMounts": [{"name": "data", "mountPath": "/x", "subPath": "x"}]}
                        ]
                    }
                }
            },
            id="a volume mounted twice",
        ),
    ],
)
def test_items_that_share_a_key_are_not_applied_for_ever(in_cluster: dict[str, Any]) -> None:
    cluster = Cluster(spec(**in_cluster))
    for _ in range(3):
        cluster.step()
        cluster.serve()
    assert cluster.plan().steps == ()


pods_seen = st.lists(
    st.tuples(st.sampled_from(["serves", "starts", "crashed", "waits"]), st.booleans()), min_size=0, max_size=4
)


@settings(max_examples=200)
@given(pods_seen, st.integers(1, 3), st.integers(0, 4), st.sampled_from([0, 100, 10**6]), st.booleans())
def test_never_ready_while_a_pod_of_the_live_revision_is_in_trouble(
    seen: list[tuple[str, bool]],
    replicas: int,
    available: int,
    waited: int,
    observed: bool,
) -> None:
    cluster = updating(spec({"replicas": replicas} | NEXT))
    made = {"serves": pod, "starts": starting, "crashed": crashed, "waits": unschedulable}
    live = cluster.revision
    cluster.pods(*(made[what](f"p-{number}", live if new else "0123456789") for number, (what, new) in enumerate(seen)))
    cluster.deployment["status"]["availableReplicas"] = available
    if not observed:
        cluster.deployment["status"]["observedGeneration"] = 0
    cluster.later(waited)
    planned = cluster.plan()
    cluster.step()
    conditions = {each.type: each.status for each in planned.status.conditions}
    if is_ready(planned):
        assert not cluster.seen.troubles
        assert not {what for what, new in seen if new} & {"crashed", "waits"}
        assert set(conditions) == {"Ready", "Available"}
    else:
        assert set(conditions) - {"Ready", "Available"}, "a person is needed, or something is on its way"
    assert kubectl_wait(cluster.shown()) is (kstatus(cluster.shown()) == "Current")
    assert conditions["Available"] == ("True" if any(what == "serves" for what, _ in seen) else "False")


@settings(max_examples=100)
@given(pods_seen, st.sampled_from([0, 10**6]))
def test_plan_is_a_function_of_what_is_seen(seen: list[tuple[str, bool]], waited: int) -> None:
    cluster = updating()
    made = {"serves": pod, "starts": starting, "crashed": crashed, "waits": unschedulable}
    cluster.pods(*(made[what](f"p-{n}", cluster.revision if new else "0") for n, (what, new) in enumerate(seen)))
    cluster.later(waited)
    assert cluster.plan() == cluster.plan()
    cluster.step()
    cluster.step()
    assert cluster.step().status == cluster.status, "nothing moves while nothing changes"


@pytest.mark.parametrize("step", [Apply({"kind": "Secret", "x": TOKEN}), Delete({"kind": "Job", "x": TOKEN})])
def test_steps_do_not_show_their_bodies(step: Step) -> None:
    assert TOKEN not in repr(step)


def test_status_of_another_backend_does_not_disturb() -> None:
    cluster = Cluster(status=Status(current_revision="other", update_revision="other", desired_replicas=3))
    assert cluster.settle().status.current_revision == cluster.revision
    assert cluster.status.desired_replicas == 3


def test_deletion_needs_no_readable_spec() -> None:
    seen = Cluster(deleting=True).seen
    problem = Problem(Reason.INVALID_SPEC, "spec.replicas: no")
    unreadable = replace(seen.resource, spec=None, problem=problem)
    assert decided(replace(seen, resource=unreadable, rendered=None, problem=problem)).finished
