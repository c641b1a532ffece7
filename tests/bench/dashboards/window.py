"""The time that a picture shows, and how Grafana cuts it into steps. Pure."""

from dataclasses import dataclass
from math import floor


@dataclass(frozen=True)
class Window:
    """A range of time, in seconds since the epoch, and how many seconds lie between two scrapes.

    A panel has more pixels than such a range has scrapes, so a step is what lies between two of them.
    """

    begin: float
    end: float
    scrape: int

    @property
    def variables(self) -> dict[str, str]:
        """Grafana's own variables."""
        return {
            "__interval": f"{self.scrape}s",
            "__rate_interval": f"{max(2 * self.scrape, 4 * self.scrape)}s",
            "__range": f"{round(self.end - self.begin)}s",
        }

    @property
    def steps(self) -> list[int]:
        """The times that have values: whole multiples of a step, as Grafana asks for them."""
        first, last = (floor(at / self.scrape) for at in (self.begin, self.end))
        return [step * self.scrape for step in range(first, last + 1)]
