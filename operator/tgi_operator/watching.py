"""Input of the informer: watch events and pages, reduced to the needed parts before they are stored."""

import asyncio
import json
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import aiohttp

from tgi_operator.intake import CHANGES, Object, Reduce, read_event, read_page

if TYPE_CHECKING:
    from aiohttp.connector import Connection

logger = logging.getLogger(__name__)

T = TypeVar("T")
Text = TypeVar("Text", str, bytes)

_SMALL = 64 * 1024
"""Bytes that can be read within a millisecond, which is faster than a switch to a thread."""

Keep = Callable[[Object], bool]
"""Returns whether a reduced object is wanted. It runs in the event loop and can access state that the loop changes."""


async def in_background(read: Callable[[Text], T], text: Text) -> T:
    """Return the result of `read` for a text. It runs in a thread, unless that takes longer than a direct call."""
    return read(text) if len(text) < _SMALL else await asyncio.to_thread(read, text)


async def lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield complete lines. The incomplete last line of a broken connection is dropped."""
    begun: list[bytes] = []
    async for chunk in chunks:
        head, *others = chunk.split(b"\n")
        begun.append(head)
        for other in others:
            line = b"".join(begun)
            begun = [other]
            if line:
                yield line
        # A stream that never waits must not block the event loop.
        await asyncio.sleep(0)


class _Events:
    """The body of a watch with reduced events. All other attributes are those of the stream."""

    def __init__(self, stream: aiohttp.StreamReader, reduce: Reduce, keep: Keep) -> None:
        self._stream = stream
        self._read = partial(read_event, reduce=reduce)
        self._keep = keep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield one event at a time, each as a line."""
        async for line in lines(self._stream.iter_chunked(size)):
            try:
                event = await in_background(self._read, line)
            except (ValueError, LookupError) as error:
                # An unreadable object does not affect the others: the watch continues.
                logger.error("A watch event of %d bytes cannot be read and is skipped: %r", len(line), error)  # noqa: TRY400
                continue
            if event is not None and (event["type"] not in CHANGES or self._keep(event["object"])):
                yield json.dumps(event).encode() + b"\n"


def reduced_responses(reduce: Reduce, keep: Keep) -> type[aiohttp.ClientResponse]:
    """Return a response class for a session whose user reads lists with `json` and watches with `iter_chunked`."""
    one_page = asyncio.Lock()

    class ReducedResponse(aiohttp.ClientResponse):
        """Lists and watches, reduced."""

        async def start(self, connection: "Connection") -> aiohttp.ClientResponse:
            await super().start(connection)
            if self.status < 400 and "watch" in self.url.query:
                self.content = cast("aiohttp.StreamReader", _Events(self.content, reduce, keep))
            return self

        async def json(self, **options: Any) -> Any:
            if self.status >= 400:
                return await super().json(**options)
            # One at a time: pages of many kinds together would not fit into memory.
            async with one_page:
                page = await in_background(partial(read_page, reduce=reduce), await self.text())
            if "items" in page:
                page["items"] = [body for body in page["items"] or () if keep(body)]
            return page

    return ReducedResponse
