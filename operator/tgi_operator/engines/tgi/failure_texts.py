"""The meaning of the last log lines of a TGI container, from data/failures.yaml."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from tgi_operator.api.reasons import Reason


@dataclass(frozen=True)
class Failure:
    """The reason why a container ended, and the fix. If it is `temporary`, a restart can be enough."""

    reason: Reason
    advice: str
    temporary: bool = False


@cache
def _known() -> tuple[tuple[re.Pattern[str], Failure], ...]:
    table = yaml.safe_load(files(__package__).joinpath("data/failures.yaml").read_text())
    return tuple(
        (re.compile(row["text"]), Failure(Reason(row["reason"]), row["advice"], row.get("temporary", False)))
        for row in table
    )


def recognised(words: str) -> Failure | None:
    """Return the meaning of `words`, the end of a container's log, or None if it is not known."""
    return next((failure for pattern, failure in _known() if pattern.search(words)), None)
