"""Outages of regions, each independent of the others."""

from __future__ import annotations

from enum import StrEnum


class Outage(StrEnum):
    """How an unavailable region behaves for a caller."""

    HANG = "hang"
    REFUSE = "refuse"
    UNAVAILABLE = "unavailable"


class Outages:
    """The regions that are currently unavailable.

    All regions share one port, and only the request names its region. Hence REFUSE closes the connection of each
    request unanswered, and no operation sees it.
    """

    def __init__(self) -> None:
        self._regions: dict[str, Outage] = {}

    def begin(self, region: str, outage: Outage) -> None:
        """Begin an outage; it replaces the current one of the region."""
        self._regions[region] = outage

    def end(self, region: str) -> None:
        """End the outage of a region, if any."""
        self._regions.pop(region, None)

    def clear(self) -> None:
        """End every outage."""
        self._regions.clear()

    def of(self, region: str) -> Outage | None:
        """Return the outage of a region; None while it is available."""
        return self._regions.get(region)

    def all(self) -> dict[str, Outage]:
        """Return the outages by region."""
        return dict(self._regions)
