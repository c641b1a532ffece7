"""The watch of Secrets on a virtual clock: it continues after every way in which a watch ends, with pauses."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Literal

import aiohttp
import pytest

from tgi_operator.backoff import LONGEST_BACKOFF
from tgi_operator.control.secret_watch import LABELLED, SecretWatch
from tgi_operator.control.store import Store
from tgi_operator.control.wiring import secret_watch
from tgi_operator.kube import APIError
from tgi_operator.settings import Settings

pytestmark = pytest.mark.looptime

Body = Mapping[str, Any]


def secret(name: str, version: int, namespace: str = "ml") -> Body:
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": str(version)}}


def event(change: str, name: str, version: int) -> Body:
    return {"type": change, "object": secret(name, version)}


EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "50"}}}


class Server:
    """Lists these pages, and serves one script for each watch: events, then an error or the end; then it is silent."""

    def __init__(self) -> None:
        self.pages: list[list[Body]] = [[]]
        self.scripts: list[list[Body | Exception]] = []
        self.list_errors: list[Exception] = []
        self.requests: list[tuple[float, str]] = []
        self.selectors: list[Mapping[str, str]] = []

    async def metadata_pages(self, path: str, **selectors: str) -> AsyncIterator[Body]:
        self._note(f"list {path}", selectors)
        if self.list_errors:
            raise self.list_errors.pop(0)
        for page in self.pages:
            yield {"metadata": {"resourceVersion": "10"}, "items": page}

    async def watch_metadata(self, path: str, version: str, **selectors: str) -> AsyncGenerator[Body, None]:
        self._note(f"watch {path} from {version}", selectors)
        if not self.scripts:
            await asyncio.Event().wait()
        for each in self.scripts.pop(0):
            if isinstance(each, Exception):
                raise each
            yield each

    def _note(self, request: str, selectors: Mapping[str, str]) -> None:
        self.requests.append((asyncio.get_running_loop().time(), request))
        self.selectors.append(selectors)

    def asked(self) -> list[str]:
        return [request.replace("/api/v1/", "") for _, request in self.requests]


Run = Callable[..., Any]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def run(server: Server) -> AsyncIterator[Run]:
    """Yield a function that runs a watch for a while, and returns the reported events."""
    tasks: list[asyncio.Task[None]] = []

    async def running(
        seconds: float = 1000, namespaces: tuple[str, ...] = (), referenced: set[tuple[str, str]] | None = None
    ) -> list[str]:
        seen: list[str] = []
        watch = SecretWatch(
            server,
            namespaces,
            LABELLED,
            lambda namespace, name, version: seen.append(f"{namespace}/{name}@{version}"),
            lambda: referenced or set(),
        )
        tasks.append(asyncio.create_task(watch.run()))
        await asyncio.sleep(seconds)
        assert not tasks[-1].done()
        return seen

    yield running
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_listed_changed_and_deleted_is_reported(server: Server, run: Run) -> None:
    server.pages = [[secret("a", 3)], [secret("b", 4)]]
    server.scripts = [[event("ADDED", "c", 11), event("MODIFIED", "a", 12), BOOKMARK, event("DELETED", "b", 51)]]
    assert await run() == ["ml/a@3", "ml/b@4", "ml/c@11", "ml/a@12", "ml/b@"]
    assert server.asked() == ["list secrets", "watch secrets from 10", "watch secrets from 51"]
    assert all(each == {"labelSelector": "tgi-operator.dev/allow-use=true"} for each in server.selectors)


@pytest.mark.parametrize("namespaces", [("ml",), ("ml", "dev")])
async def test_each_watched_namespace_has_a_watch_of_its_own(
    server: Server, run: Run, namespaces: tuple[str, ...]
) -> None:
    await run(namespaces=namespaces)
    expected = {f"{verb} namespaces/{each}/secrets" for each in namespaces for verb in ("list", "watch")}
    assert {request.removesuffix(" from 10") for request in server.asked()} == expected


@pytest.mark.parametrize(
    ("required", "selected"),
    [("on", {"labelSelector": "tgi-operator.dev/allow-use=true"}), ("off", {"fieldSelector": "type=Opaque"})],
)
async def test_setting_decides_which_secrets_are_watched(
    server: Server, required: Literal["on", "off"], selected: Mapping[str, str]
) -> None:
    controller: Any = SimpleNamespace(store=Store(), secret_seen=None)
    kube: Any = server
    watching = asyncio.create_task(secret_watch(Settings(require_labels=required), kube, controller).run())
    await asyncio.sleep(1)
    assert server.selectors == [selected, selected], "the list and the watch"
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_secret_that_vanished_while_nothing_was_watched_is_reported(server: Server, run: Run) -> None:
    server.pages = [[secret("a", 3)]]
    referenced = {("ml", "a"), ("ml", "gone"), ("dev", "gone")}
    assert await run(referenced=referenced) in (
        ["ml/a@3", "ml/gone@", "dev/gone@"],
        ["ml/a@3", "dev/gone@", "ml/gone@"],
    )
    assert await run(referenced=referenced, namespaces=("ml",)) == ["ml/a@3", "ml/gone@"]


@pytest.mark.parametrize("ends", [[BOOKMARK], [BOOKMARK, TimeoutError()]], ids=["by the server", "by the time limit"])
async def test_watch_that_ended_goes_on_where_it_was(server: Server, run: Run, ends: list[Any]) -> None:
    server.scripts = [ends, [event("ADDED", "a", 60)]]
    assert await run() == ["ml/a@60"]
    assert server.asked() == ["list secrets", "watch secrets from 10", "watch secrets from 50", "watch secrets from 60"]


@pytest.mark.parametrize(
    "expired",
    [
        pytest.param(EXPIRED, id="410 in the stream"),
        pytest.param(APIError(410, "Gone"), id="410 as the response"),
        pytest.param({"type": "ERROR", "object": {"code": 500}}, id="an error in the stream"),
    ],
)
async def test_watch_that_cannot_go_on_begins_with_a_list(server: Server, run: Run, expired: Any) -> None:
    server.scripts = [[event("ADDED", "a", 60), expired]]
    await run()
    assert server.asked() == ["list secrets", "watch secrets from 10", "list secrets", "watch secrets from 10"]


@pytest.mark.parametrize(
    "error",
    [
        APIError(403, "secrets is forbidden"),
        APIError(500, "no"),
        aiohttp.ClientConnectionError("reset"),
        ValueError("no JSON"),
        KeyError("metadata"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("where", ["list", "watch"])
async def test_failure_is_followed_by_another_list(
    server: Server, run: Run, error: Exception, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.pages = [[secret("a", 3)]]
    if where == "list":
        server.list_errors = [error]
    else:
        server.scripts = [[error]]
    assert (await run())[-1] == "ml/a@3"
    assert server.asked()[-2:] == ["list secrets", "watch secrets from 10"]
    assert "Cannot watch Secrets in all namespaces: " in caplog.text


async def test_server_that_only_fails_is_asked_rarely_and_never_given_up(server: Server, run: Run) -> None:
    server.list_errors = [APIError(403, "forbidden")] * 10_000
    await run(3600)
    times = [time for time, _ in server.requests]
    pauses = [after - before for before, after in pairwise(times)]
    assert len(times) < 150
    assert max(pauses) <= LONGEST_BACKOFF * 1.2


@pytest.mark.parametrize("script", [[], [EXPIRED], [APIError(410, "Gone")]], ids=["ends", "expired", "gone"])
async def test_watch_that_ends_at_once_is_no_busy_loop(server: Server, run: Run, script: list[Any]) -> None:
    server.scripts = [script] * 10_000
    await run(600)
    assert 300 < len(server.requests) < 2500
