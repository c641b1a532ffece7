"""When the Lease can be taken, and the content with which it is held: decisions by the local clock alone, without IO.

The semantics are those of client-go. The clocks of two machines are never compared: a candidate measures from the
moment at which it saw the Lease change.
"""

from dataclasses import dataclass, replace

from tgi_operator.leadership.clocks import Clock, Moment, now
from tgi_operator.leadership.fence import Fence
from tgi_operator.leadership.lease import Record, micro_time


@dataclass(frozen=True)
class Terms:
    """The duration of the Lease, the time in which its holder tries to renew it, and the pause between two attempts."""

    lease_duration: int
    renew_deadline: float
    retry_period: float


class Candidate:
    """One process that is the leader or wants to be."""

    def __init__(self, identity: str, terms: Terms, fence: Fence, clock: Clock = now) -> None:
        self._identity = identity
        self._terms = terms
        self._fence = fence
        self._clock = clock
        self._seen: Record | None = None
        self._seen_at: Moment | None = None

    @property
    def rival(self) -> str:
        """The other holder of the Lease, as last seen, or an empty string if there is none."""
        return "" if self._seen is None or self._seen.holder == self._identity else self._seen.holder

    def see(self, record: Record | None) -> None:
        """Record the Lease that was just read. None means that it does not exist.

        A deleted Lease still belongs to its holder, who does not know about the deletion yet.
        """
        if record is not None and record != self._seen:
            self._seen, self._seen_at = record, self._clock()

    def pause(self) -> float:
        """Return the seconds until the Lease can be taken, unless it changes, or 0 if it can be taken now."""
        if self._seen is None or self._seen_at is None or not self.rival:
            return 0.0
        return max(0.0, (self._seen.seconds or self._terms.lease_duration) - self._seen_at.surely_until(self._clock()))

    def claim(self) -> Record:
        """Return the content to write in order to hold the Lease from now on."""
        time = micro_time(self._clock().wall)
        old = self._seen or Record("", 0, "", "", 0)
        claimed = replace(old, holder=self._identity, seconds=self._terms.lease_duration, renewed=time)
        if old.holder == self._identity:
            return claimed
        return replace(claimed, acquired=time, transitions=old.transitions + 1 if self._seen else 0)

    def won(self, record: Record, sent: Moment) -> None:
        """Record that the Lease was written, by the moment before the request was sent."""
        self._seen, self._seen_at = record, sent
        self._fence.renew(sent)

    def release(self) -> Record:
        """Return the content that immediately releases the Lease to others. Nothing else may be written afterwards."""
        self._fence.close()
        return replace(self.claim(), holder="", seconds=1)
