"""The process of this machine that stands in for a container: the TGI simulator, or the operator itself."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tgi_sandbox.cluster.network import environment, operators
from tgi_sandbox.cluster.network.files import PodFiles
from tgi_sandbox.cluster.network.pod import Container, Pod
from tgi_sandbox.cluster.ports import LOOPBACK

_PASSED_ON = ("PATH", "SANDBOX_TOKEN_DELAY")


@dataclass(frozen=True)
class StandIn:
    """A command, its variables, and the path that answers once it is ready."""

    command: list[str]
    environment: dict[str, str]
    ready: str


def port_of(container: Container) -> int | None:
    """Return the port on which a container listens, or none if no process can stand in for it."""
    return operators.port_of(container) if operators.is_operator(container) else environment.port_of(container)


def stand_in(pod: Pod, container: Container, files: PodFiles, port: int) -> StandIn:
    """Return the command that stands in for a container on a loopback port; raises UnreachableError if it cannot."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if operators.is_operator(container):
        command = [str(Path(sys.executable).with_name("tgi-operator")), "run"]
        listen = {"TGI_OPERATOR_HTTP_PORT": str(port), "TGI_OPERATOR_HTTP_ADDRESS": LOOPBACK}
        return StandIn(command, passed_on | files.environment(pod, container) | listen, "/readyz")
    command = [sys.executable, "-m", "tgi_sandbox.tgi", "--port", str(port)]
    found = environment.environment(container, lambda name, key: files.value("secrets", pod, name, key)) or {}
    return StandIn(command, passed_on | found, "/health")
