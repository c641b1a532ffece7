"""A plan: the next steps as data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, Self, TypeVar

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status

S = TypeVar("S")
Situation = TypeVar("Situation")


@dataclass(frozen=True)
class Note:
    """The Event for steps that no condition shows."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Plan(Generic[S]):
    """The next steps, as data.

    `status` is the status to show. With `ahead`, it is written before the steps, because after a crash a successor must
    know that they were started. Otherwise it is written after them. `done` replaces it once all steps have succeeded.
    `collection` are steps that only remove unused objects. They come last, and their failure is reported but does not
    stop other steps. Once they have succeeded, `clean` replaces the status, and `collected` is their Event. `after` is
    the time in seconds until the next observation at the latest. None means that only a change starts it. `finished`
    means that nothing of a deleted resource is left.
    """

    status: Status
    steps: tuple[S, ...] = ()
    collection: tuple[S, ...] = ()
    collected: Note | None = None
    ahead: bool = False
    done: Status | None = None
    clean: Status | None = None
    after: float | None = None
    notes: tuple[Note, ...] = ()
    finished: bool = False

    @property
    def reached(self) -> Status:
        """The status once all steps have succeeded."""
        return self.done or self.status

    def reaching(self, change: Callable[[Status], Status]) -> Self:
        """Return the plan with `change` applied to every status that is written after its steps."""
        clean = change(self.clean) if self.clean is not None else None
        return replace(self, done=change(self.reached), clean=clean)

    def sooner(self, seconds: float) -> Self:
        """Return the plan with the next observation after this time, unless it comes earlier anyway."""
        return replace(self, after=seconds if self.after is None else min(self.after, seconds))


class Need(StrEnum):
    """Inputs that a rule may lack. The backend reads them, and the decision is made again."""

    ENDPOINT = "Endpoint"
    TAGS = "Tags"
    LIVE_CONFIG = "LiveConfig"
    LIVE_MODEL = "LiveModel"
    SCALING = "Scaling"
    ROOM = "Room"
    LAST_GOOD = "LastGood"
    PROGRESS = "Progress"
    WARNING = "Warning"
    CLAIMS = "Claims"


@dataclass(frozen=True)
class Ask:
    """A rule cannot decide without these inputs."""

    needs: frozenset[Need]


Rule = Callable[[Situation], Plan[S] | Ask | None]


def first(rules: Iterable[Rule[Situation, S]], situation: Situation) -> Plan[S] | Ask:
    """Return the result of the first rule that applies. Raises LookupError if none applies."""
    for rule in rules:
        answer = rule(situation)
        if answer is not None:
            return answer
    raise LookupError("no rule has an answer")
