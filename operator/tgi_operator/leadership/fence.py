"""The local check before every write: whether this process can still consider itself the leader."""

from tgi_operator.leadership.clocks import Clock, Moment, now


class NotLeadingError(Exception):
    """A write was not made: the Lease was not renewed in time, and another operator may be the leader."""


class Fence:
    """Open for this many seconds after each renewal of the Lease. Safe in any thread.

    The time starts when the renewal is sent. Other candidates see the renewal later, and wait for the whole duration of
    the Lease from then on. The fence stays open for less than that duration. The rest is for writes in progress.
    """

    def __init__(self, seconds: float, clock: Clock = now) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: Moment | None = None

    def renew(self, sent: Moment) -> None:
        """Record a renewal, by the moment before it was sent."""
        self._since = sent

    def close(self) -> None:
        """Allow no further write."""
        self._since = None

    @property
    def remaining(self) -> float:
        """Seconds for which the fence stays open without another renewal."""
        since = self._since
        return 0.0 if since is None else max(0.0, self._seconds - since.perhaps_until(self._clock()))

    def check(self) -> None:
        """Raise NotLeadingError unless the fence is open."""
        if not self.remaining:
            raise NotLeadingError("this process is not the leader, or could not renew its Lease in time")
