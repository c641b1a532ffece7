"""What the engine asks of a backend."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from tgi_operator.api.status import Status
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.resource import Resource

Seen = TypeVar("Seen")
Step = TypeVar("Step")


@dataclass(frozen=True)
class Retry:
    """How to go on after an error: the status to show, and the seconds until the next try (None: not by itself)."""

    status: Status
    after: float | None


class Backend(Protocol[Seen, Step]):
    """Looks, plans (pure) and acts, one step at a time."""

    async def look(self, key: Key, resource: Resource) -> Seen | None:
        """Return what there is, None where nothing changed since the status was written."""

    def plan(self, seen: Seen) -> Plan[Step]:
        """Return what to do next and what to show."""

    async def apply(self, seen: Seen, step: Step) -> None:
        """Carry out one step; may be repeated."""

    def explain(self, resource: Resource, seen: Seen | None, error: Exception, failures: int) -> Retry | None:
        """Return how to go on after `error`, the `failures`th in a row; None where the error is not the backend's.

        `resource` has the status as it was written last; `seen` is None where looking itself failed.
        """

    def forget(self, key: Key, resource: Resource) -> None:
        """Drop what is held in memory of a resource that is gone."""

    async def close(self) -> None:
        """Stop background work."""
