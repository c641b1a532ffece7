"""The real handlers against a small API server: watches never take the connections of requests."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from tgi_operator.api.identifiers import API_VERSION, PLURAL
from tgi_operator.backends.incluster.seen.children import WATCHED
from tgi_operator.handlers import watch
from tgi_operator.kube import Kube

NAMESPACES = tuple(f"team-{number}" for number in range(50))
KINDS = WATCHED[:7]
RESOURCES = [(API_VERSION, PLURAL, "TGIEndpoint"), ("v1", "secrets", "Secret")] + [
    (kind.api_version, kind.plural, kind.name) for kind in KINDS
]


class EmptyCluster:
    """An API server that serves these kinds, lists nothing, and holds each watch open."""

    def __init__(self) -> None:
        self.expected = len(NAMESPACES) * len(RESOURCES)
        self.watches = 0
        self.complete = asyncio.Event()
        self.over = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.strip("/").split("/")
        if "watch" in request.query:
            return await self._watch(request)
        if path == ["api"]:
            return web.json_response({"versions": ["v1"]})
        if path == ["apis"]:
            return web.json_response({"groups": [_group(version) for version, _, _ in RESOURCES if "/" in version]})
        version = "v1" if path[0] == "api" else "/".join(path[1:3])
        if len(path) == (2 if path[0] == "api" else 3):
            return web.json_response({"resources": _resources(version)})
        if path[-1] == "kube-system":
            return web.json_response({"metadata": {"uid": "blue"}})
        body = {"kind": "List", "apiVersion": version, "metadata": {"resourceVersion": "1"}, "items": []}
        return web.json_response(body)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        self.watches += 1
        if self.watches == self.expected:
            self.complete.set()
        await self.over.wait()
        return response


def _group(version: str) -> dict[str, Any]:
    group, number = version.split("/")
    named = {"groupVersion": version, "version": number}
    return {"name": group, "versions": [named], "preferredVersion": named}


def _resources(version: str) -> list[dict[str, Any]]:
    verbs = ["get", "list", "watch", "patch"]
    return [
        {"name": plural, "singularName": "", "kind": kind, "namespaced": True, "verbs": verbs}
        # kopf asks for namespaces before it watches anything.
        for api_version, plural, kind in (*RESOURCES, ("v1", "namespaces", "Namespace"))
        if api_version == version
    ]


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[EmptyCluster, Kube]]:
    """Yield the API server and a client."""
    made = EmptyCluster()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    kube = Kube(configuration)
    yield made, kube
    made.over.set()
    await kube.close()
    await runner.cleanup()


async def test_fifty_watched_namespaces_leave_connections_for_requests(cluster: tuple[EmptyCluster, Kube]) -> None:
    made, kube = cluster

    async def close() -> None:
        """Nothing runs that would have to end."""

    controller: Any = SimpleNamespace(close=close)
    watching = asyncio.create_task(watch(controller, kube, KINDS, NAMESPACES))
    assert made.expected == 450
    async with asyncio.timeout(60):
        await made.complete.wait()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(kube.cluster_id() for _ in range(100)))
    assert set(answers) == {"blue"}
    made.over.set()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
