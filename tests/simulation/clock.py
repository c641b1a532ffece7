"""Virtual time: the event loop jumps to its next timer, and the clock of AWS is the loop's."""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tgi_sandbox.aws.clock import Clock

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC).timestamp()
"""Wall clock time at the start of every simulation: a Monday."""

_ROUND_SECONDS = 1e-9
"""The duration of a round of the loop: timers whose delay rounds to zero would stop time."""


class _Selector(selectors.BaseSelector):
    """Instead of waiting for files, advances time by the duration of the wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self._files = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return no file immediately. Raises RuntimeError if no event would ever happen."""
        if timeout is None:
            raise RuntimeError("the loop has nothing left to wait for")
        self.now += max(timeout, _ROUND_SECONDS)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Register the pipe of the loop itself."""
        return self._files.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Unregister it again."""
        return self._files.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return the registered files."""
        return self._files.get_map()

    def close(self) -> None:
        """Close it."""
        self._files.close()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while code runs, and that never waits.

    Unlike looptime's, time does not pass while a thread computes, and no round polls files: half as fast again.
    """

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Return the result of a function that another thread would compute: here, it takes no time."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
            future.set_exception(error)
        return future


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that jumps to its next timer."""
    return _Loop()


class LoopClock(Clock):
    """The emulator's clock, driven by an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(speed=0)
        self._loop = loop

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return START + self._loop.time()

    def advance(self, seconds: float) -> None:
        """Refuse: only the loop advances time."""
        raise NotImplementedError("run the simulation instead")

    def datetime(self) -> datetime:
        """The same time as an aware datetime."""
        return datetime.fromtimestamp(self.now(), UTC)

    def rfc3339(self) -> str:
        """The same time in the format of Kubernetes."""
        return self.datetime().strftime("%Y-%m-%dT%H:%M:%SZ")
