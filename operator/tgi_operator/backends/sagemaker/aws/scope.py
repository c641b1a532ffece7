"""Where AWS calls go: the key of clients, rate limits, sweeps, caches and lanes."""

from typing import NamedTuple


class Scope(NamedTuple):
    """An account identity in a region. `identity` is the role that is assumed; empty: the operator's own identity."""

    identity: str
    region: str

    def __str__(self) -> str:
        """Return the region, and the identity where it is not the operator's own."""
        return f"{self.region} as {self.identity}" if self.identity else self.region
