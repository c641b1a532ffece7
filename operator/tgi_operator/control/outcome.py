"""What became of one reconciliation: the worker counts, backs off and requeues by it, and nobody else does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """Nothing more to do until something changes. `label` is the outcome in the metrics."""

    label: str


@dataclass(frozen=True)
class After:
    """Look again in so many seconds at the latest, without having failed."""

    label: str
    seconds: float


@dataclass(frozen=True)
class Failed:
    """Try again: in so many seconds, or after the queue's own backoff where that is None."""

    label: str
    seconds: float | None = None


Outcome = Done | After | Failed
