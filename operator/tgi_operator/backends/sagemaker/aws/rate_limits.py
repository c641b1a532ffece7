"""A token bucket that namespaces share: how the operator stays a small user of an account's API quota."""

import asyncio

from tgi_operator.fair_queue import FairQueue

_WHOLE = 1 - 1e-6
"""So much is a whole token: a timer may be early by what a float rounds off."""


class TokenBucket:
    """Lets `rate` callers a second pass, and a burst of at most one second's worth (at least one).

    Callers that have to wait pass in turns by namespace; those of one namespace pass in the order they came.
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
        """Return as soon as a token is this caller's."""
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
                # The token was this caller's already.
                self._tokens += 1
            raise

    def drain(self) -> None:
        """Take all tokens away: AWS has just throttled a call."""
        self._fill()
        self._tokens = min(self._tokens, 0.0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._wait()

    def _wait(self) -> None:
        """Have the next caller served when its token is there."""
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
