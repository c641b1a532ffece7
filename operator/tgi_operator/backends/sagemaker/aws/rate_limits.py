"""A token bucket that namespaces share, so that the operator uses only a small part of an account's API quota."""

import asyncio

from tgi_operator.fair_queue import FairQueue

_WHOLE = 1 - 1e-6
"""The amount that is treated as a whole token: a timer may fire early by the rounding error of a float."""


class TokenBucket:
    """Admits `rate` callers per second, and a burst of at most one second's worth (at least one).

    Waiting callers are admitted by namespace in turns. Callers of one namespace are admitted in the order of their
    arrival.
    """

    def __init__(self, rate: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._rate = rate
        self._burst = max(1.0, rate)
        self._tokens = self._burst
        self._filled = self._loop.time()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, namespace: str) -> None:
        """Return as soon as the caller has a token."""
        self._fill()
        if not self._waiting and self._tokens >= _WHOLE:
            self._tokens -= 1
            return
        turn = self._loop.create_future()
        self._waiting.add(namespace, turn)
        self._wait()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The token already belonged to this caller.
                self._tokens += 1
            raise

    def drain(self) -> None:
        """Remove all tokens, because AWS has just throttled a call."""
        self._fill()
        self._tokens = min(self._tokens, 0.0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._wait()

    def _wait(self) -> None:
        """Schedule the admission of the next caller for the time when a token is available."""
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_at(self._filled + (_WHOLE - self._tokens) / self._rate, self._serve)

    def _serve(self) -> None:
        self._timer = None
        self._fill()
        while self._tokens >= _WHOLE and (turn := self._waiting.take()) is not None:
            # A caller that was cancelled meanwhile needs no token.
            if not turn.done():
                turn.set_result(None)
                self._tokens -= 1
        self._wait()

    def _fill(self) -> None:
        now = self._loop.time()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
