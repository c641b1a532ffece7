"""Faults of the network and of the AWS front end, drawn for each call before the operation runs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """The effect of a fault on a call."""

    THROTTLE = "throttle"
    DENY = "deny"
    ERROR = "error"
    CUT_BEFORE_EFFECT = "cut_before_effect"
    CUT_AFTER_EFFECT = "cut_after_effect"
    LATENCY = "latency"


@dataclass
class Fault:
    """A fault waiting for calls.

    `operation` and `name` (of the endpoint, configuration or model) may be `*`; `times` None has no limit;
    `seconds` is for latency, `code` and `message` for error.
    """

    kind: FaultKind
    operation: str = "*"
    name: str = "*"
    probability: float = 1.0
    times: int | None = None
    seconds: float = 0.0
    code: str = "InternalFailure"
    message: str = ""
    status: int = 400

    def fits(self, operation: str, name: str) -> bool:
        """Whether the fault applies to the call."""
        return self.operation in ("*", operation) and (self.name == "*" or self.name.lower() == name.lower())


@dataclass(frozen=True)
class Drawn:
    """The faults that apply to one call, and the real seconds that it has to wait."""

    hits: tuple[Fault, ...]

    @property
    def latency(self) -> float:
        """Real seconds to wait before the operation."""
        return sum(fault.seconds for fault in self.hits)

    def has(self, kind: FaultKind) -> bool:
        """Whether a fault of the kind applies."""
        return any(fault.kind is kind for fault in self.hits)


NO_FAULTS = Drawn(())


class Faults:
    """The remaining faults; the same seed and the same calls draw the same faults."""

    def __init__(self, seed: int = 0) -> None:
        self._faults: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret

    def seed(self, seed: int) -> None:
        """Restart the sequence of random numbers."""
        self._random.seed(seed)

    def add(self, fault: Fault) -> None:
        """Add a fault to the end of the queue."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Remove every fault."""
        self._faults.clear()

    def pending(self) -> list[Fault]:
        """Return the faults that are not used up."""
        return list(self._faults)

    def draw(self, operation: str, name: str) -> Drawn:
        """Return the faults that apply to this call."""
        if not self._faults:
            return NO_FAULTS
        return Drawn(tuple(fault for fault in list(self._faults) if self._hits(fault, operation, name)))

    def _hits(self, fault: Fault, operation: str, name: str) -> bool:
        if not fault.fits(operation, name):
            return False
        if fault.probability < 1.0 and self._random.random() >= fault.probability:
            return False
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._faults.remove(fault)
        return True
