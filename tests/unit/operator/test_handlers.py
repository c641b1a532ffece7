"""The real handlers with a small API server: no object ends a watch, and watches leave connections to requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from tgi_operator.api.identifiers import API_VERSION, PLURAL
from tgi_operator.backends.incluster.desired.names import LABEL_NAME
from tgi_operator.backends.incluster.seen.children import STORED
from tgi_operator.handlers import watch
from tgi_operator.intake import TOO_DEEP
from tgi_operator.kube import Kube

NAMESPACES = tuple(f"team-{number}" for number in range(50))
KINDS = STORED[:7]
RESOURCES = [(API_VERSION, PLURAL, "TGIEndpoint")] + [(kind.api_version, kind.plural, kind.name) for kind in KINDS]


class EmptyCluster:
    """An API server that serves these kinds, lists `items` by plural, and holds each watch open after its `events`."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}
        self.events: dict[str, str] = {}
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
        items, kind = self.items.get(path[-1], ""), _kind(path[-1])
        text = (
            f'{{"kind":"{kind}List","apiVersion":"{version}","metadata":{{"resourceVersion":"1"}},"items":[{items}]}}'
        )
        return web.Response(text=text, content_type="application/json")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(self.events.pop(request.path.rsplit("/", 1)[-1], "").encode())
        self.watches += 1
        if self.watches == self.expected:
            self.complete.set()
        await self.over.wait()
        return response


def _kind(plural: str) -> str:
    return next((kind for _, each, kind in RESOURCES if each == plural), "")


def _group(version: str) -> dict[str, Any]:
    group, number = version.split("/")
    named = {"groupVersion": version, "version": number}
    return {"name": group, "versions": [named], "preferredVersion": named}


def _resources(version: str) -> list[dict[str, Any]]:
    verbs = ["get", "list", "watch", "patch"]
    return [
        {"name": plural, "singularName": "", "kind": kind, "namespaced": True, "verbs": verbs}
        # kopf requests namespaces before it watches anything.
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


class Recorder:
    """Records what the handlers pass on; only children of `ml/falcon` are wanted."""

    def __init__(self) -> None:
        self.seen_bodies: dict[str, Any] = {}
        self.children: list[str] = []
        self.complete = asyncio.Event()

    def wants(self, body: Mapping[str, Any]) -> bool:
        return bool(body["kind"] == "TGIEndpoint" or body["metadata"]["labels"][LABEL_NAME] == "falcon")

    def seen(self, body: Mapping[str, Any]) -> None:
        self.seen_bodies[body["metadata"]["name"]] = json.loads(json.dumps(dict(body)))
        self._check()

    def removed(self, namespace: str, name: str, uid: str) -> None:
        self.seen_bodies.pop(name)

    def child_seen(self, body: Mapping[str, Any]) -> None:
        self.children.append(body["metadata"]["name"])
        self._check()

    def _check(self) -> None:
        if self.children and self.seen_bodies.keys() == set("abcde"):
            self.complete.set()

    async def close(self) -> None:
        """Nothing runs that would have to end."""


def endpoint(name: str, bomb: int = 0) -> str:
    metadata = {"name": name, "namespace": "ml", "uid": f"u-{name}", "resourceVersion": "2", "generation": 1}
    metadata |= {"annotations": {"others": "x" * 1000}, "managedFields": [{"manager": "x"}]}
    body = {"apiVersion": API_VERSION, "kind": "TGIEndpoint", "metadata": metadata, "spec": {"inCluster": {"bomb": 0}}}
    return json.dumps(body).replace('"bomb": 0', f'"bomb": {"[" * bomb}{"]" * bomb}' if bomb else '"bomb": 0')


def pod(name: str, of: str) -> str:
    metadata = {"name": name, "namespace": "ml", "uid": f"u-{name}", "resourceVersion": "3", "labels": {LABEL_NAME: of}}
    return json.dumps({"kind": "Pod", "metadata": metadata, "spec": {}, "status": {}})


def added(body: str) -> str:
    return f'{{"type":"ADDED","object":{body}}}\n'


@pytest.mark.parametrize("levels", [250, 9_980, 500_000])
async def test_object_that_is_nested_too_deep_costs_no_other(cluster: tuple[EmptyCluster, Kube], levels: int) -> None:
    made, kube = cluster
    made.items = {PLURAL: f"{endpoint('a')},{endpoint('b', levels)},{endpoint('c')}", "pods": pod("p1", "nobody")}
    made.events = {
        PLURAL: "".join(added(each) for each in (endpoint("d", levels), endpoint("e"))),
        "pods": "".join(added(each) for each in (pod("p2", "nobody"), pod("p3", "falcon"))),
    }
    recorder: Any = Recorder()
    watching = asyncio.create_task(watch(recorder, kube, KINDS, ()))
    async with asyncio.timeout(30):
        await recorder.complete.wait()
    assert recorder.children == ["p3"]
    assert recorder.seen_bodies["a"]["spec"] == {"inCluster": {"bomb": 0}}
    assert TOO_DEEP in json.dumps(recorder.seen_bodies["b"]["spec"])
    assert recorder.seen_bodies["a"]["metadata"].keys().isdisjoint({"managedFields"})
    assert recorder.seen_bodies["a"]["metadata"]["annotations"] == {}
    assert not watching.done()
    made.over.set()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_fifty_watched_namespaces_leave_connections_for_requests(cluster: tuple[EmptyCluster, Kube]) -> None:
    made, kube = cluster

    async def close() -> None:
        """Nothing runs that would have to end."""

    controller: Any = SimpleNamespace(close=close, wants=lambda _: True)
    watching = asyncio.create_task(watch(controller, kube, KINDS, NAMESPACES))
    assert made.expected == 400
    async with asyncio.timeout(60):
        await made.complete.wait()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(kube.cluster_id() for _ in range(100)))
    assert set(answers) == {"blue"}
    made.over.set()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
