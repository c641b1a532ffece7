"""A relay to the API server that records requests and can be cut: TLS only on the far side."""

import asyncio
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# At the start of a chunk: requests are sent one by one, and no line of a JSON body matches this pattern.
_REQUEST = re.compile(rb"^(GET|POST|PUT|PATCH|DELETE) (/\S+) HTTP/1\.1\r$", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """A request, by the monotonic clock."""

    time: float
    method: str
    path: str


@dataclass
class Relay:
    """Relays plain connections to a TLS `server`, in a thread with a separate event loop. A context manager."""

    server: str
    authority: str
    address: str = ""
    requests: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._context = ssl.create_default_context(cadata=self.authority)
        self._open = asyncio.Event()
        self._open.set()
        self._listener: asyncio.Server | None = None

    def cut(self) -> None:
        """Drop all traffic, as if every packet was lost: connections stay open without an error."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def writes(self, since: float = 0.0) -> list[Seen]:
        """Return the requests since a moment that change anything but the Lease."""
        return [each for each in self.requests if each.time >= since and each.method != "GET" and not _is_lease(each)]

    def reads(self) -> list[Seen]:
        """Return the requests that change nothing, without those for the Lease."""
        return [each for each in self.requests if each.method == "GET" and not _is_lease(each)]

    async def _listen(self) -> str:
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            await self._open.wait()
            parts = urlsplit(self.server)
            far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=self._context)
            writers.append(far_writer)
            there = self._pass_on(reader, far_writer, noted=True)
            back = self._pass_on(far_reader, writer, noted=False)
            await asyncio.gather(there, back, return_exceptions=True)
        finally:
            for each in writers:
                each.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, noted: bool) -> None:
        try:
            while data := await source.read(64 * 1024):
                await self._open.wait()
                if noted:
                    self._note(data)
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()

    def _note(self, data: bytes) -> None:
        now = time.monotonic()
        self.requests += [Seen(now, method.decode(), path.decode()) for method, path in _REQUEST.findall(data)]

    async def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # The loop closes connections in its next rounds.
        await asyncio.sleep(0.1)

    def __enter__(self) -> Self:
        self._thread.start()
        self.address = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def _is_lease(seen: Seen) -> bool:
    return "/leases" in seen.path
