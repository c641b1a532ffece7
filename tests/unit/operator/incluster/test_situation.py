"""The inputs of a decision, as derived from the observation."""

from typing import Any

import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import LastFailure, Status
from tgi_operator.backends.incluster.decide.situation import MOST_PODS, Deployed
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import CLAIM, DEPLOYMENT, Object
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans.verdicts import serving
from unit.operator.incluster.given import CACHED, NOW, OWNER, TOKEN, Cluster, crashed, pod, spec, starting

COUNTS = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}


def deployed(*, replicas: int = 2, generation: int = 1, **status: Any) -> Deployed:
    return Deployed({"metadata": {"generation": generation}, "spec": {"replicas": replicas}, "status": COUNTS | status})


@pytest.mark.parametrize(
    ("found", "replaced", "complete"),
    [
        pytest.param(deployed(), True, True, id="all serve"),
        pytest.param(deployed(generation=2), False, False, id="not seen by its controller yet"),
        pytest.param(deployed(observedGeneration=2), True, True, id="seen, and more than is known"),
        pytest.param(deployed(updatedReplicas=1), False, False, id="one is of an old revision"),
        pytest.param(deployed(availableReplicas=1), True, False, id="one does not serve"),
        pytest.param(deployed(replicas=3), True, False, id="one is not there yet"),
        pytest.param(deployed(replicas=1), True, False, id="one too many"),
        pytest.param(deployed(replicas=0, updatedReplicas=0, availableReplicas=0), False, False, id="one is to go"),
        pytest.param(
            Deployed({"metadata": {"generation": 1}, "spec": {}, "status": {}}), False, False, id="no status yet"
        ),
    ],
)
def test_how_far_a_rollout_is(found: Deployed, *, replaced: bool, complete: bool) -> None:
    assert (found.replaced, found.complete) == (replaced, complete)


def late(status: str = "False", reason: str = "ProgressDeadlineExceeded") -> list[Object]:
    return [{"type": "Progressing", "status": status, "reason": reason}]


@pytest.mark.parametrize(
    ("found", "overdue"),
    [
        pytest.param(deployed(conditions=late()), True, id="late"),
        pytest.param(deployed(conditions=late(), generation=2), False, id="late with what was asked for before"),
        pytest.param(deployed(conditions=late("True", "ReplicaSetUpdated")), False, id="on its way"),
        pytest.param(deployed(conditions=[]), False, id="without conditions"),
        pytest.param(deployed(), False, id="that has none yet"),
    ],
)
def test_overdue(found: Deployed, *, overdue: bool) -> None:
    assert found.overdue is overdue


def test_deployment_without_a_number_asks_for_one_pod() -> None:
    assert Deployed({"metadata": {"generation": 1}, "spec": {}}).wanted == 1


@pytest.mark.parametrize("labels", [{}, {"a": "b"}, None])
def test_object_of_no_revision(labels: dict[str, str] | None) -> None:
    assert names.revision({"metadata": {} if labels is None else {"labels": labels}}) is None
    assert names.revision({"metadata": {"labels": {names.LABEL_REVISION: "r"}}}) == "r"


def test_what_is_about_to_go_is_not_there() -> None:
    cluster = Cluster().settle()
    cluster.deployment["metadata"]["deletionTimestamp"] = "t"
    seen = cluster.seen
    assert seen.child(DEPLOYMENT, OWNER.name) is None
    assert (seen.deployed, seen.live_revision, seen.available) == (None, None, False)


@pytest.mark.parametrize(
    ("replicas", "live", "shown", "wanted"),
    [
        pytest.param(3, 5, 7, 3, id="those of the spec"),
        pytest.param(None, 5, 7, 5, id="those that run"),
        pytest.param(None, None, 7, 7, id="those that ran"),
        pytest.param(None, None, None, 1, id="one"),
        pytest.param(None, 0, 7, 0, id="none, where somebody wants none"),
    ],
)
def test_pods_wanted(replicas: int | None, live: int | None, shown: int | None, wanted: int) -> None:
    cluster = Cluster(spec({"replicas": replicas} if replicas else {}), status=Status(desired_replicas=shown))
    if live is not None:
        template: Object = {"metadata": {}, "spec": {"containers": []}}
        body = {"metadata": {"name": OWNER.name}, "spec": {"replicas": live, "template": template}}
        cluster.add({"kind": "Deployment", **body})
    assert cluster.seen.wanted_replicas == wanted


def test_only_pods_of_the_live_revision_are_in_trouble() -> None:
    cluster = Cluster().settle()
    fetcher = crashed("fetch", cluster.revision)
    fetcher["metadata"]["labels"] = names.weights_labels(OWNER)
    cluster.add(crashed("new", cluster.revision), crashed("old", "0123456789"), fetcher)
    assert [each.pod for each in cluster.seen.troubles] == ["new"]


def test_status_names_up_to_ten_unhealthy_pods_in_order() -> None:
    cluster = Cluster(spec({"replicas": 20})).settle()
    cluster.pods(*(crashed(f"p-{number:02}", cluster.revision) for number in reversed(range(20))))
    shown = cluster.plan().status.in_cluster
    assert shown is not None
    assert shown.unhealthy_pods is not None
    assert [each.name for each in shown.unhealthy_pods] == [f"p-{number:02}" for number in range(MOST_PODS)]


def test_status_tells_what_there_is() -> None:
    cluster = Cluster(spec({"replicas": 2}, **CACHED)).settle()
    shown = cluster.shown()["status"]
    assert {name: shown[name] for name in ("backend", "replicas", "readyReplicas", "desiredReplicas", "url")} == {
        "backend": "InCluster",
        "replicas": 2,
        "readyReplicas": 2,
        "desiredReplicas": 2,
        "url": "http://zephyr-7b.ml.svc:80",
    }
    assert shown["selector"] == "tgi-operator.dev/name=zephyr-7b,app.kubernetes.io/component=server"
    assert shown["inCluster"] == {
        "deploymentName": "zephyr-7b",
        "serviceName": "zephyr-7b",
        "claimName": "zephyr-7b-weights",
        "replacement": "Surge",
        "lastProgressTime": "2026-01-31T12:00:00Z",
    }
    assert shown["currentRevision"] == shown["updateRevision"] == cluster.revision


@pytest.mark.parametrize(
    ("described", "claim"),
    [
        pytest.param(spec(), None, id="none"),
        pytest.param(spec(cache={"claimName": "shared"}), "shared", id="one that was there"),
        pytest.param(spec({"model": {"uri": "pvc://models/x"}}), "models", id="the one with the model"),
    ],
)
def test_status_names_the_claim_with_the_weights(described: dict[str, Any], claim: str | None) -> None:
    shown = Cluster(described).settle().status.in_cluster
    assert shown is not None
    assert shown.claim_name == claim


def test_time_of_progress_moves_only_with_progress() -> None:
    cluster = Cluster(spec({"replicas": 2}))
    cluster.step()
    cluster.pods(*(starting(name, cluster.revision) for name in "ab"))
    for ready, time in ((0, "12:00:00"), (0, "12:00:00"), (1, "12:03:00"), (1, "12:03:00"), (2, "12:05:00")):
        cluster.later(60)
        pods = [pod(name, cluster.revision) for name in "ab"[:ready]]
        cluster.pods(*pods, *(starting(name, cluster.revision) for name in "ab"[ready:]))
        cluster.step()
        shown = cluster.status.in_cluster
        assert shown is not None
        assert shown.last_progress_time == f"2026-01-31T{time}Z"


def test_status_of_nothing() -> None:
    shown = Cluster().seen.report(serving(Reason.IN_SERVICE, ""))
    assert (shown.replicas, shown.ready_replicas, shown.desired_replicas) == (0, 0, 1)


def test_failure_keeps_the_time_it_was_first_seen() -> None:
    cluster = Cluster().settle()
    found = Trouble("p", Reason.OOM_KILLED, "too much", container="tgi", exit_code=137)
    first = cluster.seen.last_failure(found)
    assert first == LastFailure(
        time="2026-01-31T12:00:00Z",
        revision=cluster.revision,
        reason=Reason.OOM_KILLED,
        message="too much",
        pod="p",
        container="tgi",
        exit_code=137,
    )
    cluster.status = cluster.status.model_copy(update={"last_failure": first})
    cluster.later(60)
    assert cluster.seen.last_failure(found) == first
    other = cluster.seen.last_failure(Trouble("p", Reason.OOM_KILLED, "too much again"))
    assert other.time == "2026-01-31T12:01:00Z"


def test_token_is_in_no_text_of_a_situation() -> None:
    described = spec({"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}, **CACHED)
    cluster = Cluster(described, token=TOKEN).settle()
    cluster.add(starting("p", cluster.revision), pod("q", None))
    assert TOKEN not in f"{cluster.seen} {cluster.seen!r}"


def test_all_objects_of_a_kind_are_in_order() -> None:
    cluster = Cluster(now=NOW)
    for name in ("b", "a"):
        cluster.add({"kind": "PersistentVolumeClaim", "metadata": {"name": name}})
    assert [each["metadata"]["name"] for each in cluster.seen.all(CLAIM)] == ["a", "b"]
