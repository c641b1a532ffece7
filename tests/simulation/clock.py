"""Virtual time: the event loop jumps to its next timer, and AWS's clock is the loop's."""

import asyncio
from datetime import UTC, datetime

import looptime

from tgi_sandbox.aws.clock import Clock

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC).timestamp()
"""Wall clock time at which every simulation begins: a Monday."""


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose time stands still while anything runs, and never waits."""
    # No idle rounds before a jump: nothing here lives outside the loop.
    return looptime.new_event_loop(start=0, noop_cycles=0)


class LoopClock(Clock):
    """The emulator's clock, kept by an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(speed=0)
        self._loop = loop

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return START + self._loop.time()

    def advance(self, seconds: float) -> None:
        """Refuse: only the loop moves time."""
        raise NotImplementedError("run the simulation instead")

    def datetime(self) -> datetime:
        """The same as an aware datetime."""
        return datetime.fromtimestamp(self.now(), UTC)

    def rfc3339(self) -> str:
        """The same as Kubernetes writes it."""
        return self.datetime().strftime("%Y-%m-%dT%H:%M:%SZ")
