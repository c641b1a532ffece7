"""Whether this process is the one that works: what the rest of the operator asks."""

from typing import Protocol

from tgi_operator import metrics


class Standing(Protocol):
    """Asked before each write, and by the probes."""

    @property
    def leads(self) -> bool:
        """Whether this process has become the one that works; it does not go back."""

    @property
    def is_ready(self) -> bool:
        """Whether this process can take over."""

    def check(self) -> None:
        """Raise NotLeadingError where nothing may be written. Cheap, and safe in any thread."""

    async def win(self) -> None:
        """Return when this process is to work."""

    async def resign(self) -> None:
        """Let others work: all work has ended."""


class Unopposed:
    """Works from the start: there is no other."""

    leads = True
    is_ready = True

    def check(self) -> None:
        """Let every write through."""

    async def win(self) -> None:
        """Lead."""
        metrics.LEADER.set(1)

    async def resign(self) -> None:
        """Nothing is held."""
