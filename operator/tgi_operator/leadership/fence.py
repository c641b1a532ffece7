"""The local check before every write: whether this process may still take itself for the one that works."""

from tgi_operator.leadership.clocks import Clock, Moment, now


class NotLeadingError(Exception):
    """A write was not made: the Lease was not renewed in time, and another operator may be at work."""


class Fence:
    """Open for so many seconds after each renewal of the Lease. Safe to be asked from any thread.

    What counts is when the renewal was sent: others wait for the whole duration of the Lease from the moment they see
    it, which is later. The seconds are less than that duration; the rest is for writes under way.
    """

    def __init__(self, seconds: float, clock: Clock = now) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: Moment | None = None

    def renew(self, sent: Moment) -> None:
        """Take a renewal into account, by the moment before it was sent."""
        self._since = sent

    def close(self) -> None:
        """Let no further write through."""
        self._since = None

    @property
    def remaining(self) -> float:
        """Seconds for which it stays open without another renewal."""
        since = self._since
        return 0.0 if since is None else max(0.0, self._seconds - since.perhaps_until(self._clock()))

    def check(self) -> None:
        """Raise NotLeadingError unless it is open."""
        if not self.remaining:
            raise NotLeadingError("this operator does not lead, or could not renew its Lease in time")
