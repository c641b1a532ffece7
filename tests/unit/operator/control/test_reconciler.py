"""One reconciliation of one resource: the writes, their order, and the result."""

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from tgi_operator.api import conditions
from tgi_operator.api.identifiers import FINALIZER, RENDER_ANNOTATION
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType, Status
from tgi_operator.api.summary import with_summary
from tgi_operator.backends.base import Remedy
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.control.events import EventRecorder
from tgi_operator.control.outcome import After, Done, Failed, Outcome
from tgi_operator.control.reconciler import Reconciler
from tgi_operator.control.store import Item, Store, item
from tgi_operator.control.writes import Writes
from tgi_operator.kube import APIError
from tgi_operator.leadership.fence import NotLeadingError
from unit.operator.control.given import (
    CREATING,
    DENIED,
    KEY,
    NOW,
    SERVES,
    SPEC,
    ApiServer,
    BackendError,
    ScriptedBackend,
    as_json,
    deleting,
    held,
    status,
)

FORBIDDEN = APIError(403, "forbidden", "GET /api/v1/namespaces/ml/secrets/hub")


class Given:
    """A reconciler over one resource, with two backends that follow a script."""

    def __init__(self, *script: Plan[str] | Exception | None, **changes: Any) -> None:
        self.server = ApiServer()
        self.store = Store()
        self.backend = ScriptedBackend([*script])
        self.pods = ScriptedBackend([*script])
        self.put(**{"meta": held(), **changes})
        writes = Writes(self.server, self.store, self.drop)
        backends = {"sageMaker": self.backend, "inCluster": self.pods}
        events = EventRecorder(self.server, "pod-1", lambda: NOW)
        self.reconciler = Reconciler(self.store, backends, writes, events, "blue", lambda: NOW)

    def drop(self, known: Item) -> None:
        self.store.drop(known.key)

    def put(self, **changes: Any) -> None:
        """Change the object, and let the watch deliver it."""
        self.store.put(item(self.server.put(**changes)))

    async def reconcile(self, failures: int = 0) -> Outcome:
        return await self.reconciler.reconcile(KEY, failures)

    def condition(self, kind: ConditionType) -> tuple[ConditionStatus, str] | None:
        found = conditions.get(self.server.shown().conditions, kind)
        return (found.status, found.reason) if found is not None else None


@pytest.mark.parametrize(
    ("plan", "outcome"),
    [
        (Plan[str](status(SERVES)), Done("observed")),
        (Plan[str](status(SERVES), after=60), After("observed", 60)),
        (Plan(status(SERVES), ("create",), after=60), After("acted", 60)),
        (Plan[str](status(SERVES), collection=("delete old",)), Done("acted")),
        (None, Done("waiting")),
    ],
)
async def test_outcome_is_what_the_plan_says(plan: Plan[str] | None, outcome: Outcome) -> None:
    given = Given(plan)
    assert await given.reconcile() == outcome
    assert given.server.shown() == (plan.status if plan else Status())


async def test_status_comes_before_the_steps_of_a_plan_that_asks_for_it_and_done_after_them() -> None:
    given = Given(Plan(status(CREATING), ("create", "tag"), ("delete old",), ahead=True, done=status(SERVES)))
    given.backend.log = given.server.writes
    assert await given.reconcile() == Done("acted")
    assert given.server.writes == ["status", "create", "tag", "delete old", "status"]
    assert given.server.shown() == status(SERVES)
    assert given.server.reasons() == [("Normal", Reason.IN_SERVICE)]


async def test_nothing_is_written_where_nothing_is_new() -> None:
    given = Given(Plan[str](status(SERVES), after=60), status=as_json(status(SERVES)))
    assert await given.reconcile() == After("observed", 60)
    assert (given.server.writes, given.server.events) == ([], [])


async def test_finalizer_comes_before_everything_else() -> None:
    given = Given(BackendError(), meta={"finalizers": ["other"]})
    await given.reconcile()
    assert given.server.objects[KEY]["metadata"]["finalizers"] == ["other", FINALIZER]
    assert given.server.writes[0] == "finalizers"


async def test_what_is_gone_or_released_needs_nothing() -> None:
    given = Given(BackendError(), meta={"deletionTimestamp": "2026-01-31T12:00:00Z"})
    assert await given.reconcile() == Done("released")
    given.store.drop(KEY)
    assert await given.reconcile() == Done("gone")
    assert (given.server.writes, given.backend.seen) == ([], [])


async def test_backend_gets_the_whole_resource() -> None:
    spec = {**SPEC, "model": {"uri": "nonsense://"}, "newField": 1}
    given = Given(Plan[str](status(SERVES)), spec=spec, meta=held(annotations={RENDER_ANNOTATION: "again"}))
    await given.reconcile()
    (resource,) = given.backend.seen
    assert (resource.spec, resource.fields, resource.render_request) == (None, spec, "again")
    assert (resource.owner.cluster, resource.owner.uid, resource.generation) == ("blue", "uid-falcon", 1)
    assert resource.problem is not None
    assert resource.problem.reason == Reason.INVALID_SPEC
    assert "newField" in resource.problem.message
    assert "install the CRD" in resource.problem.message


@pytest.mark.parametrize(
    ("spec", "shown", "chosen"),
    [
        ({"sageMaker": {}}, "InCluster", "sageMaker"),
        ({"inCluster": {}}, "", "inCluster"),
        ({}, "SageMaker", "sageMaker"),
        ({}, "InCluster", "inCluster"),
        ({}, "", None),
    ],
)
async def test_backend_is_the_one_of_the_spec_or_else_of_the_status(spec: Any, shown: str, chosen: str | None) -> None:
    given = Given(Plan[str](status(SERVES)), spec=spec, status={"backend": shown} if shown else {})
    outcome = await given.reconcile()
    assert len(given.backend.seen) == (chosen == "sageMaker")
    assert len(given.pods.seen) == (chosen == "inCluster")
    if chosen is None:
        assert outcome == Done("stalled")
        assert given.condition(ConditionType.STALLED) == (ConditionStatus.TRUE, Reason.INVALID_SPEC)


async def test_spec_without_any_backend_can_be_deleted() -> None:
    given = Given(BackendError(), spec={}, meta=deleting())
    assert await given.reconcile() == Done("released")
    assert KEY not in given.server.objects


class TestDeletion:
    """Deletion needs no status."""

    async def test_finished_plan_releases_the_resource(self) -> None:
        note = Note(Reason.DELETED, "Gone.")
        given = Given(Plan[str](status(SERVES), finished=True, notes=(note,)), meta=deleting())
        assert await given.reconcile() == Done("released")
        assert KEY not in given.server.objects
        assert given.backend.forgotten == [KEY]
        assert given.server.reasons() == [("Normal", Reason.DELETED)]
        assert given.server.writes == ["finalizers"]

    async def test_event_is_posted_once_although_the_release_is_repeated(self) -> None:
        plan = Plan[str](status(SERVES), finished=True, notes=(Note(Reason.DELETED, "Gone."),))
        given = Given(plan, plan, meta=deleting())
        given.server.failures["set_finalizers"] = APIError(409, "the object has been modified")
        assert await given.reconcile() == Failed("conflict")
        assert given.server.reasons() == []
        del given.server.failures["set_finalizers"]
        assert await given.reconcile() == Done("released")
        assert given.server.reasons() == [("Normal", Reason.DELETED)]

    @pytest.mark.parametrize("error", [APIError(403, "no"), APIError(422, "no"), APIError(500, "no"), TimeoutError()])
    @pytest.mark.parametrize("ahead", [True, False])
    async def test_it_goes_on_where_no_status_can_be_written(self, error: Exception, ahead: bool) -> None:
        plan = Plan(status(CREATING), ("delete",), ahead=ahead, after=10)
        given = Given(plan, Plan[str](status(CREATING), finished=True), meta=deleting())
        given.server.failures["set_status"] = error
        assert await given.reconcile() == After("acted", 10)
        assert given.backend.log == ["delete"]
        assert await given.reconcile() == Done("released")
        assert KEY not in given.server.objects

    async def test_remedy_of_a_deletion_needs_no_status_either(self) -> None:
        given = Given(BackendError(), meta=deleting())
        given.server.failures["set_status"] = APIError(403, "no")
        given.backend.remedies = Remedy(status(DENIED), 30)
        assert await given.reconcile() == Failed("retry", 30)


class TestErrorsOfTheBackend:
    """An error that the backend knows: its remedy decides."""

    @pytest.mark.parametrize(
        ("plan", "failures", "built_on"),
        [
            pytest.param(BackendError(), 6, status(SERVES), id="observing failed"),
            pytest.param(Plan(status(CREATING), ("bad",), ahead=True), 0, status(CREATING), id="the status came first"),
            pytest.param(Plan(status(CREATING), ("bad",), ahead=True), 6, status(SERVES), id="the status came again"),
            pytest.param(Plan(status(CREATING), ("bad",)), 6, status(SERVES), id="the steps came first"),
            pytest.param(
                Plan[str](status(CREATING), collection=("bad",), clean=status(SERVES)),
                6,
                status(CREATING),
                id="only the collection failed",
            ),
        ],
    )
    async def test_remedy_builds_on_the_status_of_the_moment(self, plan: Any, failures: int, built_on: Status) -> None:
        """It does not include conditions that may not become true and that were not written."""
        given = Given(plan, status=as_json(status(SERVES)))
        given.backend.failing["bad"] = BackendError()
        given.backend.remedies = Remedy(status(DENIED), 30)
        assert await given.reconcile(failures=failures) == Failed("retry", 30)
        ((resource, situation, number),) = given.backend.asked
        assert (with_summary(resource.status, resource.spec), number) == (built_on, failures + 1)
        assert situation == (plan if isinstance(plan, Plan) else None)
        assert given.server.shown() == status(DENIED)
        assert ("Warning", Reason.ACCESS_DENIED) in given.server.reasons()

    async def test_remedy_without_a_status_writes_nothing_and_one_without_a_time_waits_for_a_change(self) -> None:
        given = Given(BackendError())
        given.backend.remedies = Remedy(None, None)
        assert await given.reconcile() == Done("stalled")
        assert given.server.writes == []

    async def test_steps_after_the_failed_one_are_not_applied(self) -> None:
        given = Given(Plan(status(CREATING), ("good", "bad", "next"), ("delete old",)))
        given.backend.failing["bad"] = BackendError()
        await given.reconcile()
        assert given.backend.log == ["good", "bad"]

    async def test_failing_collection_does_not_put_off_the_next_look(self) -> None:
        given = Given(Plan[str](status(SERVES), collection=("bad",), after=60))
        given.backend.failing["bad"] = BackendError()
        given.backend.remedies = Remedy(status(SERVES), 300)
        assert await given.reconcile() == Failed("retry", 60)

    async def test_failing_collection_is_reported_and_takes_nothing_from_what_was_done(self) -> None:
        collected = Note(Reason.COLLECTED, "Collected.")
        notes = (Note(Reason.RESTORED, "Restored."),)
        given = Given(Plan(status(SERVES), ("good",), ("bad", "next"), collected, notes=notes))
        given.backend.failing["bad"] = BackendError("DeleteModel: denied")
        given.backend.remedies = Remedy(status(SERVES), 300)
        for failures in range(3):
            assert await given.reconcile(failures) == Failed("retry", 300)
        assert given.backend.log == ["good", "bad"] * 3
        reasons = given.server.reasons()
        assert reasons.count(("Warning", Reason.COLLECTION_FAILED)) == 1, "not at each attempt"
        assert ("Normal", Reason.RESTORED) in reasons
        assert ("Normal", Reason.COLLECTED) not in reasons
        assert given.server.shown() == status(SERVES)

    async def test_collection_that_kubernetes_refuses_keeps_the_status_of_the_plan(self) -> None:
        given = Given(Plan[str](status(SERVES), collection=("bad",)))
        given.backend.failing["bad"] = FORBIDDEN
        assert await given.reconcile() == Failed("kubernetes-error")
        assert given.server.shown() == status(SERVES)


class TestOtherErrors:
    """Errors that no backend knows."""

    @pytest.mark.parametrize(
        ("error", "label", "reason"),
        [
            (FORBIDDEN, "kubernetes-error", Reason.KUBERNETES_ERROR),
            (aiohttp.ClientConnectionError("refused"), "kubernetes-error", Reason.KUBERNETES_ERROR),
            (TimeoutError(), "kubernetes-error", Reason.KUBERNETES_ERROR),
            (RuntimeError("a bug"), "error", Reason.RECONCILE_ERROR),
        ],
    )
    async def test_error_is_reported_on_the_resource_once_it_lasts(
        self, error: Exception, label: str, reason: Reason
    ) -> None:
        given = Given(error, status=as_json(status(SERVES)))
        for failures in range(3):
            assert await given.reconcile(failures) == Failed(label)
        assert given.server.writes == []
        for failures in range(3, 10):
            assert await given.reconcile(failures) == Failed(label)
        assert given.server.writes == ["status"]
        assert given.condition(ConditionType.READY) == (ConditionStatus.FALSE, reason)
        assert given.condition(ConditionType.RECONCILING) == (ConditionStatus.TRUE, reason)
        available = given.condition(ConditionType.AVAILABLE)
        assert available is not None
        assert available[0] == ConditionStatus.TRUE, "what serves goes on serving"
        assert given.server.reasons() == [("Warning", reason)]

    async def test_message_names_the_request_and_the_refusal(self) -> None:
        given = Given(FORBIDDEN)
        await given.reconcile(failures=3)
        found = conditions.get(given.server.shown().conditions, ConditionType.READY)
        assert found is not None
        assert found.message.startswith("GET /api/v1/namespaces/ml/secrets/hub: 403: forbidden; ")

    async def test_error_that_no_status_can_report_becomes_an_event_now_and_then(self) -> None:
        given = Given(FORBIDDEN)
        given.server.failures["set_status"] = APIError(500, "etcd is down")
        for failures in range(70):
            assert await given.reconcile(failures) == Failed("kubernetes-error")
        assert given.server.reasons() == [("Warning", Reason.KUBERNETES_ERROR)] * 2

    @pytest.mark.parametrize("code", [404, 409])
    async def test_conflict_is_normal_until_it_lasts(self, code: int) -> None:
        given = Given(APIError(code, "the object has been modified"))
        for failures in range(8):
            assert await given.reconcile(failures) == Failed("conflict")
        assert given.server.writes == []
        assert await given.reconcile(8) == Failed("conflict")
        assert given.condition(ConditionType.READY) == (ConditionStatus.FALSE, Reason.KUBERNETES_ERROR)

    @pytest.mark.parametrize("code", [400, 403, 422])
    async def test_refused_status_is_an_event_and_retried_with_a_backoff(self, code: int) -> None:
        given = Given(Plan(status(CREATING), ("create",), ahead=True))
        given.server.failures["set_status"] = APIError(code, "status.revisions: Too many")
        for failures in range(64):
            assert await given.reconcile(failures) == Failed("status-refused")
        assert given.server.reasons() == [("Warning", Reason.STATUS_REFUSED)]
        assert "Too many" in given.server.events[0]["note"]
        assert given.backend.log == [], "what must be known first was not written"

    @pytest.mark.parametrize("where", ["observe", "apply", "collect"])
    async def test_operator_that_leads_no_more_reports_nothing_and_keeps_the_key(self, where: str) -> None:
        error = NotLeadingError("not any more")
        plan = Plan(status(SERVES), ("a",) if where == "apply" else (), ("b",) if where == "collect" else ())
        given = Given(error if where == "observe" else plan)
        given.backend.failing = {"a": error, "b": error}
        outcome = await given.reconcile(failures=10)
        assert isinstance(outcome, After)
        assert outcome.label == "not-leading"
        assert (given.server.writes, given.server.events, given.backend.asked) == ([], [], [])

    @pytest.mark.parametrize("script", [Plan[str](status(SERVES)), FORBIDDEN])
    async def test_resource_that_vanished_is_dropped(self, script: Any) -> None:
        given = Given(script)
        given.server.objects.clear()
        outcome = await given.reconcile(failures=10)
        assert outcome in (Done("gone"), Failed("kubernetes-error"))
        assert given.store.get(KEY) is None
        assert given.server.events == []

    async def test_fields_of_another_version_do_not_make_the_status_unreadable(self) -> None:
        given = Given(Plan[str](status(SERVES)), status={**as_json(status(SERVES)), "fromTomorrow": {"x": 1}})
        await given.reconcile()
        assert given.backend.seen[0].status == status(SERVES)

    async def test_unreadable_status_is_derived_again(self) -> None:
        given = Given(Plan[str](status(SERVES)), status={"conditions": "nonsense", "replicas": "many"})
        assert await given.reconcile() == Done("observed")
        assert given.server.shown() == status(SERVES)


async def test_remedy_sees_the_resource_it_is_about() -> None:
    given = Given(BackendError())
    await given.reconcile()
    ((resource, _, _),) = given.backend.asked
    assert resource == replace(given.backend.seen[0], status=resource.status)
