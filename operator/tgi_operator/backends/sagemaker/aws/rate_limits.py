"""A token bucket: how the operator stays a small user of an account's API quota."""

import asyncio


class TokenBucket:
    """Lets `rate` callers a second pass, and a burst of at most one second's worth (at least one)."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._tokens = self._burst
        self._filled = asyncio.get_running_loop().time()

    async def take(self) -> None:
        """Return as soon as a token is this caller's; callers are served in the order they came."""
        self._fill()
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate)

    def drain(self) -> None:
        """Take all tokens away: AWS has just throttled a call."""
        self._fill()
        self._tokens = min(self._tokens, 0.0)

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
