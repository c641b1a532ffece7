"""The explanation of a resource in `kubectl tgi status`: a value for programs, and its text."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import click
import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import LastFailure
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.sagemaker.decide import attempts
from tgi_operator.cli import explanation
from tgi_operator.cli.explanation import Surroundings, age, duration, explain, text
from unit.docs import pages
from unit.docs.pages import ROOT

PAGE = ROOT / "docs" / "cli.md"

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
META = {"namespace": "ml", "name": "zephyr", "uid": "u-1", "generation": 2}
SPEC = {
    "model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"},
    "sageMaker": {"region": "eu-west-1", "instanceType": "ml.g5.2xlarge"},
}
PODS = {"model": SPEC["model"], "inCluster": {}}
Object = dict[str, Any]


def condition(kind: str, status: str, reason: str, message: str = "Message.") -> Object:
    time = rfc3339(NOW - timedelta(minutes=5))
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": time}


def resource(*conditions: Object, spec: Object = SPEC, **status: Any) -> Object:
    return {
        "metadata": META,
        "spec": spec,
        "status": {"observedGeneration": 2, "conditions": list(conditions), **status},
    }


def explained(found: Object, **around: Any) -> Object:
    return explain(found, Surroundings(**around), NOW)


READY = condition("Ready", "True", "InService")
NOT_READY = condition("Ready", "False", "Creating")
UNREADABLE = condition("Ready", "Unknown", "AWSUnavailable")
WORKING = condition("Reconciling", "True", "Creating")
STALLED = condition("Stalled", "True", "ContainerNotHealthy")


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        (resource(READY), "Ready", "InService"),
        (resource(NOT_READY, WORKING), "In progress", "Creating"),
        (resource(NOT_READY, STALLED), "Action required", "ContainerNotHealthy"),
        # It serves the previous revision, and waits for a change.
        (resource(READY, STALLED), "Action required", "ContainerNotHealthy"),
        (resource(UNREADABLE), "Unknown", "AWSUnavailable"),
        (resource(READY, observedGeneration=1), "In progress", "InService"),
        ({**resource(READY), "metadata": {**META, "deletionTimestamp": "x"}}, "Deleting", "InService"),
        (resource(), "Not observed", None),
        ({"metadata": META, "spec": SPEC}, "Not observed", None),
    ],
)
def test_state(found: Object, state: str, reason: str | None) -> None:
    value = explained(found)
    assert (value["state"], value["reason"]) == (state, reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_to_do(reason: Reason) -> None:
    value = explained(resource(condition("Ready", "False", reason)))
    assert (value["meaning"], value["action"]) == (reason.means, reason.fix)
    assert f"\n  docs/troubleshooting.md#{reason.lower()}\n" in text(value, NOW)


def test_a_reason_of_a_newer_operator_is_named() -> None:
    assert (
        "does not recognize the FromTheFuture reason"
        in explained(resource(condition("Ready", "False", "FromTheFuture")))["action"]
    )


@pytest.mark.parametrize("reason", attempts.RETRIES)
def test_the_next_retry_is_the_one_that_the_operator_announces(reason: Reason) -> None:
    failure = LastFailure(time=rfc3339(NOW), revision="r", reason=reason, message="It failed at 2026-01-01T00:00:00Z.")
    due = attempts.next_attempt(failure)

    desired, place = SimpleNamespace(instance_type="ml.g5.xlarge"), SimpleNamespace(logs="the log group", region="r")
    situation: Any = SimpleNamespace(available=False, desired=desired, place=place)
    message = attempts.verdict(situation, failure).message
    value = explained(resource(condition("Ready", "False", reason, message)))
    assert value["nextRetry"] == {"time": rfc3339(due), "inSeconds": (due - NOW).total_seconds()}
    shown = text(value, NOW)
    assert f"\nNext retry: {rfc3339(due)} (in {duration(value['nextRetry']['inSeconds'])})." in shown
    assert "kubectl tgi retry zephyr -n ml\n" in shown


def test_a_retry_whose_time_has_come_is_due() -> None:
    value = explained(resource(condition("Ready", "False", "Throttled", "Slow. Retrying at 2026-01-31T11:59:00Z.")))
    assert value["nextRetry"] == {"time": "2026-01-31T11:59:00Z", "inSeconds": 0}
    assert "\nNext retry: 2026-01-31T11:59:00Z (due now)." in text(value, NOW)


def test_no_retry_is_announced() -> None:
    value = explained(resource(STALLED, NOT_READY))
    assert value["nextRetry"] is None
    assert "Next retry" not in text(value, NOW)


def test_names_in_aws() -> None:
    value = explained(resource(READY, sageMaker={"endpointName": "ml-zephyr", "endpointStatus": "InService"}))
    assert value["cluster"] is None
    assert value["aws"]["logGroup"] == "/aws/sagemaker/Endpoints/ml-zephyr"
    assert "describe-endpoint --region eu-west-1 --endpoint-name ml-zephyr\n" in text(value, NOW)
    assert explained(resource(NOT_READY))["aws"] is None


def test_pods() -> None:
    container = {"ready": True, "restartCount": 2}
    pods = (
        {
            "metadata": {"name": "a"},
            "spec": {"nodeName": "n"},
            "status": {"phase": "Running", "containerStatuses": [container]},
        },
        {"metadata": {"name": "b"}, "spec": {}, "status": {"phase": "Pending"}},
    )
    unhealthy = [{"name": "b", "reason": "Unschedulable", "message": "0/3 nodes are available."}]
    seen = {
        "deploymentName": "zephyr",
        "serviceName": "zephyr",
        "claimName": "zephyr-weights",
        "unhealthyPods": unhealthy,
    }
    found = resource(NOT_READY, spec=PODS, inCluster=seen, readyReplicas=1, replicas=2, desiredReplicas=2)
    value = explained(found, pods=pods)
    assert value["aws"] is None
    assert value["cluster"]["pods"][0] == {"name": "a", "phase": "Running", "ready": True, "restarts": 2, "node": "n"}
    shown = text(value, NOW)
    assert "\nObjects: Deployment/zephyr, Service/zephyr, PersistentVolumeClaim/zephyr-weights\n" in shown
    assert "\n  a  Running  ready      2 restarts  n\n  b  Pending  not ready  0 restarts  not scheduled\n" in shown
    assert "\n  b: Unschedulable: 0/3 nodes are available.\n" in shown
    assert "\nAccepts requests: Unknown, 1/2 replicas ready\n" in shown


def event(message: str, minutes: int, name: str = "zephyr", **fields: Any) -> Object:
    time = rfc3339(NOW - timedelta(minutes=minutes))
    about = {"kind": "TGIEndpoint", "name": name}
    return {
        "involvedObject": about,
        "type": "Normal",
        "reason": "Creating",
        "message": message,
        "eventTime": time,
        **fields,
    }


def test_events_are_the_newest_ones_the_oldest_first() -> None:
    events = tuple(event(str(minutes), minutes) for minutes in range(15))
    value = explained(resource(READY), events=events)
    assert [each["message"] for each in value["events"]] == [str(minutes) for minutes in range(9, -1, -1)]


def test_an_event_that_was_repeated_is_as_old_as_its_last_time() -> None:
    again = {"count": 4, "lastObservedTime": rfc3339(NOW - timedelta(seconds=30))}
    value = explained(resource(READY), events=(event("Again.", 90, series=again), event("Once.", 10)))
    assert [(each["message"], each["count"]) for each in value["events"]] == [("Once.", 1), ("Again.", 4)]
    assert "\n  30s  Normal  Creating  TGIEndpoint/zephyr  Again. (x4)\n" in text(value, NOW)


def test_what_could_not_be_read_is_named() -> None:
    assert text(explained(resource(READY), unreadable=("Events: 403",)), NOW).endswith("\nNot shown: Events: 403\n")


def test_a_resource_that_the_operator_has_not_seen() -> None:
    shown = text(explained({"metadata": META, "spec": SPEC}), NOW)
    assert "kubectl tgi version" in shown
    assert "\nConditions:\n  none\n" in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (86399, "23h"),
        (86400, "1d"),
        (10**6, "11d"),
    ],
)
def test_durations(seconds: int, words: str) -> None:
    assert duration(seconds) == words


def test_age() -> None:
    assert age(rfc3339(NOW - timedelta(minutes=4)), NOW) == "4m"
    assert age(rfc3339(NOW + timedelta(minutes=4)), NOW) == "0s"
    assert age(None, NOW) == "-"


def test_columns_are_as_wide_as_they_need() -> None:
    assert explanation.aligned([("a", "bb"), ("ccc", "d")]) == ["  a    bb", "  ccc  d"]


def test_the_page_shows_what_is_printed() -> None:
    announced = "Attempt 2 failed; retrying at 2026-01-31T12:06:00Z: The account-level service limit is 0 Instances."
    found = {
        "metadata": {**META, "name": "zephyr-7b"},
        "spec": SPEC,
        "status": {
            "observedGeneration": 2,
            "desiredReplicas": 1,
            "readyReplicas": 0,
            "conditions": [
                condition("Ready", "False", "QuotaExceeded", announced),
                condition("Available", "False", "NotServing"),
                condition("Stalled", "True", "QuotaExceeded", announced),
            ],
            "sageMaker": {"endpointName": "ml-zephyr-7b-66a6dcaebb55"},
        },
    }
    message = "The account-level service limit is 0 Instances."
    events = (event(message, 5, "zephyr-7b", type="Warning", reason="QuotaExceeded"),)
    shown = click.unstyle(text(explained(found, events=events), NOW))
    (block,) = (each.text for each in pages.blocks(PAGE, "kubectl tgi status") if each.language == "console")
    assert block == f"$ kubectl tgi status zephyr-7b\n{shown}"


WARNED = {"model": {"uri": "hf://tiiuae/falcon-7b"}, "inCluster": {"gpu": {"count": 4}}}
WRITTEN = {"spec": {"inCluster": {"podTemplate": {"spec": {"tolerations": None}}}}}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.mark.parametrize(
    ("spec", "annotations", "warnings"),
    [
        pytest.param(WARNED, {}, ["TGI uses only 1 of the 4 allocated GPUs"], id="of the spec"),
        pytest.param(
            PODS,
            {LAST_APPLIED: json.dumps(WRITTEN)},
            ["spec.inCluster.podTemplate.spec.tolerations: null has no effect"],
            id="of what was applied",
        ),
        pytest.param(
            WARNED,
            {LAST_APPLIED: json.dumps(WRITTEN)},
            ["TGI uses only 1", "spec.inCluster.podTemplate.spec.tolerations: null"],
            id="of both",
        ),
        pytest.param(PODS, {"other": "{"}, [], id="of none"),
        pytest.param(PODS, {LAST_APPLIED: "{"}, [], id="no JSON"),
        pytest.param(PODS, {LAST_APPLIED: "[" * 100_000}, [], id="too deep"),
        pytest.param({"model": {"uri": "x"}, "inCluster": {"gone": 1}}, {}, [], id="a spec that is older"),
        pytest.param(
            {**WARNED, "inCluster": {"gpu": {"products": ["Tesla-K80"]}}}, {}, [], id="a GPU that the operator refuses"
        ),
    ],
)
def test_warnings(spec: Object, annotations: dict[str, str], warnings: list[str]) -> None:
    found = resource(READY, spec=spec)
    found["metadata"] = {**META, "annotations": annotations}
    value = explained(found)
    assert len(value["warnings"]) == len(warnings)
    lines = " ".join(text(value, NOW).split())
    for expected, warning in zip(warnings, value["warnings"], strict=True):
        assert warning.startswith(expected)
        assert f"Warning: {warning}" in lines
