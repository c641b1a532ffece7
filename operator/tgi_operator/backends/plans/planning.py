"""A plan: what to do next, as data."""

from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status

S = TypeVar("S")


@dataclass(frozen=True)
class Note:
    """What an Event is to say of steps that no condition shows."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Plan(Generic[S]):
    """What to do next, as data.

    `status` is shown. With `ahead` it is written before the steps, because after a crash it must be known that they
    were begun; otherwise after them. `done` replaces it once all steps have succeeded. `after` is the time in seconds
    until the next look at the latest, None: when something changes. `finished`: nothing of what was deleted is left.
    """

    status: Status
    steps: tuple[S, ...] = ()
    ahead: bool = False
    done: Status | None = None
    after: float | None = None
    notes: tuple[Note, ...] = ()
    finished: bool = False

    @property
    def is_upkeep(self) -> bool:
        """Whether the steps only tidy up: the status is true whether or not they succeed."""
        return bool(self.steps) and not self.ahead and not self.finished

    def sooner(self, seconds: float) -> Self:
        """Return the plan with the next look in this time, unless it is to be earlier anyway."""
        return replace(self, after=seconds if self.after is None else min(self.after, seconds))
