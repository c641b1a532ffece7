"""What the controller asks of a backend."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeVar

from tgi_operator.api.status import Status
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.resource import Resource

Situation = TypeVar("Situation")
Step = TypeVar("Step")


@dataclass(frozen=True)
class Remedy:
    """How to go on after an error.

    `status` is what to show; None leaves the status as it was written last. `after` is the time in seconds until the
    next attempt; None: the same request would fail again, so only a change starts another attempt.
    """

    status: Status | None
    after: float | None

    def no_later_than(self, seconds: float | None) -> Self:
        """Return the remedy with the next attempt in this time, unless it comes earlier anyway."""
        times = [each for each in (self.after, seconds) if each is not None]
        return replace(self, after=min(times, default=None))


class Backend(Protocol[Situation, Step]):
    """Observes, plans (pure) and applies, one step at a time."""

    def lane(self, fields: Mapping[str, Any]) -> str:
        """Return the lane of a spec as written: what hangs in one lane never delays another."""

    async def observe(self, key: Key, resource: Resource) -> Situation | None:
        """Return all that the decision needs; None where the backend itself queues the key once it can tell."""

    def plan(self, situation: Situation) -> Plan[Step]:
        """Return what to do next and what to show."""

    async def apply(self, situation: Situation, step: Step) -> None:
        """Carry out one step. Every step is safe to repeat."""

    def remedy(self, resource: Resource, situation: Situation | None, error: Exception, failures: int) -> Remedy | None:
        """Return how to go on after `error`, the `failures`th in a row; None where the error is not the backend's.

        `resource` carries the status to build on; `situation` is None where observing failed.
        """

    def forget(self, key: Key) -> None:
        """Drop what is held in memory of a resource that is gone."""

    async def close(self) -> None:
        """Stop background work."""
