"""The outcome of one reconciliation. Only the worker uses it, to count failures, to back off and to requeue."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """Nothing to do until the next change. `label` is the outcome in the metrics."""

    label: str


@dataclass(frozen=True)
class After:
    """Reconcile again after this many seconds at the latest, without a failure."""

    label: str
    seconds: float


@dataclass(frozen=True)
class Failed:
    """Try again after this many seconds, or after the queue's own backoff if None."""

    label: str
    seconds: float | None = None


Outcome = Done | After | Failed
