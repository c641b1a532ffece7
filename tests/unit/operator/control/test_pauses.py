"""The event loop renews the Lease: no input of a tenant keeps it busy for long."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from tgi_operator.api.identifiers import API_VERSION, FINALIZER, KIND
from tgi_operator.backends.incluster.backend import InClusterBackend
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.backend import SageMakerBackend
from tgi_operator.control import store
from tgi_operator.control.controller import Controller
from tgi_operator.intake import LARGEST_SPEC, Object, Reduce, read_event
from tgi_operator.settings import Settings
from tgi_operator.watching import in_background
from unit.operator.control.given import KEY, SPEC, ApiServer

LONGEST_PAUSE = 0.1
LONGEST_PAUSE_OF_SCHEDULES = 0.02
LARGE = Key("ml", "large")


class Cluster(ApiServer):
    """An API server for TGIEndpoints and their children."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: dict[str, Object] = {}

    async def get(self, path: str) -> Object | None:
        return self.applied.get(path)

    async def secret(self, namespace: str, name: str) -> None:
        return None

    async def labels(self, path: str) -> dict[str, str] | None:
        return None

    async def items(self, path: str, **selectors: str) -> list[Object]:
        return []

    async def reduced(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        for body in await self.items(path):
            yield body

    async def pages(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        yield {"metadata": {"resourceVersion": "1"}, "items": await self.items(path)}

    async def watch(self, path: str, version: str, reduce: Reduce, **selectors: str) -> AsyncGenerator[Object, None]:
        await asyncio.Event().wait()
        yield {}

    async def apply(self, path: str, manifest: Object, manager: str) -> Object:
        metadata = {"uid": path, "generation": 1, "resourceVersion": "1"}
        self.applied[path] = {**manifest, "metadata": manifest["metadata"] | metadata, "status": {}}
        return self.applied[path]

    async def delete(self, path: str, uid: str) -> None:
        del self.applied[path]

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        return ""


def with_texts() -> Object:
    """Return a pod template with nearly all the characters that a spec can have, in two long texts."""
    return {"metadata": {"annotations": {f"team.example/{number}": "<" * 8_000 for number in range(2)}}}


def with_items() -> Object:
    """Return a pod template with hundreds of small items, as many as the lists can have."""
    variables = [{"name": f"V{number}", "value": "x"} for number in range(40)]
    sidecars = [{"name": f"s{number}", "image": "a", "env": variables} for number in range(4)]
    expressions = [{"key": "a", "operator": "In", "values": ["b"] * 16}] * 8
    terms = [{"weight": 1, "preference": {"matchExpressions": expressions}}] * 4
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
    return {"spec": {"containers": sidecars, "affinity": affinity}}


async def longest_pause(until: asyncio.Event) -> float:
    """Return the most processor time that this thread took between two turns of this task."""
    longest, before = 0.0, time.thread_time()
    while not until.is_set():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


@pytest.fixture(autouse=True)
def own_garbage() -> Iterator[None]:
    """Exclude the garbage of other tests: it is not caused by the operator."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("template", [with_texts(), with_items()], ids=["of texts", "of items"])
async def test_largest_spec_is_taken_in_and_reconciled_beside_the_loop(template: Any) -> None:
    server, over = Cluster(), asyncio.Event()
    backend = InClusterBackend(server, Settings(), lambda _: None, lambda _: True)
    controller = Controller(Settings(), server, "blue", {"inCluster": backend}, backend)
    await controller.start()
    body = server.put(
        LARGE,
        spec={"model": {"uri": "hf://a/b"}, "inCluster": {"podTemplate": template}},
        meta={"finalizers": [FINALIZER]},
    )
    event = {"type": "ADDED", "object": {"apiVersion": API_VERSION, "kind": KIND, **body}}
    line = json.dumps(event, separators=(",", ":")).encode()
    assert len(line) < LARGEST_SPEC
    measuring = asyncio.create_task(longest_pause(over))
    for _ in range(3):
        read = await in_background(lambda text: read_event(text, store.reduced), line)
        assert read is not None
        # kopf reads the reduced object again, in the loop.
        again = json.loads(json.dumps(read["object"]))
        again["metadata"]["resourceVersion"] = str(int(server.objects[LARGE]["metadata"]["resourceVersion"]) + 1)
        again["metadata"]["generation"] += 1
        controller.seen(again)
        await asyncio.sleep(1)
    over.set()
    pause = await measuring
    assert "deployments" in " ".join(server.applied), "it was reconciled"
    assert pause <= LONGEST_PAUSE
    await controller.close()


class Amazon:
    """AWS without endpoints, where every creation fails; `tried` is set by the first attempt."""

    def __init__(self) -> None:
        self.tried = asyncio.Event()

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "ListEndpoints":
            return {"Endpoints": []}
        if operation == "CreateModel":
            self.tried.set()
        raise AWSError(
            Meaning.ENDPOINT_NOT_FOUND if operation == "DescribeEndpoint" else Meaning.REJECTED, operation, "", ""
        )

    def drop(self, scope: Scope) -> None:
        """Keep nothing."""

    async def close(self) -> None:
        """Have nothing in progress."""


def with_schedules() -> Object:
    """Return a spec with as many schedules as there can be, whose last and next times are years away."""
    schedule = {"start": "0 0 29 2 *", "end": "0 12 29 2 *", "minReplicas": 2}
    schedules = [{"name": f"s-{number}", **schedule} for number in range(20)]
    return {**SPEC, "autoscaling": {"maxReplicas": 4, "schedules": schedules}}


async def pause_of_schedules() -> float:
    """Return the longest pause while a resource on SageMaker with schedules is reconciled."""
    server, amazon, over = Cluster(), Amazon(), asyncio.Event()

    def changed(key: Key) -> None:
        controller.changed(key)

    backend = SageMakerBackend(amazon, Settings(), server, changed)
    controller = Controller(Settings(), server, "blue", {"sageMaker": backend}, None)
    await controller.start()
    body = server.put(KEY, spec=with_schedules(), meta={"finalizers": [FINALIZER]})
    measuring = asyncio.create_task(longest_pause(over))
    controller.seen(body)
    await asyncio.wait_for(amazon.tried.wait(), 20)
    over.set()
    pause = await measuring
    await controller.close()
    return pause


async def test_schedules_are_computed_beside_the_loop() -> None:
    # The first observation loads tables and clients.
    pauses = [await pause_of_schedules() for _ in range(3)]
    assert min(pauses) <= LONGEST_PAUSE_OF_SCHEDULES
