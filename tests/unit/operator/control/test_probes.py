"""The HTTP server: probes, and metrics of thousands of resources that do not block the event loop."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tgi_operator import metrics
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans.verdicts import unreadable
from tgi_operator.control.probes import Server
from tgi_operator.control.store import Store, item
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

    def __init__(self) -> None:
        controller: Any = SimpleNamespace(store=Store(), ready=asyncio.Event(), is_alive=lambda: True)
        standing: Any = SimpleNamespace(leads=True, is_ready=True)
        self.controller, self.standing = controller, standing
        self.server = Server(self.controller, self.standing, "127.0.0.1", 0)
        self.session = aiohttp.ClientSession()

    async def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server._runner.addresses[0][1]}{path}"
        async with self.session.get(url) as response:
            return response.status, await response.text()


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """Yield the server."""
    made = Serving()
    await made.server.start()
    yield made
    await made.session.close()
    await made.server.close()


async def test_readiness_is_the_controllers_for_a_leader_and_the_leases_for_a_standby(serving: Serving) -> None:
    assert await serving.get("/readyz") == (503, "not all resources have been seen yet\n")
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


async def test_series_of_a_resource_are_those_of_its_status(serving: Serving) -> None:
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


async def test_scrapes_at_the_same_time_share_one_rendering(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def render(statuses: metrics.Statuses) -> bytes:
        threads.append(threading.current_thread())
        time.sleep(0.2)
        return b"rendered"

    monkeypatch.setattr(metrics, "exposition", render)
    answers = await asyncio.gather(*(serving.get("/metrics") for _ in range(5)))
    assert answers == [(200, "rendered")] * 5
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    await serving.get("/metrics")
    assert len(threads) == 2, "the next scrape is rendered anew"


async def longest_pause(serving: Serving) -> tuple[float, str]:
    """Return for how long one scrape kept the event loop from other work, and its text."""
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
    # The best of five: other processes take the processor as well.
    scrapes = [await longest_pause(serving) for _ in range(5)]
    assert min(pause for pause, _ in scrapes) < 0.1
    series = re.findall(r"^tgi_operator_(?:condition|replicas|scaling_active)\{", scrapes[0][1], re.MULTILINE)
    assert len(series) == 8 * MANY
