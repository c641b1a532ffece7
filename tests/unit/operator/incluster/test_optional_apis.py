"""APIs that appear and disappear while the operator runs, on a virtual clock."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import pytest

from tgi_operator.api.autoscaling import MetricType
from tgi_operator.api.status import Scaler
from tgi_operator.backends.incluster.desired.manifests import manifest
from tgi_operator.backends.incluster.desired.monitor import Monitoring
from tgi_operator.backends.incluster.kinds import OPTIONAL, POD_MONITOR, POD_MONITORING, SCALED_OBJECT, Kind, Object
from tgi_operator.backends.incluster.optional_apis import DISCOVERY_SECONDS, OptionalAPIs
from tgi_operator.backends.incluster.seen.children import Children
from tgi_operator.backends.keys import Key
from tgi_operator.intake import Reduce
from tgi_operator.kube import APIError
from tgi_operator.settings import Settings
from unit.operator.incluster.given import OWNER
from unit.operator.incluster.test_observe import APIServer

pytestmark = pytest.mark.looptime

KEY = Key(OWNER.namespace, OWNER.name)
SETTINGS = Settings(
    prometheus_address="http://prometheus:9090",
    keda_authentication="prometheus",
    queue_size_metric="prometheus.googleapis.com|tgi_queue_size|gauge",
)


def stored(kind: Kind, version: int = 1) -> Object:
    """Return an object of the resource as the API server returns it."""
    made = manifest(kind, OWNER, OWNER.name, {"selector": {}})
    made["metadata"] |= {"uid": "u-1", "resourceVersion": str(version)}
    return made


@dataclass
class Server(APIServer):
    """Serves the optional kinds that are installed, with one queue of events for each watch."""

    installed: set[Kind] = field(default_factory=set)
    events: asyncio.Queue[Object] = field(default_factory=asyncio.Queue)
    requests: list[str] = field(default_factory=list)
    down: bool = False
    down_in_between: str = ""

    async def get(self, path: str) -> Object | None:
        self.requests.append(path)
        if self.down or (self.down_in_between and self.down_in_between in path):
            raise APIError(503, "unavailable")
        found = [kind for kind in OPTIONAL if kind.group == path and kind in self.installed]
        return {"resources": [{"name": kind.plural} for kind in found]} if found else None

    async def pages(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        self.requests.append(f"list {path}")
        if not any(f"/{kind.plural}" in path for kind in self.installed):
            raise APIError(404, "not found")
        listed = [reduce(body) for name, body in self.objects.items() if f"/{name.split('/')[-2]}" in path]
        yield {"metadata": {"resourceVersion": "10"}, "items": listed}

    async def watch(self, path: str, version: str, reduce: Reduce, **selectors: str) -> AsyncGenerator[Object, None]:
        while True:
            event = await self.events.get()
            yield {**event, "object": reduce(event["object"])}


@dataclass
class Given:
    """The APIs of a running operator, with what they reported."""

    server: Server
    children: Children
    apis: OptionalAPIs
    changed: list[Key]


@asynccontextmanager
async def running(server: Server, *namespaces: str, settings: Settings = SETTINGS) -> AsyncIterator[Given]:
    """Run until the end of the block."""
    changed: list[Key] = []
    children = Children(lambda _: True)
    apis = OptionalAPIs(server, children, changed.append, settings)
    await apis.start(namespaces)
    yield Given(server, children, apis, changed)
    await apis.close()


def known(given: Given) -> set[str]:
    return {kind for kind, _ in given.children.of(KEY)}


async def test_nothing_is_watched_that_the_cluster_does_not_serve() -> None:
    async with running(Server()) as given:
        await asyncio.sleep(3600)
        assert given.apis.served == frozenset()
        assert given.apis.means.scaler is Scaler.HORIZONTAL_POD_AUTOSCALER
        assert not any(request.startswith("list") for request in given.server.requests)
        assert len(given.server.requests) <= 3 * 3600 / DISCOVERY_SECONDS + 3


async def test_objects_are_listed_before_the_first_resource_is_reconciled() -> None:
    path = POD_MONITOR.path(*KEY)
    async with running(Server(objects={path: stored(POD_MONITOR)}, installed={POD_MONITOR})) as given:
        assert known(given) == {"PodMonitor"}


@pytest.mark.parametrize("namespaces", [(), ("ml", "dev")], ids=["cluster", "namespaces"])
async def test_api_that_appears_is_used_without_a_restart(namespaces: tuple[str, ...]) -> None:
    server = Server()
    async with running(server, *namespaces) as given:
        given.children.put(stored(POD_MONITOR))
        server.installed.add(SCALED_OBJECT)
        await asyncio.sleep(30)
        await given.apis.refresh()
        assert given.apis.served == {SCALED_OBJECT}
        assert given.apis.means.scaler is Scaler.SCALED_OBJECT
        assert given.changed == [KEY]
        await asyncio.sleep(1)
        listed = [request for request in server.requests if request.startswith("list")]
        assert listed == [f"list {SCALED_OBJECT.path(each)}" for each in namespaces] or listed == [
            f"list {SCALED_OBJECT.everywhere}"
        ]


async def test_api_that_appears_while_no_resource_changes_is_noticed() -> None:
    server = Server()
    async with running(server) as given:
        server.installed.add(POD_MONITOR)
        await asyncio.sleep(DISCOVERY_SECONDS + 1)
        assert given.apis.served == {POD_MONITOR}


async def test_changes_and_deletions_are_reported() -> None:
    server = Server(installed={POD_MONITOR})
    async with running(server) as given:
        server.events.put_nowait({"type": "ADDED", "object": stored(POD_MONITOR, 11)})
        await asyncio.sleep(5)
        assert (known(given), given.changed) == ({"PodMonitor"}, [KEY])
        server.events.put_nowait({"type": "DELETED", "object": stored(POD_MONITOR, 12)})
        await asyncio.sleep(5)
        assert (known(given), given.changed) == (set(), [KEY, KEY])


async def test_objects_of_an_api_that_disappears_are_forgotten() -> None:
    path = SCALED_OBJECT.path(*KEY)
    server = Server(objects={path: stored(SCALED_OBJECT)}, installed={SCALED_OBJECT})
    async with running(server) as given:
        given.changed.clear()
        given.children.put(stored(POD_MONITOR))
        server.installed.clear()
        await asyncio.sleep(DISCOVERY_SECONDS + 1)
        assert given.apis.served == frozenset()
        assert given.apis.means.scaler is Scaler.HORIZONTAL_POD_AUTOSCALER
        assert known(given) == {"PodMonitor"}
        assert given.changed == [KEY]


async def test_apis_stay_the_same_while_discovery_fails() -> None:
    server = Server(installed={SCALED_OBJECT})
    async with running(server) as given:
        server.down = True
        await asyncio.sleep(2 * DISCOVERY_SECONDS)
        assert given.apis.served == {SCALED_OBJECT}


async def test_many_resources_cost_one_discovery() -> None:
    async with running(Server()) as given:
        await asyncio.sleep(60)
        given.server.requests.clear()
        await asyncio.gather(*(given.apis.refresh() for _ in range(100)))
        assert len(given.server.requests) == 3


@pytest.mark.parametrize(
    ("kind", "used"), [("PodMonitor", POD_MONITOR), ("PodMonitoring", POD_MONITORING), ("none", None)], ids=str
)
async def test_setting_decides_which_api_of_monitoring_is_used(
    kind: Literal["PodMonitor", "PodMonitoring", "none"], used: Kind | None
) -> None:
    server = Server(installed={POD_MONITOR, POD_MONITORING})
    settings = Settings(monitor_kind=kind, monitor_labels={"release": "prometheus"})
    async with running(server, settings=settings) as given:
        assert given.apis.served == ({used} if used is not None else set())
        expected = Monitoring(used, {"release": "prometheus"}) if used is not None else None
        assert given.apis.monitoring == expected


async def test_scaling_facilities_are_those_of_the_settings() -> None:
    async with running(Server(installed={SCALED_OBJECT})) as given:
        means = given.apis.means
        assert (means.prometheus, means.authentication) == (SETTINGS.prometheus_address, "prometheus")
        assert means.names[MetricType.QUEUE_DEPTH] == SETTINGS.queue_size_metric


async def test_discovery_that_fails_halfway_is_repeated_as_a_whole() -> None:
    server = Server()
    async with running(server) as given:
        given.children.put(stored(POD_MONITOR))
        server.installed.add(SCALED_OBJECT)
        server.down_in_between = "custom.metrics"
        await asyncio.sleep(DISCOVERY_SECONDS + 1)
        assert (given.apis.served, given.changed) == (frozenset(), [])
        server.down_in_between = ""
        await asyncio.sleep(DISCOVERY_SECONDS)
        assert (given.apis.served, given.changed) == (frozenset({SCALED_OBJECT}), [KEY])
