"""The HTTP server: probes, and metrics of thousands of resources that do not block the event loop."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tgi_operator import metrics
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans.verdicts import unreadable
from tgi_operator.control import probes
from tgi_operator.control.metrics_access import MetricsAccess
from tgi_operator.control.probes import CACHE_FACTOR, MOST_SCRAPES, Server
from tgi_operator.control.store import Store, item
from tgi_operator.kube import APIError
from unit.operator.control.given import CREATING, SERVES, SPEC, as_json, status

MANY = 10_000


def test_label_values_are_escaped() -> None:
    reason = 'Tricky"\\\nReason'
    condition = {"type": "Ready", "status": "True", "reason": reason}
    families = text_string_to_metric_families(metrics.exposition([("ml", "a", {"conditions": [condition]})]).decode())
    found = [sample.labels["reason"] for family in families for sample in family.samples if "reason" in sample.labels]
    assert found == [reason, reason]


def test_what_is_described_is_what_is_exposed() -> None:
    exposed = {family.name for family in text_string_to_metric_families(metrics.exposition([]).decode())}
    described = {family.name for family in metrics.REGISTRY.collect()}
    assert described == {name for name in exposed if not name.endswith("_created")}


def body(number: int, shown: dict[str, Any]) -> dict[str, Any]:
    name = f"endpoint-{number}"
    meta = {"namespace": "ml", "name": name, "uid": name, "resourceVersion": "1", "generation": 1}
    return {"metadata": meta, "spec": SPEC, "status": shown}


SHOWN = as_json(status(SERVES)) | {
    "desiredReplicas": 2,
    "replicas": 2,
    "readyReplicas": 1,
    "scaling": {"minReplicas": 1, "maxReplicas": 4},
}
SHOWN["conditions"] = [
    *SHOWN["conditions"],
    {"type": "ScalingActive", "status": "True", "reason": "Autoscaling", "message": "", "lastTransitionTime": "x"},
]


class Serving:
    """The server over a store and standings that a test sets."""

    def __init__(self, access: MetricsAccess | None = None) -> None:
        controller: Any = SimpleNamespace(store=Store(), ready=asyncio.Event(), is_alive=lambda: True)
        standing: Any = SimpleNamespace(leads=True, is_ready=True)
        self.controller, self.standing = controller, standing
        self.server = Server(self.controller, self.standing, "127.0.0.1", 0, access)
        self.session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.server.close()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server._runner.addresses[0][1]}{path}"
        async with self.session.get(url, headers=headers) as response:
            return response.status, await response.text()


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """Yield the server."""
    async with Serving() as made:
        yield made


async def test_readiness_is_the_controllers_for_a_leader_and_the_leases_for_a_standby(serving: Serving) -> None:
    assert await serving.get("/readyz") == (503, "not all resources have been read yet\n")
    serving.controller.ready.set()
    assert await serving.get("/readyz") == (200, "ok\n")
    serving.standing.leads = False
    assert await serving.get("/readyz") == (200, "ok\n")
    serving.standing.is_ready = False
    assert (await serving.get("/readyz"))[0] == 503


async def test_liveness_is_the_controllers(serving: Serving) -> None:
    assert (await serving.get("/healthz"))[0] == 200
    serving.controller.is_alive = lambda: False
    assert (await serving.get("/healthz"))[0] == 503


async def test_series_of_a_resource_are_those_of_its_status(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "CACHE_FACTOR", 0)
    unknown = unreadable(status(CREATING), 1, Reason.AWS_UNAVAILABLE, "No answer.", "2026-01-31T12:00:00Z")
    for number, shown in enumerate((SHOWN, as_json(unknown), {})):
        serving.controller.store.put(item(body(number, shown)))
    _, text = await serving.get("/metrics")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "name" in sample.labels or sample.name == "tgi_operator_endpoints"
    }

    def of(number: int, name: str, **labels: str) -> tuple[Any, ...]:
        named = {"namespace": "ml", "name": f"endpoint-{number}"}
        return (f"tgi_operator_{name}", *sorted((labels | named).items()))

    assert samples == {
        of(0, "condition", type="Ready", reason="InService"): 1,
        of(0, "condition", type="Available", reason="Serving"): 1,
        of(0, "replicas", kind="desired"): 2,
        of(0, "replicas", kind="current"): 2,
        of(0, "replicas", kind="ready"): 1,
        of(0, "replicas", kind="min"): 1,
        of(0, "replicas", kind="max"): 4,
        of(0, "scaling_active", reason="Autoscaling"): 1,
        of(1, "condition", type="Ready", reason="AWSUnavailable"): 0,
        of(1, "condition", type="Available", reason="AWSUnavailable"): 0,
        of(1, "condition", type="Reconciling", reason="Creating"): 1,
        ("tgi_operator_endpoints", ("reason", "InService")): 1,
        ("tgi_operator_endpoints", ("reason", "AWSUnavailable")): 1,
        ("tgi_operator_endpoints", ("reason", "New")): 1,
    }
    serving.controller.store.drop(item(body(0, {})).key)
    assert "endpoint-0" not in (await serving.get("/metrics"))[1], "a resource that is gone has no series"


@pytest.fixture
def renderings(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Return the threads of the renderings that a test causes, each of which takes a while."""
    threads: list[threading.Thread] = []

    def render(statuses: metrics.Statuses) -> bytes:
        threads.append(threading.current_thread())
        time.sleep(0.2)
        return b"rendered"

    monkeypatch.setattr(metrics, "exposition", render)
    return threads


async def test_two_hundred_scrapes_at_the_same_time_share_one_rendering(
    serving: Serving, renderings: list[threading.Thread]
) -> None:
    answers = await asyncio.gather(*(serving.get("/metrics") for _ in range(200)))
    assert answers == [(200, "rendered")] * 200
    assert len(renderings) == 1
    assert renderings[0] is not threading.main_thread()


async def test_a_rendering_is_served_for_ten_times_what_it_took(
    serving: Serving, renderings: list[threading.Thread]
) -> None:
    for _ in range(5):
        await serving.get("/metrics")
    assert len(renderings) == 1
    await asyncio.sleep(CACHE_FACTOR * 0.2 + 0.3)
    await serving.get("/metrics")
    assert len(renderings) == 2


async def test_clients_that_read_nothing_keep_neither_memory_nor_others(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "exposition", lambda _: b"#" * 20_000_000)
    monkeypatch.setattr(probes, "_SEND_SECONDS", 0.5)
    idle = [await asyncio.open_connection(*serving.server._runner.addresses[0], limit=1) for _ in range(MOST_SCRAPES)]
    for _, writer in idle:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.1)
    assert (await serving.get("/readyz"))[0] == 503, "probes do not wait for scrapes"
    status, text = await asyncio.wait_for(serving.get("/metrics"), 5)
    assert (status, len(text)) == (200, 20_000_000)
    for _, writer in idle:
        writer.close()


@dataclass
class Reviewer:
    """Answers reviews like an API server that knows one token."""

    allowed: bool = True
    fails: bool = False
    asked: list[str] = field(default_factory=list)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(path.rpartition("/")[2])
        if self.fails:
            raise APIError(500, "etcd is away")
        if body["kind"] == "TokenReview":
            known = body["spec"]["token"] == "good"
            return {"status": {"authenticated": known, "user": {"username": "prometheus", "groups": ["g"]}}}
        assert body["spec"]["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
        assert (body["spec"]["user"], body["spec"]["groups"]) == ("prometheus", ["g"])
        return {"status": {"allowed": self.allowed}}


@pytest.mark.parametrize(
    ("authorization", "allowed", "expected"),
    [
        ("Bearer good", True, 200),
        ("bearer good", True, 200),
        ("Bearer good", False, 401),
        ("Bearer bad", True, 401),
        ("Basic good", True, 401),
        ("Bearer ", True, 401),
        ("", True, 401),
    ],
)
async def test_metrics_are_for_those_who_are_allowed_to_get_them(
    authorization: str, allowed: bool, expected: int
) -> None:
    made = Serving(MetricsAccess(Reviewer(allowed)))
    async with made:
        assert (await made.get("/metrics", Authorization=authorization))[0] == expected
        assert (await made.get("/healthz"))[0] == 200, "probes have no token"


async def test_the_api_server_is_asked_once_a_minute_however_often_a_token_comes() -> None:
    reviewer = Reviewer()
    async with Serving(MetricsAccess(reviewer)) as made:
        await asyncio.gather(*(made.get("/metrics", Authorization=f"Bearer {each}") for each in ("good", "bad") * 50))
    assert sorted(reviewer.asked) == ["subjectaccessreviews", "tokenreviews", "tokenreviews"]


async def test_without_an_answer_of_the_api_server_nobody_reads_the_metrics() -> None:
    async with Serving(MetricsAccess(Reviewer(fails=True))) as made:
        assert (await made.get("/metrics", Authorization="Bearer good"))[0] == 503


async def longest_pause(serving: Serving) -> tuple[float, str]:
    """Return how long one scrape kept the event loop from other work, and its text."""
    pauses: list[float] = []

    async def tick() -> None:
        while True:
            started = time.monotonic()
            await asyncio.sleep(0)
            pauses.append(time.monotonic() - started)

    ticking = asyncio.create_task(tick())
    _, text = await serving.get("/metrics")
    ticking.cancel()
    return max(pauses), text


async def test_ten_thousand_resources_block_the_loop_for_less_than_100_milliseconds(serving: Serving) -> None:
    for number in range(MANY):
        serving.controller.store.put(item(body(number, SHOWN)))
    # The best of five: other processes use the processor as well.
    scrapes = [await longest_pause(serving) for _ in range(5)]
    assert min(pause for pause, _ in scrapes) < 0.1
    series = re.findall(r"^tgi_operator_(?:condition|replicas|scaling_active)\{", scrapes[0][1], re.MULTILINE)
    assert len(series) == 8 * MANY
