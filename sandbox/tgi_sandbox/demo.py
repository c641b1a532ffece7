"""The demo: a cluster, an AWS and the operator come up, a resource becomes an endpoint, and the endpoint answers."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build
from tgi_sandbox.operator import OperatorProcess

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "manifests" / "examples"
BACKENDS = {"sagemaker": EXAMPLES / "tgiendpoint.yaml", "incluster": EXAMPLES / "in-cluster.yaml"}
"""The example by backend."""

NODES = ("m5.xlarge", "g6.xlarge", "g6.xlarge")
CRD = REPOSITORY / "crds" / "tgiendpoints.yaml"
QUESTION = "What is deep learning?"

AWS_SPEED = 24
"""The double's four minutes of creating an endpoint take ten seconds."""

_DEADLINE_SECONDS = 180.0
_POLL_SECONDS = 0.25
_REFRESHES_PER_SECOND = 4


class DemoError(RuntimeError):
    """The demo did not get to its end; the text says where it stopped."""


@dataclass
class Progress:
    """What was seen of the resource so far: a row for each change of what its conditions say."""

    rows: list[tuple[float, str, str, str]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, resource: Mapping[str, Any]) -> bool:
        """Take note of the resource as it is now; return whether that is news."""
        conditions = {c["type"]: c for c in resource.get("status", {}).get("conditions", ())}
        shown = " ".join(f"{name}={c['status']}" for name, c in conditions.items()) or "(no conditions yet)"
        ready = conditions.get("Ready", {})
        row = (shown, str(ready.get("reason", "")), str(ready.get("message", "")))
        if self.rows and self.rows[-1][1:] == row:
            return False
        self.rows.append((time.monotonic() - self.started, *row))
        return True

    def table(self, name: str) -> Table:
        """Return all rows as a table."""
        table = Table(title=f"TGIEndpoint {name}", title_justify="left", expand=True)
        for column in ("Time", "Conditions", "Reason", "Message"):
            table.add_column(column, overflow="fold", no_wrap=column in ("Time", "Reason"))
        for seconds, conditions, reason, message in self.rows:
            table.add_row(f"{seconds:5.1f} s", conditions, reason, message)
        return table


def demo(folder: Path, backend: str) -> int:
    """Run the demo with its files in `folder`; return the exit code. Everything it started ends with it."""
    console, example = Console(), BACKENDS[backend]
    programs = build.ensure()
    console.print("Starting a Kubernetes control plane and an AWS double …")
    with (
        ControlPlane(folder / "cluster", nodes=NODES) as plane,
        AwsDouble(speed=AWS_SPEED) as aws,
    ):
        kubectl = [str(programs["kubectl"]), "--kubeconfig", str(plane.kubeconfig)]
        _run(console, [*kubectl, "apply", "-f", str(CRD)])
        _run(console, [*kubectl, "wait", "--for=condition=Established", "crd/tgiendpoints.tgi-operator.dev"])
        console.print("Starting the operator: tgi-operator run")
        with OperatorProcess(plane.kubeconfig, aws.environment, folder / "operator.log", sweep_interval=1):
            _retry(lambda: _run(console, [*kubectl, "apply", "-f", str(example)]))
            name = str(yaml.safe_load(example.read_text())["metadata"]["name"])
            _watch(console, plane, name)
            _run(console, [*kubectl, "get", "tgi", name])
            if backend == "incluster":
                children = ["deployments,services,jobs,pods", "-l", f"tgi-operator.dev/name={name}"]
                _run(console, [*kubectl, "get", *children])
            _run(console, [*kubectl, "get", "events", "--field-selector", f"involvedObject.name={name}"])
            ask = [str(Path(sys.executable).with_name("tgi-operator")), "invoke", name, QUESTION]
            console.print(f"\n[bold]$ tgi-operator invoke {name} {QUESTION!r}[/bold]", highlight=False)
            environment = {**os.environ, **aws.environment, "KUBECONFIG": str(plane.kubeconfig)}
            subprocess.run(ask, env=environment, check=True)  # noqa: S603 - our own command
    console.print("\nEverything is stopped. `make cluster` starts a sandbox that stays.")
    return 0


def _run(console: Console, command: list[str]) -> None:
    shown = " ".join(word for word in command[3:])
    console.print(
        f"\n[bold]$ kubectl {shown}[/bold]".replace(str(REPOSITORY) + "/", ""), highlight=False, soft_wrap=True
    )
    subprocess.run(command, check=True)  # noqa: S603 - our own command


def _retry(act: Callable[[], None]) -> None:
    """Carry out `act` again for a while: a new CRD's storage takes a moment to be there."""
    deadline = time.monotonic() + 20
    while True:
        try:
            act()
        except subprocess.CalledProcessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def _watch(console: Console, plane: ControlPlane, name: str) -> None:
    """Show the resource's conditions until it is Ready: as a live table on a terminal, else a line for each change."""
    progress = Progress()
    live = console.is_terminal
    with Live(console=console, refresh_per_second=_REFRESHES_PER_SECOND, auto_refresh=live) as display:
        while not _is_ready(resource := _read(plane, name)):
            news = progress.add(resource)
            if live:
                display.update(Group(progress.table(name), _clock(progress)))
            elif news:
                _print_row(progress)
            if time.monotonic() - progress.started > _DEADLINE_SECONDS:
                raise DemoError(f"{name} was not Ready within {_DEADLINE_SECONDS:.0f} s: {progress.rows[-1][3]}")
            time.sleep(_POLL_SECONDS)
        progress.add(resource)
        if live:
            display.update(progress.table(name))
    if not live:
        _print_row(progress)


def _clock(progress: Progress) -> Text:
    now = datetime.now(UTC).strftime("%H:%M:%S")
    return Text(f"{time.monotonic() - progress.started:5.1f} s  {now} UTC, AWS at {AWS_SPEED} times real speed")


def _print_row(progress: Progress) -> None:
    seconds, conditions, reason, message = progress.rows[-1]
    sys.stdout.write(f"{seconds:6.1f} s  {conditions}  {reason}: {message}\n")
    sys.stdout.flush()


def _read(plane: ControlPlane, name: str) -> Mapping[str, Any]:
    return plane.api.request("GET", f"/apis/tgi-operator.dev/v1alpha1/namespaces/default/tgiendpoints/{name}")


def _is_ready(resource: Mapping[str, Any]) -> bool:
    conditions = resource.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
