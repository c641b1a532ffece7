"""The environment of the demos: a cluster, an AWS emulator and the operator, with kubectl commands shown as typed."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build, components
from tgi_sandbox.cluster.definitions import wait_established
from tgi_sandbox.operator import OperatorProcess

REPOSITORY = Path(__file__).parents[3]
CRD = REPOSITORY / "crds" / "tgiendpoints.yaml"

_RETRY_SECONDS = 20.0


class DemoError(RuntimeError):
    """A demo could not finish; the text has the step where it stopped."""


@dataclass(frozen=True)
class Stage:
    """A running cluster and AWS emulator, with the operator between them."""

    console: Console
    plane: ControlPlane
    aws: AwsDouble
    program: Path

    def kubectl(self, *arguments: str) -> None:
        """Show a kubectl command, and run it."""
        shown = " ".join(arguments).replace(f"{REPOSITORY}/", "")
        self.console.print(f"\n[bold]$ kubectl {shown}[/bold]", highlight=False, soft_wrap=True)
        command = [str(self.program), "--kubeconfig", str(self.plane.kubeconfig), *arguments]
        subprocess.run(command, check=True)  # noqa: S603 - our own command

    def apply(self, manifest: Path) -> None:
        """Apply a TGIEndpoint; the storage of a new CRD takes a moment to be available."""
        _retry(lambda: self.kubectl("apply", "-f", str(manifest)))

    def read(self, name: str, namespace: str = "default") -> dict[str, Any]:
        """Return a TGIEndpoint."""
        path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints/{name}"
        return self.plane.api.request("GET", path)


@contextmanager
def staged(
    folder: Path, nodes: Sequence[str], aws_speed: float, parts: Sequence[str] = components.ALL, **settings: object
) -> Iterator[Stage]:
    """Yield a stage with its files in `folder`; all processes that it starts end with it.

    `parts` are the cluster's components, `settings` those of the operator.
    """
    console = Console()
    programs = build.ensure({"kubectl", *parts})
    console.print("Starting a Kubernetes control plane and an AWS emulator …")
    with ControlPlane(folder / "cluster", parts, nodes) as plane, AwsDouble(speed=aws_speed) as aws:
        stage = Stage(console, plane, aws, programs["kubectl"])
        stage.kubectl("apply", "-f", str(CRD))
        wait_established(plane.api, "tgiendpoints.tgi-operator.dev")
        console.print("Starting the operator: tgi-operator run")
        with OperatorProcess(plane.kubeconfig, aws.environment, folder / "operator.log", **settings):
            yield stage


def _retry(act: Callable[[], None]) -> None:
    deadline = time.monotonic() + _RETRY_SECONDS
    while True:
        try:
            act()
        except subprocess.CalledProcessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return
