"""A small HTTP client for containers: one POST per connection, with the response as it arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httptools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_READ_BYTES: Final = 64 * 1024


class BrokenResponse(Exception):  # noqa: N818 - a fact about the response
    """The container closed the connection before its response was complete."""


class ContainerResponse:
    """A response whose status and headers have arrived."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._reader = reader
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: deque[bytes] = deque()
        self._headers_complete = False
        self._complete = False

    async def read_head(self) -> None:
        """Read until the headers are complete; raises BrokenResponse."""
        while not self._headers_complete:
            await self._feed()
        self.status = self._parser.get_status_code()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield pieces of the body as they arrive; raises BrokenResponse if it ends early."""
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self._complete:
                return
            await self._feed()

    async def body(self) -> bytes:
        """Return the complete body; raises BrokenResponse if it ends early."""
        return b"".join([chunk async for chunk in self.chunks()])

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header from the parser."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Take the end of the headers from the parser."""
        self._headers_complete = True

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body from the parser."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Take the end of the response from the parser."""
        self._complete = True

    async def _feed(self) -> None:
        data = await self._reader.read(_READ_BYTES)
        if not data:
            raise BrokenResponse("the container closed the connection")
        self._parser.feed_data(data)


@asynccontextmanager
async def post(port: int, path: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[ContainerResponse]:
    """POST to a container on the loopback interface; raises OSError or BrokenResponse if it does not answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)
        await writer.drain()
        response = ContainerResponse(reader)
        await response.read_head()
        yield response
    finally:
        writer.close()
