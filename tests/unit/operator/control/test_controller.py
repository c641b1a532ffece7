"""The controller on a virtual clock: events that the watches deliver or miss, and its readiness."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.control.controller import Controller
from tgi_operator.control.worker import STUCK_SECONDS
from tgi_operator.kube import APIError
from tgi_operator.settings import Settings
from unit.operator.control.given import (
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

pytestmark = pytest.mark.looptime

ENDPOINT = {"endpointName": "ml-falcon", "endpointARN": "arn:aws:sagemaker:us-east-1:111122223333:endpoint/ml-falcon"}


class NoChildren:
    """The objects of the in-cluster backend, of which there are none."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, Mapping[str, Any]]] = []

    async def start(self, namespaces: tuple[str, ...]) -> tuple[Any, ...]:
        return ()

    def wants(self, body: Mapping[str, Any]) -> bool:
        return bool(body["kind"] == "Pod")

    def seen(self, body: Mapping[str, Any]) -> None:
        self.bodies.append(("seen", body))

    def gone(self, body: Mapping[str, Any]) -> None:
        self.bodies.append(("gone", body))


class Running:
    """A controller with its API server and backends."""

    def __init__(self) -> None:
        self.server = ApiServer()
        self.backend = ScriptedBackend([Plan[str](status(SERVES))])
        self.pods = ScriptedBackend([Plan[str](status(SERVES))])
        self.children = NoChildren()
        backends = {"sageMaker": self.backend, "inCluster": self.pods}
        settings = Settings(workers=2)
        self.controller = Controller(settings, self.server, "blue", backends, self.children, lambda: NOW)

    def deliver(self, key: Key = KEY, **changes: Any) -> None:
        """Change an object, and let the watch deliver it."""
        self.controller.seen(self.server.put(key, **changes))

    def vanish(self, key: Key = KEY) -> None:
        """Remove an object, and let the watch deliver that."""
        body = self.server.objects.pop(key)
        self.controller.removed(*key, body["metadata"]["uid"])


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """Yield a controller, not started yet."""
    made = Running()
    yield made
    await made.controller.close()
    assert (made.backend.closed, made.pods.closed) == (1, 1)


async def test_resource_that_is_seen_is_reconciled_and_its_own_writes_are_no_news(running: Running) -> None:
    await running.controller.start()
    running.deliver()
    await asyncio.sleep(1)
    assert running.server.shown() == status(SERVES)
    running.controller.seen(running.server.objects[KEY])
    await asyncio.sleep(1)
    assert len(running.backend.seen) == 1


async def test_changed_secret_queues_the_resources_that_refer_to_it(running: Running) -> None:
    spec = {**SPEC, "model": {**SPEC["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}}
    running.deliver(spec=spec, meta=held())
    running.deliver(Key("ml", "other"), meta=held())
    await asyncio.sleep(1)
    before = len(running.backend.seen)
    running.controller.secret_seen("ml", "hub", "8")
    running.controller.secret_seen("dev", "hub", "9")
    await asyncio.sleep(1)
    assert [resource.owner.name for resource in running.backend.seen[before:]] == ["falcon"]


async def test_regions_and_pods_are_lanes_of_their_own(running: Running) -> None:
    hang = asyncio.Event()
    observe = running.backend.observe

    async def hanging(key: Key, resource: Any) -> Any:
        if resource.fields["sageMaker"]["region"] == "eu-west-1":
            await hang.wait()
        return await observe(key, resource)

    running.backend.observe = hanging  # type: ignore[method-assign]
    for number in range(10):
        spec = {**SPEC, "sageMaker": {**SPEC["sageMaker"], "region": "eu-west-1"}}
        running.deliver(Key("dead", f"r{number}"), spec=spec, meta=held())
    running.deliver(Key("ml", "well"), meta=held())
    running.deliver(Key("ml", "pods"), spec={"inCluster": {}}, meta=held())
    await asyncio.sleep(STUCK_SECONDS + 10)
    assert [resource.owner.name for resource in running.backend.seen] == ["well"]
    assert [resource.owner.name for resource in running.pods.seen] == ["pods"]
    assert not running.controller.is_alive()
    hang.set()
    await asyncio.sleep(1)
    assert running.controller.is_alive()
    assert len(running.backend.seen) == 11


async def test_it_is_ready_when_all_that_was_listed_at_the_start_has_been_seen(running: Running) -> None:
    bodies = [running.server.put(Key("ml", f"r{number}")) for number in range(3)]
    await running.controller.start()
    await asyncio.sleep(1)
    for body in bodies[:2]:
        assert not running.controller.ready.is_set()
        running.controller.seen(body)
    assert not running.controller.ready.is_set()
    running.controller.removed("ml", "r2", "uid-r2")
    assert running.controller.ready.is_set()


@pytest.mark.parametrize("seen_first", [True, False])
async def test_it_is_ready_at_once_where_nothing_is_left_to_see(running: Running, seen_first: bool) -> None:
    if seen_first:
        running.deliver()
    await running.controller.start()
    await asyncio.sleep(0.1)
    assert running.controller.ready.is_set()


async def test_what_vanished_before_its_watch_began_keeps_nobody_waiting(running: Running) -> None:
    running.server.put()
    await running.controller.start()
    await asyncio.sleep(1)
    running.server.objects.clear()
    await asyncio.sleep(50)
    assert not running.controller.ready.is_set()
    await asyncio.sleep(20)
    assert running.controller.ready.is_set()


@pytest.mark.parametrize("error", [APIError(500, "no"), aiohttp.ClientConnectionError(), TimeoutError()])
async def test_it_is_not_ready_before_the_api_server_has_answered(running: Running, error: Exception) -> None:
    running.server.failures["endpoint_uids"] = error
    starting = asyncio.create_task(running.controller.start())
    await asyncio.sleep(60)
    assert not starting.done(), "of objects of which no resource is known nothing is kept, so the names come first"
    assert not running.controller.ready.is_set()
    running.server.failures.clear()
    await asyncio.sleep(6)
    assert running.controller.ready.is_set()
    assert running.controller.is_alive()


async def test_what_vanished_in_a_gap_of_the_watch_is_dropped_within_the_hour(running: Running) -> None:
    await running.controller.start()
    for name in ("gone", "again", "stays"):
        running.deliver(Key("ml", name), meta=held())
    await asyncio.sleep(100)
    del running.server.objects[Key("ml", "gone")]
    running.server.put(Key("ml", "again"), meta={"uid": "another"})
    running.server.failures["endpoint_uids"] = APIError(500, "no")
    await asyncio.sleep(3600)
    assert len(list(running.controller.store.items())) == 3, "a list that failed drops nothing"
    running.server.failures.clear()
    await asyncio.sleep(3600)
    assert {item.key.name for item in running.controller.store.items()} == {"stays"}
    assert {key.name for key in running.backend.forgotten} == {"gone", "again"}
    assert set(running.backend.forgotten) == set(running.pods.forgotten)


async def test_failures_of_a_resource_end_with_it(running: Running) -> None:
    running.backend.script = [BackendError()]
    running.deliver(meta=held())
    await asyncio.sleep(100)
    assert running.backend.asked[-1][2] > 10
    running.vanish()
    running.deliver(meta=held(uid="another"))
    await asyncio.sleep(1)
    assert running.backend.asked[-1][2] == 1


class TestWhatIsLeftBehind:
    """A resource that disappears without the operator's finalizer may leave an endpoint that is billed."""

    shown = as_json(status(SERVES)) | {"sageMaker": ENDPOINT}

    @pytest.mark.parametrize("is_deleting", [True, False])
    @pytest.mark.parametrize("delivered", [True, False])
    async def test_it_is_named_in_the_log_and_an_event(
        self, running: Running, caplog: pytest.LogCaptureFixture, is_deleting: bool, delivered: bool
    ) -> None:
        running.backend.script = [None]
        await running.controller.start()
        running.deliver(status=self.shown, meta=deleting() if is_deleting else held())
        await asyncio.sleep(1)
        if delivered:
            running.vanish()
        else:
            running.server.objects.clear()
        await asyncio.sleep(3700)
        assert running.server.reasons() == [("Warning", Reason.LEFT_ALONE)]
        assert 'Endpoint "ml-falcon"' in running.server.events[0]["note"]
        assert 'Endpoint "ml-falcon"' in caplog.text

    @pytest.mark.parametrize("watch_is_first", [True, False])
    async def test_nothing_is_reported_of_what_the_operator_released(
        self, running: Running, watch_is_first: bool
    ) -> None:
        running.backend.script = [Plan[str](status(SERVES), finished=True)]
        set_finalizers = running.server.set_finalizers

        async def slowly(namespace: str, name: str, version: str, finalizers: list[str]) -> dict[str, Any]:
            body = await set_finalizers(namespace, name, version, finalizers)
            if watch_is_first:
                running.controller.removed(namespace, name, body["metadata"]["uid"])
            return body

        running.server.set_finalizers = slowly  # type: ignore[method-assign]
        running.deliver(status=self.shown, meta=deleting())
        await asyncio.sleep(1)
        running.controller.removed(*KEY, "uid-falcon")
        await asyncio.sleep(1)
        assert running.server.events == []
        assert list(running.controller.store.items()) == []

    @pytest.mark.parametrize("shown", [{}, {"sageMaker": {"endpointName": "ml-falcon"}}, {"inCluster": {}}])
    async def test_nothing_is_reported_where_no_endpoint_was_asked_for(
        self, running: Running, shown: dict[str, Any]
    ) -> None:
        running.backend.script = [None]
        running.deliver(status=shown, meta=held())
        await asyncio.sleep(1)
        running.vanish()
        await asyncio.sleep(1)
        assert running.server.events == []


async def test_children_go_to_the_backend_that_made_them(running: Running) -> None:
    running.controller.child_seen({"kind": "Pod"})
    running.controller.child_removed({"kind": "Job"})
    assert running.children.bodies == [("seen", {"kind": "Pod"}), ("gone", {"kind": "Job"})]


async def test_children_of_what_was_listed_are_wanted_before_it_is_seen(running: Running) -> None:
    running.server.put()
    assert not running.controller.knows(KEY)
    await running.controller.start()
    assert running.controller.knows(KEY)
    assert not running.controller.knows(Key("ml", "nobody"))
    running.deliver()
    assert running.controller.knows(KEY)
    running.vanish()
    assert not running.controller.knows(KEY)


@pytest.mark.parametrize(("kind", "wanted"), [("TGIEndpoint", True), ("Pod", True), ("Job", False)])
async def test_backend_decides_which_children_are_wanted(running: Running, kind: str, *, wanted: bool) -> None:
    assert running.controller.wants({"kind": kind}) == wanted


async def test_liveness_shows_background_work_that_has_crashed(running: Running) -> None:
    async def crash() -> None:
        await asyncio.sleep(10)
        raise LookupError

    running.controller.run(crash())
    await asyncio.sleep(5)
    assert running.controller.is_alive()
    await asyncio.sleep(10)
    assert not running.controller.is_alive()
