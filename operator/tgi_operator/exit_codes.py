"""The exit codes of all commands, in one table."""

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """An exit code. `doc` is its row in docs/cli.md."""

    doc: str

    def __new__(cls, value: int, doc: str = "") -> Self:
        """Return the exit code `value`, documented by `doc`."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member

    SUCCESS = 0, "The command succeeded."
    FAILED = (
        1,
        (
            "The command failed. The error message shows why. `plan`: a resource is rejected or, with `--strict`, has "
            "a warning. `fetch`: the failure might be temporary, so the Job retries."
        ),
    )
    USAGE = 2, "An argument, an option or a setting is invalid. `run`: no Kubernetes cluster is configured."
    LASTING = 3, "`fetch`: the failure will persist until you fix the cause that the error message describes."
    NOT_LEADING = 4, "`run`: the process lost leadership and exited immediately."
    STALLED = 5, "`wait`: the resource is `Stalled`, so a user must change something."
    TIMED_OUT = 6, "`wait`, `retry`: the timeout expired."
    INTERRUPTED = 130, "You pressed Ctrl-C."
    TERMINATED = 143, "`fetch`: SIGTERM ended the process. The next run continues where this one stopped."
