"""The changes of a status that become Events, and how an Event is posted."""

from typing import Any

import aiohttp
import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Condition, ConditionStatus, ConditionType, Status
from tgi_operator.backends.plans.planning import Note
from tgi_operator.backends.plans.verdicts import Verdict, progressing, serving, stalled, unreadable, with_verdict
from tgi_operator.control import events
from tgi_operator.control.events import EventRecorder, of_note, transitions
from tgi_operator.control.store import Item, item
from tgi_operator.kube import APIError

NOW = "2026-01-31T12:00:00Z"

NEW = Status()
CREATING = progressing(Reason.CREATING, "Creating.", available=False)
SERVES = serving(Reason.IN_SERVICE, "Serves.")
SCALING = serving(Reason.SCALING, "Scales.")
UPDATING = progressing(Reason.UPDATING, "Updating.", available=True)
THROTTLED = progressing(Reason.THROTTLED, "Rate exceeded.", available=True)
KILLED = progressing(Reason.OOM_KILLED, "1 of 2.", available=True)
NOT_OWNED = stalled(Reason.NOT_OWNED, "Somebody else's.", available=False)
QUOTA = stalled(Reason.QUOTA_EXCEEDED, "No more.", available=False)


def status(*verdicts: Verdict) -> Status:
    """Return the status after these verdicts, one after the other."""
    result = NEW
    for verdict in verdicts:
        result = with_verdict(result, 1, verdict, NOW)
    return result


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param((), CREATING, [("Normal", Reason.CREATING)], id="the work begins"),
        pytest.param((CREATING,), CREATING, [], id="nothing new"),
        pytest.param(
            (CREATING,), progressing(Reason.CREATING, "Still.", available=False), [], id="only the message is new"
        ),
        pytest.param((CREATING,), SERVES, [("Normal", Reason.IN_SERVICE)], id="it serves"),
        pytest.param((SERVES,), SERVES, [], id="it still serves"),
        pytest.param((SERVES,), SCALING, [], id="it serves for another reason"),
        pytest.param((SERVES,), UPDATING, [("Normal", Reason.UPDATING)], id="a new revision is rolled out"),
        pytest.param((UPDATING,), THROTTLED, [("Warning", Reason.THROTTLED)], id="it goes on, but not well"),
        pytest.param((SERVES,), KILLED, [("Warning", Reason.OOM_KILLED)], id="a pod was killed, and starts again"),
        pytest.param((THROTTLED,), UPDATING, [("Normal", Reason.UPDATING)], id="it goes on as before"),
        pytest.param((CREATING,), NOT_OWNED, [("Warning", Reason.NOT_OWNED)], id="a person must act"),
        pytest.param((NOT_OWNED,), QUOTA, [("Warning", Reason.QUOTA_EXCEEDED)], id="a person must act otherwise"),
        pytest.param((NOT_OWNED,), NOT_OWNED, [], id="a person still must act"),
        pytest.param((QUOTA,), CREATING, [("Normal", Reason.CREATING)], id="a person has acted"),
        pytest.param((SERVES, UPDATING), SERVES, [("Normal", Reason.IN_SERVICE)], id="it serves again"),
        pytest.param((SERVES, NOT_OWNED, SERVES), NOT_OWNED, [("Warning", Reason.NOT_OWNED)], id="the same again"),
    ],
)
def test_which_changes_become_events(
    before: tuple[Verdict, ...], after: Verdict, expected: list[tuple[str, Reason]]
) -> None:
    notes = transitions(status(*before), status(*before, after))
    assert [(kind, note.reason) for kind, note in notes] == expected
    assert all(note.message == after.message for _, note in notes)


def test_overdue_work_is_a_warning() -> None:
    overdue = Verdict(
        ConditionStatus.FALSE,
        ConditionStatus.FALSE,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        "Too long.",
        reconciling=True,
        stalled=True,
    )
    changes = transitions(status(CREATING), status(CREATING, overdue))
    assert ("Warning", Note(Reason.PROGRESS_DEADLINE_EXCEEDED, "Too long.")) in changes


def dark(before: Status, generation: int = 1) -> Status:
    """Return the status while AWS cannot be read."""
    return unreadable(before, generation, Reason.AWS_UNAVAILABLE, "No answer.", NOW)


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("before", [SERVES, CREATING, NOT_OWNED], ids=lambda verdict: str(verdict.reason))
def test_outage_is_one_warning_and_its_end_one_normal_event(before: Verdict, generation: int) -> None:
    known = status(before)
    outage = dark(known, generation)
    assert transitions(known, outage) == (("Warning", Note(Reason.AWS_UNAVAILABLE, "No answer.")),)
    assert transitions(outage, dark(outage, generation)) == ()
    over = with_verdict(outage, generation, before, NOW)
    ends = [(event_type, note.reason) for event_type, note in transitions(outage, over)]
    assert ends.count(("Normal", before.reason)) + ends.count(("Warning", before.reason)) == 1


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_a_status_can_be_posted(reason: Reason) -> None:
    condition = Condition(
        type=ConditionType.STALLED,
        status=ConditionStatus.TRUE,
        last_transition_time=NOW,
        reason=str(reason),
        message="",
    )
    assert transitions(NEW, Status(conditions=(condition,))) == (("Warning", Note(reason, "")),)


@pytest.mark.parametrize(
    ("reason", "event_type"),
    [
        (Reason.COLLECTION_FAILED, "Warning"),
        (Reason.IMAGE_NOT_FOUND, "Warning"),
        (Reason.KUBERNETES_ERROR, "Warning"),
        (Reason.LEFT_ALONE, "Warning"),
        (Reason.MODEL_DATA_NOT_READABLE, "Warning"),
        (Reason.STATUS_REFUSED, "Warning"),
        (Reason.UNKNOWN_ENDPOINT_STATUS, "Warning"),
        (Reason.COLLECTED, "Normal"),
        (Reason.RETAINED, "Normal"),
    ],
)
def test_type_of_a_note_goes_by_its_reason(reason: Reason, event_type: str) -> None:
    note = Note(reason, "Something.")
    assert of_note(note) == (event_type, note)


class FakeKube:
    """Stores Events by name, and refuses one that exists, like the API server."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.events: dict[str, dict[str, Any]] = {}

    async def create_event(self, namespace: str, event: dict[str, Any]) -> None:
        if self.failure is not None:
            raise self.failure
        name = event["metadata"]["name"]
        assert event["metadata"]["namespace"] == namespace
        if name in self.events:
            raise APIError(409, f'events "{name}" already exists')
        self.events[name] = dict(event)

    async def repeat_event(self, namespace: str, name: str, change: dict[str, Any]) -> None:
        assert self.events[name]["metadata"]["namespace"] == namespace
        self.events[name] |= change


def about(name: str = "falcon", uid: str = "u-1") -> Item:
    meta = {"namespace": "ml", "name": name, "uid": uid, "resourceVersion": "7", "generation": 1}
    return item({"metadata": meta, "spec": {}})


async def test_event_names_the_resource_and_the_operator() -> None:
    kube = FakeKube()
    await EventRecorder(kube, "pod-1").post(about(), "Normal", Note(Reason.CREATING, "Creating."))
    (event,) = kube.events.values()
    assert event["regarding"] == {
        "apiVersion": "tgi-operator.dev/v1alpha1",
        "kind": "TGIEndpoint",
        "namespace": "ml",
        "name": "falcon",
        "uid": "u-1",
        "resourceVersion": "7",
    }
    assert event["reportingController"] == "tgi-operator.dev/tgi-operator"
    assert event["reportingInstance"] == "pod-1"
    assert (event["type"], event["reason"], event["note"]) == ("Normal", "Creating", "Creating.")
    assert "series" not in event


async def test_same_event_again_is_counted_instead_of_posted_again() -> None:
    kube = FakeKube()
    recorder = EventRecorder(kube, "pod-1")
    for count in range(2, 6):
        await recorder.post(about(), "Warning", Note(Reason.THROTTLED, "Rate exceeded"))
        if count > 2:
            (event,) = kube.events.values()
            assert event["series"]["count"] == count - 1
            assert event["series"]["lastObservedTime"] >= event["eventTime"]


async def test_event_of_a_predecessor_counts_from_two_and_one_that_expired_from_one() -> None:
    kube = FakeKube()
    note = Note(Reason.THROTTLED, "Rate exceeded")
    await EventRecorder(kube, "pod-1").post(about(), "Warning", note)
    recorder = EventRecorder(kube, "pod-2")
    for _ in range(2):
        await recorder.post(about(), "Warning", note)
    assert [event["series"]["count"] for event in kube.events.values()] == [3]
    kube.events.clear()
    for _ in range(2):
        await recorder.post(about(), "Warning", note)
    assert [event["series"]["count"] for event in kube.events.values()] == [2]


async def test_counts_of_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MOST_COUNTS", 3)
    recorder = EventRecorder(FakeKube(), "pod-1")
    for number in range(10):
        await recorder.post(about(f"falcon-{number}"), "Normal", Note(Reason.CREATING, "Creating."))
    assert len(recorder._counts) == 3


@pytest.mark.parametrize(
    ("item_of_other", "note"),
    [
        pytest.param(about(), Note(Reason.THROTTLED, "Another message"), id="another message"),
        pytest.param(about(), Note(Reason.CREATING, "Rate exceeded"), id="another reason"),
        pytest.param(about("llama"), Note(Reason.THROTTLED, "Rate exceeded"), id="another resource"),
        pytest.param(about(uid="u-2"), Note(Reason.THROTTLED, "Rate exceeded"), id="the same name, made anew"),
    ],
)
async def test_another_event_is_posted_for_itself(item_of_other: Item, note: Note) -> None:
    kube = FakeKube()
    recorder = EventRecorder(kube, "pod-1")
    await recorder.post(about(), "Warning", Note(Reason.THROTTLED, "Rate exceeded"))
    await recorder.post(item_of_other, "Warning", note)
    assert len(kube.events) == 2


async def test_long_names_and_messages_are_cut_to_what_kubernetes_takes() -> None:
    kube = FakeKube()
    await EventRecorder(kube, "pod-1").post(about("n" * 253), "Normal", Note(Reason.REJECTED_BY_AWS, "m" * 5000))
    ((name, event),) = kube.events.items()
    assert len(name) <= 253
    assert len(event["note"]) == 1024
    assert event["regarding"]["name"] == "n" * 253


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(APIError(403, "events is forbidden"), id="it may not be posted"),
        pytest.param(APIError(404, "the namespace is being deleted"), id="the namespace is gone"),
        pytest.param(aiohttp.ClientConnectionError("refused"), id="no connection"),
        pytest.param(TimeoutError(), id="no answer"),
    ],
)
async def test_event_that_cannot_be_posted_stops_nothing(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    await EventRecorder(FakeKube(failure), "pod-1").post(about(), "Normal", Note(Reason.CREATING, "Creating."))
    assert "The Event Creating could not be posted" in caplog.text
