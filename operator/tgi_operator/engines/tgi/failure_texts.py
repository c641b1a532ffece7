"""What the last words of a container of TGI mean, from data/failures.yaml."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from tgi_operator.api.reasons import Reason


@dataclass(frozen=True)
class Failure:
    """Why a container ended, and what to do."""

    reason: Reason
    advice: str


@cache
def _known() -> tuple[tuple[re.Pattern[str], Failure], ...]:
    table = yaml.safe_load(files(__package__).joinpath("data/failures.yaml").read_text())
    return tuple((re.compile(row["text"]), Failure(Reason(row["reason"]), row["advice"])) for row in table)


def recognised(words: str) -> Failure | None:
    """Return what `words`, the end of a container's log, mean; None where they are not known."""
    return next((failure for pattern, failure in _known() if pattern.search(words)), None)
