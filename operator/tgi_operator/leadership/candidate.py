"""When the Lease may be taken, and by what it is held: decisions by this machine's clock alone, without IO.

The semantics are those of client-go. The clocks of two machines are never compared: a candidate measures from the
moment at which it saw the Lease change.
"""

from dataclasses import dataclass, replace

from tgi_operator.leadership.clocks import Clock, Moment, now
from tgi_operator.leadership.fence import Fence
from tgi_operator.leadership.lease import Record, micro_time


@dataclass(frozen=True)
class Terms:
    """For how long the Lease is given, how long its holder tries to renew it, and the pause between two tries."""

    lease_duration: int
    renew_deadline: float
    retry_period: float


class Candidate:
    """One process that leads or would like to."""

    def __init__(self, identity: str, terms: Terms, fence: Fence, clock: Clock = now) -> None:
        self._identity = identity
        self._terms = terms
        self._fence = fence
        self._clock = clock
        self._seen: Record | None = None
        self._seen_at: Moment | None = None

    @property
    def rival(self) -> str:
        """Who else holds the Lease, by what was seen last; empty where nobody else does."""
        return "" if self._seen is None or self._seen.holder == self._identity else self._seen.holder

    def see(self, record: Record | None) -> None:
        """Take note of what was just read; None: there is no Lease.

        A Lease that vanished is still its holder's, who does not know of it yet.
        """
        if record is not None and record != self._seen:
            self._seen, self._seen_at = record, self._clock()

    def pause(self) -> float:
        """Return the seconds until the Lease may be taken, unless it changes: 0 where that is now."""
        if self._seen is None or self._seen_at is None or not self.rival:
            return 0.0
        return max(0.0, (self._seen.seconds or self._terms.lease_duration) - self._seen_at.surely_until(self._clock()))

    def claim(self) -> Record:
        """Return what to write in order to hold the Lease from now on."""
        time = micro_time(self._clock().wall)
        old = self._seen or Record("", 0, "", "", 0)
        claimed = replace(old, holder=self._identity, seconds=self._terms.lease_duration, renewed=time)
        if old.holder == self._identity:
            return claimed
        return replace(claimed, acquired=time, transitions=old.transitions + 1 if self._seen else 0)

    def won(self, record: Record, sent: Moment) -> None:
        """Take note that a claim was written, by the moment before it was sent."""
        self._seen, self._seen_at = record, sent
        self._fence.renew(sent)

    def release(self) -> Record:
        """Return what to write in order to let others have the Lease at once, and write nothing else any more."""
        self._fence.close()
        return replace(self.claim(), holder="", seconds=1)
