"""The client of the API server: what needs no API server."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from tgi_operator.kube import Kube, _is_proxied
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
    """A server that answers everything, and knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        return web.json_response({})


@pytest.fixture
async def served() -> AsyncIterator[tuple[Anything, Configuration]]:
    """Yield a server and how to reach it."""
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
    """Let no write through."""
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
    # Others who share the connections are guarded too.
    with pytest.raises(NotLeadingError):
        await kube.session.patch(f"{kube.server}/api/v1/namespaces/ml")
    assert anything.asked == []
    assert await kube.get("/api/v1/namespaces/ml") == {}
    assert anything.asked == ["GET"]
    await kube.close()
