"""The annotations by which a pod chooses its fate; docs/sandbox.md says what each does."""

from enum import StrEnum

PREFIX = "sandbox.tgi-operator.dev/"


class Outcome(StrEnum):
    """What becomes of a pod."""

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
    """Return the annotations of what is given; `life` is the restart count that the outcome is about, else any."""
    values = {
        "outcome": outcome,
        "start-seconds": start_seconds,
        "exit-code": exit_code,
        "message": message,
        "logs": logs,
        "life": life,
    }
    return {PREFIX + name: str(value) for name, value in values.items() if value is not None}
