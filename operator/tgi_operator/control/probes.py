"""The operator's HTTP server: /healthz and /readyz for the kubelet, /metrics for Prometheus."""

import asyncio
import logging
from math import inf

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from tgi_operator import metrics
from tgi_operator.control.controller import Controller
from tgi_operator.control.metrics_access import MetricsAccess
from tgi_operator.kube import APIError
from tgi_operator.leadership.standing import Standing

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
RETRIES = 24

CACHE_FACTOR = 10
"""A rendering is reused for this multiple of the time that it took, so that scrapes use a tenth of a CPU."""

MOST_SCRAPES = 8
"""Scrapes answered at the same time; others wait. Each holds a copy of the text until its client has read it."""

_SEND_SECONDS = 10
"""Longest time that a client can take to read a response."""


class Server:
    """Answers probes for `controller`, and for `standing` while another operator is the leader.

    `access` decides who can read the metrics. None allows every client that reaches the port.
    """

    def __init__(
        self, controller: Controller, standing: Standing, address: str, port: int, access: MetricsAccess | None = None
    ) -> None:
        self._access = access
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
        self._rendered, self._rendered_until = b"", -inf
        self._scrapes = asyncio.Semaphore(MOST_SCRAPES)

    async def start(self) -> None:
        """Listen as soon as the port is free: a predecessor may still be shutting down. Probes fail until then."""
        await self._runner.setup()
        if not await self._listen():
            self._retry = asyncio.create_task(self._listen_later())

    async def _listen(self) -> bool:
        try:
            await web.TCPSite(self._runner, self._address, self._port).start()
        except OSError as error:
            logger.warning("Probes and metrics are not available yet: %s (see --http-port)", error)
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
        otherwise = "a background task has crashed, or no reconciliation has finished recently"
        return _answer(ok=self._controller.is_alive(), otherwise=otherwise)

    async def _readyz(self, _: web.Request) -> web.Response:
        if not self._standing.leads:
            # A standby is ready when it can take over.
            return _answer(ok=self._standing.is_ready, otherwise="the Lease cannot be read")
        return _answer(ok=self._controller.ready.is_set(), otherwise="not all resources have been read yet")

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        if self._access is not None:
            refusal = await _refusal(self._access, request.headers.get("Authorization", ""))
            if refusal is not None:
                return refusal
        async with self._scrapes:
            response = web.Response(body=await self._text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _text(self) -> bytes:
        """Return the metrics. Simultaneous scrapes share one rendering, because rendering takes memory and CPU time."""
        if asyncio.get_running_loop().time() < self._rendered_until:
            return self._rendered
        if self._rendering is None:
            self._rendering = asyncio.create_task(self._render())
        return await asyncio.shield(self._rendering)

    async def _render(self) -> bytes:
        clock = asyncio.get_running_loop().time
        statuses, began = [(*item.key, item.status) for item in self._controller.store.items()], clock()
        try:
            self._rendered = await asyncio.to_thread(metrics.exposition, statuses)
            self._rendered_until = clock() + CACHE_FACTOR * (clock() - began)
            return self._rendered
        finally:
            self._rendering = None


async def _refusal(access: MetricsAccess, authorization: str) -> web.Response | None:
    """Return the response to a refused scrape, or None if the scrape is allowed."""
    try:
        allowed = await access.allows(authorization)
    except (APIError, aiohttp.ClientError, TimeoutError) as error:
        logger.warning("The token in a scrape request cannot be checked: %s", error)
        return web.Response(text="the API server cannot check the token\n", status=503)
    return None if allowed else web.Response(text="a bearer token with access to /metrics is required\n", status=401)


def _answer(*, ok: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if ok else f"{otherwise}\n", status=200 if ok else 503)
