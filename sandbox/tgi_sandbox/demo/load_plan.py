"""How many clients there are over time, and whom they ask: what the demo tells Locust. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

VARIABLE = "TGI_SANDBOX_LOAD_PLAN"
"""The environment variable that names the file of a plan."""


@dataclass(frozen=True)
class LoadPlan:
    """One load test; `points` are seconds since its start and clients then, with straight lines between them."""

    points: Sequence[tuple[float, int]]
    samples: str
    target: str
    host: str = ""
    token_file: str = ""
    certificate_authority: str = ""

    @property
    def duration(self) -> float:
        """How long it takes, in seconds."""
        return self.points[-1][0]

    @property
    def quiet(self) -> float:
        """When its last stretch begins."""
        return self.points[-2][0]

    def clients(self, seconds: float) -> int:
        """Return how many clients there are at a time."""
        for (begin, before), (end, after) in pairwise(self.points):
            if seconds < end:
                return round(before + (after - before) * (seconds - begin) / (end - begin))
        return self.points[-1][1]

    def write(self, file: Path) -> None:
        """Write it for the load generator."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return what was written."""
        return cls(**json.loads(file.read_text()))


@dataclass(frozen=True)
class LoadSample:
    """What the load generator has to say at a time."""

    in_flight: int = 0
    requests_per_second: float = 0.0
    requests: int = 0
    failures: int = 0

    def line(self) -> str:
        """Return it as a line of the file of samples."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def last(cls, file: Path) -> Self:
        """Return the last sample in a file that is being written; nothing at all before the first."""
        text = file.read_text() if file.exists() else ""
        whole = text.rpartition("\n")[0]  # the line after the last end of a line may be half written
        return cls(**json.loads(whole.rpartition("\n")[2])) if whole else cls()
