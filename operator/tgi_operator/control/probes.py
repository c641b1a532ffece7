"""The operator's HTTP server: /healthz and /readyz for the kubelet, /metrics for Prometheus."""

import asyncio
import logging

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from tgi_operator import metrics
from tgi_operator.control.controller import Controller
from tgi_operator.leadership.standing import Standing

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
RETRIES = 24


class Server:
    """Answers probes for `controller`, and for `standing` while another operator is the leader."""

    def __init__(self, controller: Controller, standing: Standing, address: str, port: int) -> None:
        self._controller = controller
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
        self._rendering: asyncio.Task[bytes] | None = None

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
        return _answer(ok=self._controller.is_alive(), otherwise="no reconciliation has ended for too long")

    async def _readyz(self, _: web.Request) -> web.Response:
        if not self._standing.leads:
            # A standby is ready when it can take over.
            return _answer(ok=self._standing.is_ready, otherwise="the Lease cannot be read")
        return _answer(ok=self._controller.ready.is_set(), otherwise="not all resources have been seen yet")

    async def _metrics(self, _: web.Request) -> web.Response:
        if self._rendering is None:
            # Scrapes at the same time share one rendering: each takes memory and processor time.
            self._rendering = asyncio.create_task(self._render())
        body = await asyncio.shield(self._rendering)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _render(self) -> bytes:
        statuses = [(*item.key, item.status) for item in self._controller.store.items()]
        try:
            return await asyncio.to_thread(metrics.exposition, statuses)
        finally:
            self._rendering = None


def _answer(*, ok: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if ok else f"{otherwise}\n", status=200 if ok else 503)
