"""Whether this process is the leader: the interface for the rest of the operator."""

from typing import Protocol

from tgi_operator import metrics


class Standing(Protocol):
    """Checked before each write, and by the probes."""

    @property
    def leads(self) -> bool:
        """Whether this process has become the leader. It stays the leader until it ends."""

    @property
    def is_ready(self) -> bool:
        """Whether this process can take over."""

    def check(self) -> None:
        """Raise NotLeadingError if no write is allowed. Cheap, and safe in any thread."""

    async def win(self) -> None:
        """Return when this process is the leader."""

    async def resign(self) -> None:
        """Let another process become the leader, because all work has ended."""


class Unopposed:
    """The leader from the start, because there is no other process."""

    leads = True
    is_ready = True

    def check(self) -> None:
        """Allow every write."""

    async def win(self) -> None:
        """Become the leader."""
        metrics.LEADER.set(1)

    async def resign(self) -> None:
        """Do nothing, because there is nothing to release."""
