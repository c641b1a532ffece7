"""The interface between the controller and a backend."""

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
    """How the controller continues after an error.

    `status` is the status to show. None keeps the status that was last written. `after` is the time in seconds until
    the next attempt. None means that the same request would fail again, so only a change starts another attempt.
    """

    status: Status | None
    after: float | None

    def no_later_than(self, seconds: float | None) -> Self:
        """Return the remedy with the next attempt after this time, unless it comes earlier anyway."""
        times = [each for each in (self.after, seconds) if each is not None]
        return replace(self, after=min(times, default=None))


class Backend(Protocol[Situation, Step]):
    """Observes, plans (pure) and applies, one step at a time."""

    def lane(self, fields: Mapping[str, Any]) -> str:
        """Return the lane of a spec as written. A resource that hangs in one lane never delays another lane."""

    async def observe(self, key: Key, resource: Resource) -> Situation | None:
        """Return all inputs to the decision, or None if the backend itself queues the key once it can observe it."""

    def plan(self, situation: Situation) -> Plan[Step]:
        """Return the next steps and the status to show."""

    async def apply(self, situation: Situation, step: Step) -> None:
        """Carry out one step. Every step is safe to repeat."""

    def remedy(self, resource: Resource, situation: Situation | None, error: Exception, failures: int) -> Remedy | None:
        """Return the remedy for `error`, the `failures`th in a row, or None if the error is not the backend's.

        `resource` carries the status to build on. `situation` is None if observing failed.
        """

    def forget(self, key: Key) -> None:
        """Drop the in-memory state of a resource that is gone."""

    async def close(self) -> None:
        """Stop background work."""
