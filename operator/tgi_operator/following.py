"""Lists and watches of the operator's own, for objects that kopf cannot watch as needed."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from tgi_operator.backoff import backoff
from tgi_operator.kube import APIError, describe

logger = logging.getLogger(__name__)

Body = Mapping[str, Any]

_GONE = 410
_CALM_SECONDS = 60
"""Seconds after which a failure no longer counts as a repetition of the last one."""

_REMINDER = 16
"""Number of repeated failures between two log entries, which is about 10 minutes."""

_FAILURES = (APIError, aiohttp.ClientError, TimeoutError, ValueError, LookupError)


class Sink(Protocol):
    """Receives the objects."""

    def begin(self) -> None:
        """A list of all objects begins."""

    def seen(self, body: Body) -> None:
        """An object was listed, added or changed."""

    def gone(self, body: Body) -> None:
        """An object is gone."""

    def end(self) -> None:
        """The list is complete. Objects that were known before and are not in it are gone."""


@dataclass(frozen=True)
class Source:
    """The requests for one collection: the pages of a list, and the events of a watch that starts at a version."""

    pages: Callable[[], AsyncIterator[Body]]
    watch: Callable[[str], AsyncGenerator[Body, None]]


@dataclass(frozen=True)
class Follower:
    """Passes the objects of a source to a sink. `failed` is the log message, with `%s` for the error."""

    source: Source
    sink: Sink
    failed: str

    async def run(self) -> None:
        """List and watch until cancelled, and list again whenever a watch cannot continue."""
        failures, clock = 0, asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                version = await self.list()
                while version:
                    version = await self._watch(version)
            except _FAILURES as error:
                failures = 1 if clock() - began > _CALM_SECONDS else failures + 1
                if failures % _REMINDER == 1:
                    logger.warning(self.failed, describe(error))
                await asyncio.sleep(backoff(failures))

    async def list(self) -> str:
        """Pass on all objects. Return the version to watch from."""
        version = ""
        self.sink.begin()
        async for page in self.source.pages():
            version = page["metadata"]["resourceVersion"]
            for each in page["items"]:
                self.sink.seen(each)
        self.sink.end()
        return version

    async def _watch(self, version: str) -> str:
        """Pass on changes until a watch ends. Return the version to continue from, or an empty one if it is too old."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with aclosing(self.source.watch(version)) as events:
                async for event in events:
                    version = self._handled(event)
                    if not version:
                        break
        except TimeoutError:
            # The connection was dead, or the API server did not end the watch in time.
            logger.debug("A watch timed out and continues")
        except APIError as error:
            if error.status != _GONE:
                raise
            version = ""
        # A watch that ends as soon as it begins must not be restarted as fast as the network allows.
        await asyncio.sleep(max(0.0, random.uniform(0.5, 1.5) - (clock() - began)))  # noqa: S311
        return version

    def _handled(self, event: Body) -> str:
        """Pass on an event. Return its version, or an empty one if the watch cannot continue from there."""
        change, body = event["type"], event["object"]
        if change == "ERROR":
            logger.debug("A watch ends: %s", body.get("message"))
            return ""
        if change == "DELETED":
            self.sink.gone(body)
        elif change != "BOOKMARK":
            self.sink.seen(body)
        return str(body["metadata"]["resourceVersion"])
