"""Scripted outcomes for the changes of endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tgi_sandbox.aws.lifecycle import Outcome


class Change(StrEnum):
    """The calls whose outcome can be scripted."""

    CREATE = "create"
    UPDATE = "update"
    SCALE = "scale"


_NOT_ON_CREATE: Final = frozenset({Outcome.ROLLBACK, Outcome.ROLLBACK_FAILED})


@dataclass
class Script:
    """An outcome for a later change of an endpoint; `times` None has no limit.

    `on` restricts it to one kind of change. `seconds` replaces the duration of the change.
    """

    endpoint: str
    outcome: Outcome
    times: int | None = 1
    on: Change | None = None
    seconds: float | None = None

    def fits(self, endpoint: str, change: Change) -> bool:
        """Whether the script applies to this change."""
        if self.on not in (None, change) or (change is Change.CREATE and self.outcome in _NOT_ON_CREATE):
            return False
        return self.endpoint == "*" or self.endpoint.lower() == endpoint.lower()


class Scripts:
    """The remaining scripts, in the order in which they were added."""

    def __init__(self) -> None:
        self._scripts: list[Script] = []

    def add(self, script: Script) -> None:
        """Add a script to the end of the queue."""
        self._scripts.append(script)

    def clear(self) -> None:
        """Remove every script."""
        self._scripts.clear()

    def pending(self) -> list[Script]:
        """Return the scripts that are not used up."""
        return list(self._scripts)

    def take(self, endpoint: str, change: Change) -> Script | None:
        """Use the first script that applies; None if the change succeeds."""
        script = self.peek(endpoint, change)
        if script is not None and script.times is not None:
            script.times -= 1
            if script.times <= 0:
                self._scripts.remove(script)
        return script

    def peek(self, endpoint: str, change: Change) -> Script | None:
        """Return the script that `take` would use."""
        return next((script for script in self._scripts if script.fits(endpoint, change)), None)
