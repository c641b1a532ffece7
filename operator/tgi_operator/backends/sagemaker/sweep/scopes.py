"""The common part of the sweeps: records of resources by key, background tasks for each scope in use, and pauses."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.scope import Scope

FIRST_RETRY_SECONDS, RETRY_SECONDS = 5.0, 15.0
"""First and longest pause after a failed sweep. The pause doubles, and the end of an outage has to be noticed soon."""


class Record(Protocol):
    """The knowledge of a sweep about one resource."""

    @property
    def key(self) -> Key:
        """The resource."""


R = TypeVar("R", bound=Record)


@dataclass
class Swept(Generic[R]):
    """A scope and the resources that are followed in it.

    `silent` means that nothing answered the last sweep. The scope is then cut off: no call is made for a resource until
    a sweep is answered. `suspected` is set if a call for a resource was not answered.
    """

    scope: Scope
    followed: dict[Key, R] = field(default_factory=dict)
    silent: bool = False
    suspected: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, interval: float, failed: int) -> None:
        """Wait for the next sweep, after this many failures in a row. A suspicion ends a long interval early."""
        if failed:
            await asyncio.sleep(min(interval, FIRST_RETRY_SECONDS * 2.0 ** min(failed - 1, 16), RETRY_SECONDS))
        else:
            await asyncio.sleep(min(interval, RETRY_SECONDS))
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, interval - RETRY_SECONDS)):
                    await self.suspected.wait()
        self.suspected.clear()


S = TypeVar("S", bound=Swept[Any])


class Sweep(ABC, Generic[R, S]):
    """Sweeps each scope while a resource is followed there."""

    def __init__(self) -> None:
        self._scopes: dict[Scope, S] = {}
        self._scope_of: dict[Key, Scope] = {}
        self._tasks: dict[asyncio.Task[None], S] = {}

    def followed(self, key: Key) -> R | None:
        """Return the record of a resource, or None if it is not followed."""
        scope = self._scope_of.get(key)
        if scope is None:
            return None
        record: R = self._scopes[scope].followed[key]
        return record

    def forget(self, key: Key) -> None:
        """Stop following a resource. A scope without any is no longer swept, and its observations are dropped."""
        scope = self._scope_of.pop(key, None)
        if scope is None:
            return
        swept = self._scopes[scope]
        del swept.followed[key]
        if not swept.followed:
            del self._scopes[scope]
            self._end(scope)
            for task in [task for task, of in self._tasks.items() if of is swept]:
                task.cancel()

    def suspect(self, scope: Scope) -> None:
        """Sweep a scope soon: AWS did not answer a call for one of its resources."""
        swept = self._scopes.get(scope)
        if swept is not None:
            swept.suspected.set()

    async def close(self) -> None:
        """Stop sweeping."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _followed_in(self, scope: Scope, key: Key) -> R | None:
        """Return the record of a resource, or None if it is not followed in this scope."""
        return self.followed(key) if self._scope_of.get(key) == scope else None

    def _follow(self, scope: Scope, record: R) -> R:
        """Follow a resource, in this scope only. Return its record."""
        self.forget(record.key)
        if scope not in self._scopes:
            self._scopes[scope] = self._begin(scope)
            self._start(self._scopes[scope], self._sweep_for_ever(self._scopes[scope]))
        self._scopes[scope].followed[record.key] = record
        self._scope_of[record.key] = scope
        return record

    def _start(self, swept: S, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Return a new task, which runs until it ends or nothing is followed in the scope anymore."""
        task = asyncio.create_task(work, name=f"{type(self).__name__} {swept.scope}")
        self._tasks[task] = swept
        task.add_done_callback(self._tasks.pop)
        return task

    @abstractmethod
    def _begin(self, scope: Scope) -> S:
        """Return the knowledge about a scope before its first sweep."""

    def _end(self, scope: Scope) -> None:
        """Drop the other state of a scope in which nothing is followed anymore."""

    @abstractmethod
    async def _sweep_for_ever(self, swept: S) -> None:
        """Sweep a scope repeatedly."""
