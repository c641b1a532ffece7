"""The client of the API server: everything that needs no API server."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from tgi_operator.intake import TOO_DEEP
from tgi_operator.kube import APIError, Kube, _is_proxied
from tgi_operator.leadership.fence import NotLeadingError


@pytest.mark.parametrize(
    ("server", "environment", "proxied"),
    [
        ("https://10.0.0.1:6443", {}, False),
        ("https://10.0.0.1:6443", {"HTTPS_PROXY": "http://proxy:3128"}, True),
        ("https://10.0.0.1:6443", {"HTTP_PROXY": "http://proxy:3128"}, False),
        ("https://10.0.0.1:6443", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.1"}, False),
        ("https://api.example.com", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".example.com"}, False),
    ],
)
def test_a_proxy_is_used_where_the_environment_wants_one(
    server: str, environment: dict[str, str], proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _is_proxied(server) == proxied


class Anything:
    """A server that answers everything, and records the methods of the requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.accepted: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.answers: list[web.Response] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        self.accepted.append(request.headers["Accept"])
        self.queries.append(dict(request.query))
        return self.answers.pop(0) if self.answers else web.json_response({})


@pytest.fixture
async def served() -> AsyncIterator[tuple[Anything, Configuration]]:
    """Yield a server and its address."""
    anything = Anything()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", anything.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield anything, configuration
    await runner.cleanup()


def refuse() -> None:
    """Let no write pass."""
    raise NotLeadingError("not any more")


async def test_what_is_guarded_sends_no_write(served: tuple[Anything, Configuration]) -> None:
    anything, configuration = served
    kube = Kube(configuration, refuse)
    writes = (
        lambda: kube.set_status("ml", "falcon", {}),
        lambda: kube.set_finalizers("ml", "falcon", "7", []),
        lambda: kube.apply("/api/v1/namespaces/ml/services/falcon", {}),
        lambda: kube.delete("/api/v1/namespaces/ml/services/falcon", "u-1"),
        lambda: kube.create_event("ml", {}),
        lambda: kube.repeat_event("ml", "falcon", {}),
        lambda: kube.create("/apis/coordination.k8s.io/v1/namespaces/ml/leases", {}),
        lambda: kube.replace("/apis/coordination.k8s.io/v1/namespaces/ml/leases/x", {}),
    )
    for write in writes:
        with pytest.raises(NotLeadingError):
            await write()
    # Other users of the sessions are guarded too.
    for session in (kube.session, kube.watch_session):
        with pytest.raises(NotLeadingError):
            await session.patch(f"{kube.server}/api/v1/namespaces/ml")
    assert anything.asked == []
    assert await kube.get("/api/v1/namespaces/ml") == {}
    assert anything.asked == ["GET"]
    await kube.close()


async def test_refusal_names_the_request_without_its_query(served: tuple[Anything, Configuration]) -> None:
    anything, configuration = served
    anything.answers = [web.json_response({"message": "forbidden"}, status=403)]
    kube = Kube(configuration)
    with pytest.raises(APIError, match="403: forbidden") as caught:
        await kube.items("/api/v1/pods", labelSelector="a=b")
    assert caught.value.request == "GET /api/v1/pods"
    await kube.close()


@pytest.mark.parametrize("namespaces", [(), ("ml", "dev")])
async def test_uids_are_listed_page_by_page_without_the_objects(
    served: tuple[Anything, Configuration], namespaces: tuple[str, ...]
) -> None:
    anything, configuration = served

    def page(namespace: str, name: str, more: str) -> web.Response:
        meta = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}"}
        body = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "items": [{"metadata": meta}]}
        return web.json_response(body | {"metadata": {"continue": more}})

    anything.answers = [page("ml", "a", "next"), page("ml", "b", "")] + [page("dev", "a", "")] * bool(namespaces)
    kube = Kube(configuration)
    found = await kube.endpoint_uids(namespaces)
    expected = {("ml", "a"): "ml-a", ("ml", "b"): "ml-b"}
    assert found == expected | ({("dev", "a"): "dev-a"} if namespaces else {})
    assert all("as=PartialObjectMetadataList" in accept for accept in anything.accepted)
    await kube.close()


async def test_of_an_object_whose_labels_decide_nothing_else_is_read(served: tuple[Anything, Configuration]) -> None:
    anything, configuration = served
    anything.answers = [
        web.json_response({"metadata": {"labels": {"a": "b"}}}),
        web.json_response({"metadata": {}}),
        web.json_response({"message": "not found"}, status=404),
    ]
    kube = Kube(configuration)
    found = [await kube.labels("/api/v1/namespaces/ml/secrets/db") for _ in range(3)]
    await kube.close()
    assert found == [{"a": "b"}, {}, None]
    assert set(anything.accepted) == {"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}


async def test_a_secret_shows_no_value(served: tuple[Anything, Configuration]) -> None:
    anything, configuration = served
    anything.answers = [
        web.json_response({"metadata": {"labels": {"a": "b"}, "uid": "1"}, "data": {"token": "aGZfeA=="}})
    ]
    kube = Kube(configuration)
    secret = await kube.secret("ml", "hub")
    await kube.close()
    assert secret is not None
    assert (secret.labels, secret.data) == ({"a": "b"}, {"token": b"hf_x"})
    assert "hf_x" not in repr(secret)


async def test_watch_of_metadata_asks_for_nothing_else_and_yields_events(
    served: tuple[Anything, Configuration],
) -> None:
    anything, configuration = served
    added = {"type": "ADDED", "object": {"metadata": {"name": "token"}}}
    anything.answers = [web.Response(text=f'{json.dumps(added)}\n{{"type":"BOOKMARK"}}\n{{"type":"ADD')]
    kube = Kube(configuration)
    events = [event async for event in kube.watch_metadata("/api/v1/secrets", "7", labelSelector="a=b")]
    assert events == [added, {"type": "BOOKMARK"}], "what was cut off is not an event"
    assert anything.accepted == ["application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"]
    assert anything.queries == [
        {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "300",
            "resourceVersion": "7",
            "labelSelector": "a=b",
        }
    ]
    await kube.close()


async def test_refused_watch_is_an_error_with_its_status(served: tuple[Anything, Configuration]) -> None:
    anything, configuration = served
    anything.answers = [web.json_response({"message": "too old"}, status=410)]
    kube = Kube(configuration)
    with pytest.raises(APIError) as caught:
        await anext(aiter(kube.watch_metadata("/api/v1/secrets", "7")))
    assert (caught.value.status, caught.value.request) == (410, "GET /api/v1/secrets")
    await kube.close()


async def test_list_is_read_in_pages_that_fit_into_memory(served: tuple[Anything, Configuration]) -> None:
    anything, configuration = served
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {"continue": "next"}, "items": [{"metadata": {}}]}
    anything.answers = [web.json_response(body), web.json_response(body | {"metadata": {}})]
    kube = Kube(configuration)
    found = [each async for each in kube.reduced("/api/v1/pods", lambda pod: {"kind": pod["kind"]})]
    assert found == [{"kind": "Pod"}] * 2
    assert anything.queries == [{"limit": "25"}, {"limit": "25", "continue": "next"}]
    await kube.close()


@pytest.mark.parametrize("levels", [500, 9_980])
async def test_object_that_is_nested_too_deep_can_be_read(served: tuple[Anything, Configuration], levels: int) -> None:
    anything, configuration = served
    anything.answers = [web.Response(text=f'{{"spec":{"[" * levels}{"]" * levels}}}', content_type="application/json")]
    kube = Kube(configuration)
    assert TOO_DEEP in str(await kube.get("/api/v1/namespaces/ml/services/x"))
    await kube.close()
