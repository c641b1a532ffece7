"""An HTTP proxy that supports only CONNECT: it looks up the destination of an address, and copies bytes both ways."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tgi_sandbox.cluster.ports import LOOPBACK, abstract

_CHUNK_BYTES = 65_536

# Returns the loopback port for a port of an address.
Route = Callable[[str, int], Awaitable[int]]


class UnreachableError(Exception):
    """No server answers at an address; the message has the reason."""


async def listen(socket: str, route: Route) -> asyncio.Server:
    """Start to accept connections on an abstract socket."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A side that disconnects ends the tunnel; that is no error of the proxy.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _serve(reader, writer, route)
        await _close(writer)

    return await asyncio.start_unix_server(accept, abstract(socket))


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, route: Route) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    try:
        port = await route(*_target(head))
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, port)
    except (UnreachableError, OSError) as error:
        # The client sees only the status line.
        reason = " ".join(str(error).split()).encode("latin-1", errors="replace").decode("latin-1")
        writer.write(f"HTTP/1.1 502 {reason}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))
        await writer.drain()
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
    finally:
        await _close(far_writer)


def _target(head: str) -> tuple[str, int]:
    method, _, rest = head.partition(" ")
    host, _, port = rest.partition(" ")[0].rpartition(":")
    if method != "CONNECT" or not port.isdecimal():
        raise UnreachableError("only CONNECT host:port is supported")
    return host.strip("[]"), int(port)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
