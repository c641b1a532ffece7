"""The annotations that script the life of a pod; docs/sandbox.md describes each."""

from enum import StrEnum

PREFIX = "sandbox.tgi-operator.dev/"


class Outcome(StrEnum):
    """The scripted outcome of a pod."""

    OK = "ok"
    CRASH_LOOP = "crash-loop"
    OOM_KILLED = "oom-killed"
    IMAGE_PULL = "image-pull"
    PROBE_FAILURE = "probe-failure"
    JOB_FAILED = "job-failed"


def annotations(
    outcome: Outcome | None = None,
    *,
    start_seconds: float | None = None,
    exit_code: int | None = None,
    message: str | None = None,
    logs: str | None = None,
    life: int | None = None,
) -> dict[str, str]:
    """Return the annotations for the arguments; `life` is the restart count of the outcome, by default any."""
    values = {
        "outcome": outcome,
        "start-seconds": start_seconds,
        "exit-code": exit_code,
        "message": message,
        "logs": logs,
        "life": life,
    }
    return {PREFIX + name: str(value) for name, value in values.items() if value is not None}
