"""The emulator as a separate process, for tests and tools."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tgi_sandbox.aws.control import Control
from tgi_sandbox.processes import Process

if TYPE_CHECKING:
    from types import TracebackType

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class AwsDouble:
    """Starts the emulator on a free port and stops it; a context manager.

    Options are those of `python -m tgi_sandbox.aws`. The emulator ends with the process that started it.
    """

    def __init__(
        self, *, clock: str = "real", speed: float = 1.0, port: int = 0, durations: dict[str, float] | None = None
    ) -> None:
        self._arguments = ["--port", str(port), "--clock", clock, "--speed", str(speed)]
        for name, seconds in (durations or {}).items():
            self._arguments += ["--duration", f"{name}={seconds}"]
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: Process | None = None
        self.address = ""

    @property
    def control(self) -> Control:
        """The control API."""
        return Control(self.address)

    @property
    def pid(self) -> int | None:
        """The process id, while the process runs."""
        return self._process.pid if self._process else None

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point an AWS SDK at the emulator."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Start it and wait until it answers; raises ProcessError if it does not."""
        self._folder = tempfile.TemporaryDirectory(prefix="tgi-sandbox-aws-")
        log = Path(self._folder.name, "aws.log")
        command = [sys.executable, "-m", "tgi_sandbox.aws", *self._arguments]
        # Its temporary files are deleted with the folder, even if it is killed.
        environment = {**os.environ, "TMPDIR": self._folder.name}
        self._process = Process("the AWS emulator", command, log, environment)
        try:
            self._process.start()
            self._process.wait_ready(lambda: log.read_text().endswith("\n"), _START_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.address = log.read_text().splitlines()[-1]

    def stop(self) -> None:
        """Stop it and all processes that it has started."""
        if self._process:
            self._process.stop(_STOP_SECONDS)
        if self._folder:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
