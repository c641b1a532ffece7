"""The number of clients over time, and their target: the demo's input for Locust. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

VARIABLE = "TGI_SANDBOX_LOAD_PLAN"
"""The environment variable for the file of a plan."""


@dataclass(frozen=True)
class LoadPlan:
    """One load test; `points` are seconds since its start and clients at that time, connected by straight lines."""

    points: Sequence[tuple[float, int]]
    samples: str
    target: str
    host: str = ""
    token_file: str = ""
    certificate_authority: str = ""

    @property
    def duration(self) -> float:
        """The duration in seconds."""
        return self.points[-1][0]

    @property
    def quiet(self) -> float:
        """When its last segment begins."""
        return self.points[-2][0]

    def clients(self, seconds: float) -> int:
        """Return how many clients there are at a time."""
        for (begin, before), (end, after) in pairwise(self.points):
            if seconds < end:
                return round(before + (after - before) * (seconds - begin) / (end - begin))
        return self.points[-1][1]

    def write(self, file: Path) -> None:
        """Write the plan for the load generator."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the plan in a file."""
        return cls(**json.loads(file.read_text()))


@dataclass(frozen=True)
class LoadSample:
    """The load generator's report at a time."""

    in_flight: int = 0
    requests_per_second: float = 0.0
    requests: int = 0
    failures: int = 0

    def line(self) -> str:
        """Return it as a line of the file of samples."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def last(cls, file: Path) -> Self:
        """Return the last sample in a file that is being written; an empty one before the first."""
        text = file.read_text() if file.exists() else ""
        whole = text.rpartition("\n")[0]  # the text after the last line break can be incomplete
        return cls(**json.loads(whole.rpartition("\n")[2])) if whole else cls()
