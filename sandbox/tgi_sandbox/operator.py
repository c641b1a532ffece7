"""The operator as a separate process, started as a user starts it."""

import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tgi_sandbox.cluster.ports import LOOPBACK, answers, free_ports
from tgi_sandbox.processes import Process

_START_SECONDS = 60.0
_STOP_SECONDS = 40.0


class OperatorProcess:
    """`tgi-operator run` against a cluster and an AWS; a context manager.

    `settings` are TGI_OPERATOR_* variables by their names without the prefix, such as sweep_interval.
    """

    def __init__(self, kubeconfig: Path, aws: Mapping[str, str], log: Path, **settings: object) -> None:
        (self.port,) = free_ports(1)
        self.log = log
        values = {"http_port": self.port, "http_address": LOOPBACK, "log_format": "text", **settings}
        variables = {f"TGI_OPERATOR_{name.upper()}": str(value) for name, value in values.items()}
        environment = {**os.environ, **aws, **variables, "KUBECONFIG": str(kubeconfig)}
        command = [str(Path(sys.executable).with_name("tgi-operator")), "run"]
        self.process = Process("the operator", command, log, environment)

    def start(self) -> None:
        """Start it and wait until it watches resources; raises ProcessError if it does not."""
        self.process.start()
        self.process.wait_ready(lambda: answers(self.port, "/readyz"), _START_SECONDS)

    def stop(self) -> None:
        """Stop it as the kubelet does."""
        self.process.stop(_STOP_SECONDS)

    def metrics(self) -> dict[str, float]:
        """Return its metrics by name and labels, in the format of the exposition."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def memory_mib(self) -> float:
        """Return its resident set in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kib) / 1024

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
