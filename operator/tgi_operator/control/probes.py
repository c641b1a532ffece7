"""The operator's HTTP server: /healthz and /readyz for the kubelet, /metrics for Prometheus."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from tgi_operator import metrics
from tgi_operator.api.status import ConditionStatus, ConditionType
from tgi_operator.control.controller import Engine
from tgi_operator.control.store import Item
from tgi_operator.leadership.standing import Standing

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
RETRIES = 24


class Server:
    """Answers probes with the truth about `engine`, and about `standing` as long as another operator works."""

    def __init__(self, engine: Engine, standing: Standing, address: str, port: int) -> None:
        self._engine = engine
        self._standing = standing
        self._address = address
        self._port = port
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)
        self._retry: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, as soon as the port is free: a predecessor may still be ending. Probes fail until then."""
        await self._runner.setup()
        if not await self._listen():
            self._retry = asyncio.create_task(self._listen_later())

    async def _listen(self) -> bool:
        try:
            await web.TCPSite(self._runner, self._address, self._port).start()
        except OSError as error:
            logger.warning("No probes and no metrics yet: %s (see --http-port)", error)
            return False
        return True

    async def _listen_later(self) -> None:
        for _ in range(RETRIES):
            await asyncio.sleep(RETRY_SECONDS)
            if await self._listen():
                return

    async def close(self) -> None:
        """Stop listening."""
        if self._retry is not None:
            self._retry.cancel()
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(ok=self._engine.is_alive(), otherwise="no reconciliation has ended for too long")

    async def _readyz(self, _: web.Request) -> web.Response:
        if not self._standing.leads:
            # Able to take over is all that a stand-by can be.
            return _answer(ok=self._standing.is_ready, otherwise="the Lease cannot be read")
        return _answer(ok=self._engine.ready.is_set(), otherwise="the first listing is not done")

    async def _metrics(self, _: web.Request) -> web.Response:
        metrics.ENDPOINTS.clear()
        metrics.CONDITION.clear()
        metrics.REPLICAS.clear()
        metrics.SCALING_ACTIVE.clear()
        items = tuple(self._engine.store.items())
        for reason, count in Counter(map(_reason, items)).items():
            metrics.ENDPOINTS.labels(reason).set(count)
        for item in items:
            _tell_conditions(item)
            _tell_scaling(item)
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _reason(item: Item) -> str:
    return str(_condition(item, ConditionType.READY).get("reason", "New"))


def _tell_conditions(item: Item) -> None:
    for each in item.status.get("conditions", ()):
        if each["type"] != ConditionType.SCALING_ACTIVE:
            metrics.CONDITION.labels(*item.key, each["type"], each["reason"]).set(_truth(each))


def _tell_scaling(item: Item) -> None:
    status, scaling = item.status, item.status.get("scaling") or {}
    counts = {
        "desired": status.get("desiredReplicas"),
        "current": status.get("replicas"),
        "ready": status.get("readyReplicas"),
        "min": scaling.get("minReplicas"),
        "max": scaling.get("maxReplicas"),
    }
    for kind, count in counts.items():
        if count is not None:
            metrics.REPLICAS.labels(*item.key, kind).set(count)
    active = _condition(item, ConditionType.SCALING_ACTIVE)
    if active:
        metrics.SCALING_ACTIVE.labels(*item.key, active["reason"]).set(_truth(active))


def _truth(condition: Mapping[str, Any]) -> int:
    return 1 if condition["status"] == ConditionStatus.TRUE else 0


def _condition(item: Item, kind: ConditionType) -> Mapping[str, Any]:
    return next((each for each in item.status.get("conditions", ()) if each["type"] == kind), {})


def _answer(*, ok: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if ok else f"{otherwise}\n", status=200 if ok else 503)
