"""Regions that do not work, each for itself."""

from __future__ import annotations

from enum import StrEnum


class Outage(StrEnum):
    """What a caller sees of a region that does not work."""

    HANG = "hang"
    REFUSE = "refuse"
    UNAVAILABLE = "unavailable"


class Outages:
    """The regions that do not work at the moment.

    All regions share one port, and only a request says which one it is for. Hence REFUSE closes the connection of each
    request unanswered, and no operation sees it.
    """

    def __init__(self) -> None:
        self._regions: dict[str, Outage] = {}

    def begin(self, region: str, outage: Outage) -> None:
        """Begin an outage; it replaces the one that the region has."""
        self._regions[region] = outage

    def end(self, region: str) -> None:
        """End the outage of a region, if it has one."""
        self._regions.pop(region, None)

    def clear(self) -> None:
        """End every outage."""
        self._regions.clear()

    def of(self, region: str) -> Outage | None:
        """Return the outage of a region; None while it works."""
        return self._regions.get(region)

    def all(self) -> dict[str, Outage]:
        """Return the outages by region."""
        return dict(self._regions)
