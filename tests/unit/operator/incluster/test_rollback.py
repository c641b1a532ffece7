"""Rollback to the last revision that served requests."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from kstatus import kstatus
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.decide.steps import Step
from tgi_operator.backends.plans.planning import Need, Plan
from unit.operator.incluster.given import Cluster, crashed, pod, spec, starting, unschedulable
from unit.operator.incluster.test_chain import asked, is_ready, is_stalled, message, reason, steps

OLD = spec({"replicas": 1, "rollout": {"progressDeadlineSeconds": 600}})
NEW = OLD | {"runtime": {"maxTotalTokens": 2048}}
OTHER = OLD | {"runtime": {"maxTotalTokens": 1024}}


def late(described: dict[str, Any] = NEW, **rollout: Any) -> Cluster:
    """Return a cluster in which a new revision has not become ready within its deadline."""
    cluster = Cluster(OLD).settle()
    old, template = cluster.revision, copy.deepcopy(cluster.deployment["spec"]["template"])
    cluster.described = described | {"rollout": described["rollout"] | rollout}
    cluster.generation = 2
    cluster.step()
    cluster.pods(pod("old", old), crashed("new", cluster.revision, "CUDA error: out of memory"))
    cluster.step()
    cluster.last_good = template
    cluster.later(601)
    overdue(cluster)
    return cluster


def overdue(cluster: Cluster, **failure: str) -> None:
    """Let the Deployment controller report that the rollout makes no progress."""
    progress = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    cluster.deployment["status"]["conditions"] = [progress, *([failure] if failure else [])]


def test_revision_that_does_not_become_ready_is_rolled_back() -> None:
    cluster = late()
    failed, last = cluster.revision, cluster.status.current_revision
    assert asked(replace(cluster.seen, last_good=None)) == {Need.LAST_GOOD}
    planned = cluster.step()
    assert steps(planned) == ["Apply Deployment zephyr-7b"]
    assert cluster.revision == last
    for _ in range(3):
        assert (reason(planned), is_stalled(planned)) == (Reason.UPDATE_ROLLED_BACK, True)
        assert f"Revision {failed} did not become ready within the deadline" in message(planned)
        assert "CUDA error: out of memory" in message(planned)
        assert kstatus(cluster.shown()) == "Failed"
        shown = cluster.shown()["status"]
        assert (shown["currentRevision"], shown["updateRevision"]) == (last, failed)
        assert shown["inCluster"]["rolledBackFrom"] == failed
        cluster.pods(pod("old", last))
        cluster.later(3600)
        planned = cluster.step()
        assert planned.steps == (), "the failed revision is not tried again"


def rolled_back_while_starting(cluster: Cluster) -> Plan[Step]:
    """Return the plan that rolls back a revision whose pod has not failed, and has not become ready either."""
    cluster.pods(pod("old", cluster.status.current_revision), starting("new", cluster.revision))
    cluster.step()
    cluster.later(601)
    overdue(cluster)
    planned = cluster.step()
    assert reason(planned) == Reason.UPDATE_ROLLED_BACK
    return planned


def test_without_a_failure_of_a_pod_the_message_has_no_cause() -> None:
    cluster = late()
    cluster.status = cluster.status.model_copy(update={"last_failure": None})
    planned = rolled_back_while_starting(cluster)
    assert f"to revision {cluster.revision}; to retry, change the spec" in message(planned)


def test_failure_of_an_earlier_revision_is_not_the_cause() -> None:
    cluster = late()
    assert cluster.status.last_failure is not None
    earlier = cluster.status.last_failure.model_copy(update={"revision": "0123456789"})
    cluster.status = cluster.status.model_copy(update={"last_failure": earlier})
    planned = rolled_back_while_starting(cluster)
    assert "CUDA" not in message(planned)


@pytest.mark.parametrize("described", [OTHER, OLD], ids=["another spec", "the former spec"])
def test_another_spec_ends_the_rollback(described: dict[str, Any]) -> None:
    cluster = late()
    cluster.step()
    last = cluster.revision
    cluster.pods(pod("old", last))
    cluster.described, cluster.generation = described, 3
    planned = cluster.step()
    assert not is_stalled(planned)
    assert "rolledBackFrom" not in cluster.shown()["status"]["inCluster"]
    assert (cluster.revision == last) is (described is OLD)
    cluster.settle()
    assert "tgi-operator.dev/rolled-back-from" not in cluster.deployment["metadata"]["annotations"]
    assert kstatus(cluster.shown()) == "Current"


def test_request_tries_the_failed_revision_again() -> None:
    cluster = late()
    failed = cluster.revision
    cluster.step()
    cluster.pods(pod("old", cluster.revision))
    cluster.request = "again"
    planned = cluster.step()
    assert cluster.revision == failed
    assert reason(planned) == Reason.UPDATING
    cluster.serve()
    assert is_ready(cluster.step())


def test_rollback_whose_annotation_is_removed_is_not_reported_as_ready() -> None:
    cluster = late()
    cluster.step()
    cluster.serve()
    del cluster.deployment["metadata"]["annotations"]["tgi-operator.dev/rolled-back-from"]
    planned = cluster.step()
    assert is_stalled(planned)
    assert "tgi-operator.dev/rolled-back-from" in cluster.deployment["metadata"]["annotations"]
    assert reason(cluster.step()) == Reason.UPDATE_ROLLED_BACK


def test_revision_is_held_where_the_spec_says_so() -> None:
    cluster = late(onFailure="Hold")
    planned = cluster.step()
    assert planned.steps == ()
    assert (reason(planned), is_stalled(planned)) == (Reason.CRASH_LOOP_BACK_OFF, True)


def test_without_the_former_pods_nothing_is_rolled_back() -> None:
    cluster = late()
    cluster.last_good = {}
    planned = cluster.step()
    assert planned.steps == ()
    assert is_stalled(planned)


def test_pods_that_a_policy_rejects_are_rolled_back() -> None:
    cluster = late()
    cluster.pods()
    denied = {"type": "ReplicaFailure", "status": "True", "message": 'violates PodSecurity "restricted"'}
    overdue(cluster, **denied)
    assert steps(cluster.step()) == ["Apply Deployment zephyr-7b"]
    assert reason(cluster.step()) == Reason.UPDATE_ROLLED_BACK


def test_progress_that_the_operator_has_not_seen_counts() -> None:
    """It was down for longer than the deadline, and the Deployment controller went on."""
    cluster = late()
    cluster.pods(pod("old", cluster.status.current_revision), starting("new", cluster.revision))
    planned = cluster.step()
    assert planned.steps == ()
    assert reason(planned) != Reason.UPDATE_ROLLED_BACK


def test_revision_that_serves_the_least_replicas_is_not_rolled_back_for_those_that_the_autoscaler_wants() -> None:
    scaled = {"autoscaling": {"minReplicas": 1, "maxReplicas": 4}, "rollout": {"progressDeadlineSeconds": 600}}
    cluster = Cluster(spec(scaled)).settle()
    cluster.described, cluster.generation = spec(scaled | {"runtime": {"maxTotalTokens": 2048}}), 2
    cluster.step()
    cluster.scale(2)
    cluster.last_good = {"metadata": {}, "spec": {}}
    cluster.pods(pod("new-0", cluster.revision), unschedulable("new-1", cluster.revision))
    cluster.step()
    cluster.later(601)
    overdue(cluster)
    for _ in range(2):
        planned = cluster.step()
        assert planned.steps == ()
        assert is_ready(planned)
    assert cluster.status.current_revision == cluster.revision


def test_revision_that_never_ran_is_not_the_last_that_served() -> None:
    unscaled = {name: value for name, value in NEW.items() if name != "replicas"}
    cluster = Cluster(OLD).settle()
    served = cluster.status.current_revision
    cluster.scale(0)
    cluster.described, cluster.generation = unscaled, 2
    cluster.step()
    cluster.pods()
    planned = cluster.step()
    assert reason(planned) == Reason.SCALED_TO_ZERO
    assert cluster.revision != served
    assert cluster.status.current_revision == served


def test_first_revision_has_nothing_to_go_back_to() -> None:
    cluster = Cluster(OLD)
    cluster.step()
    cluster.pods(unschedulable("p", cluster.revision))
    cluster.step()
    cluster.later(601)
    planned = cluster.step()
    assert planned.steps == ()
    assert (reason(planned), is_stalled(planned)) == (Reason.UNSCHEDULABLE, True)
