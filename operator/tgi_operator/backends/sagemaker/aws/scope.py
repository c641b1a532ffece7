"""The scope of AWS calls: the key of clients, rate limits, sweeps, caches and lanes."""

from typing import NamedTuple


class Scope(NamedTuple):
    """An account identity in a region. `identity` is the assumed role. If empty, it is the operator's own identity."""

    identity: str
    region: str

    def __str__(self) -> str:
        """Return the region, and the identity if it is not the operator's own."""
        return f"{self.region} as {self.identity}" if self.identity else self.region
