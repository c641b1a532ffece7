"""Measures the operator against what a platform team would ask of it, and prints a table.

For each N: N resources are applied at once to a real API server, against the AWS double. `make bench` runs it.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from tgi_sandbox.aws.control import Control
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build, components
from tgi_sandbox.operator import OperatorProcess

ROOT = Path(__file__).parents[2]
SWEEP_SECONDS = 10
CREATION_SECONDS = 30
"""How long the double's endpoints are Creating, in real seconds."""

STEADY_SECONDS = 60
LIMIT_SECONDS = 300
MUTATING = re.compile(r"^(Create|Update|Delete|AddTags)")

MANIFEST = """\
apiVersion: tgi-operator.dev/v1alpha1
kind: TGIEndpoint
metadata: {{name: falcon-{number:04d}, namespace: default}}
spec:
  model: {{uri: "hf://tiiuae/falcon-7b-instruct"}}
  sageMaker:
    region: eu-west-1
    executionRoleARN: arn:aws:iam::{account}:role/tgi-exec-falcon
    instanceType: ml.g5.12xlarge
"""


@dataclass
class Row:
    """What was measured for one N; seconds are counted from the start of `kubectl apply`."""

    resources: int
    applied_seconds: float = 0
    accepted_seconds: float = 0
    double_cpu_seconds: float = 0
    aws_ready_seconds: float = 0
    ready_seconds: float = 0
    aws_calls_per_endpoint: float = 0
    aws_creates_per_endpoint: float = 0
    kubernetes_writes_per_resource: float = 0
    events_per_resource: float = 0
    steady_aws_calls_per_minute: float = 0
    steady_kubernetes_writes: float = 0
    rss_mib: float = 0
    restart_mutating_calls: int = 0
    restart_aws_calls: int = 0
    restart_settled_seconds: float = 0
    restart_rss_mib: float = 0


@dataclass
class Bench:
    """One run: a cluster, a double and an operator."""

    plane: ControlPlane
    control: Control
    operator: OperatorProcess
    kubectl: str

    def apply(self, number: int, account: str) -> "subprocess.Popen[bytes]":
        """Start `kubectl apply` of so many resources."""
        text = "---\n".join(MANIFEST.format(number=index, account=account) for index in range(number))
        file = Path(tempfile.mkstemp(suffix=".yaml")[1])
        file.write_text(text)
        command = [self.kubectl, "--kubeconfig", str(self.plane.kubeconfig), "apply", "-f", str(file)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def calls(self) -> Counter[str]:
        """AWS calls by operation."""
        return Counter({operation: sum(by.values()) for operation, by in self.control.counts().items()})

    def writes(self) -> Counter[str]:
        """Writes the API server served, by what was written."""
        text = self.plane.api.text("/metrics")
        found: Counter[str] = Counter()
        for labels, value in re.findall(r"^apiserver_request_total\{(.*?)\} (\S+)$", text, re.MULTILINE):
            label = dict(re.findall(r'(\w+)="(.*?)"', labels))
            if label["verb"] == "PATCH" and label["resource"] == "tgiendpoints":
                found[label["subresource"] or "object"] += int(float(value))
            if label["verb"] == "POST" and label["resource"] == "events":
                found["event"] += int(float(value))
        return found

    def ready(self) -> int:
        """How many resources the operator counts as ready."""
        return int(self.operator.metrics().get('tgi_operator_endpoints{reason="InService"}', 0))


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {LIMIT_SECONDS} s")
        time.sleep(0.1)


@contextmanager
def running(workspace: Path) -> Iterator[Bench]:
    """Start everything, and stop it in the end."""
    programs = build.ensure([*components.CORE, "kubectl"])
    durations = {"create": float(CREATION_SECONDS)}
    with (
        ControlPlane(workspace / "cluster", components.CORE) as plane,
        AwsDouble(durations=durations) as aws,
    ):
        kubectl = str(programs["kubectl"])
        crd = ROOT / "crds" / "tgiendpoints.yaml"
        subprocess.run([kubectl, "--kubeconfig", plane.kubeconfig, "apply", "-f", crd], check=True, capture_output=True)
        operator = OperatorProcess(
            plane.kubeconfig,
            aws.environment,
            workspace / "operator.log",
            sweep_interval=SWEEP_SECONDS,
            aws_reads_per_second=100000,
            aws_writes_per_second=100000,
        )
        time.sleep(3)
        with operator:
            yield Bench(plane, aws.control, operator, kubectl)


def measure(bench: Bench, number: int, account: str) -> Row:
    """Apply `number` resources and measure until they are steady, and after a restart."""
    row = Row(number)
    bench.control.clear_requests()
    cpu = bench.control.cpu()["process_seconds"]
    writes = bench.writes()
    applied: list[float] = []
    started = time.monotonic()
    apply = bench.apply(number, account)
    threading.Thread(target=note_end, args=(apply, started, applied), daemon=True).start()
    wait(lambda: bench.control.counts().get("CreateEndpoint", {}).get("OK", 0) >= number, "accepting")
    row.accepted_seconds = time.monotonic() - started
    row.double_cpu_seconds = bench.control.cpu()["process_seconds"] - cpu
    wait(lambda: bool(applied), "applying")
    row.applied_seconds = applied[0]
    print(f"applied after {row.applied_seconds:.1f} s, accepted after {row.accepted_seconds:.1f} s", flush=True)
    wait(lambda: in_service(bench.control) >= number, "AWS")
    row.aws_ready_seconds = time.monotonic() - started
    wait(lambda: bench.ready() >= number, "getting ready")
    row.ready_seconds = time.monotonic() - started
    calls = bench.calls()
    row.aws_calls_per_endpoint = calls.total() / number
    row.aws_creates_per_endpoint = sum(calls[name] for name in calls if name.startswith("Create")) / number
    after = bench.writes() - writes
    row.events_per_resource = after.pop("event") / number
    row.kubernetes_writes_per_resource = after.total() / number
    print_calls(calls, number)
    steady(bench, row)
    restart(bench, row)
    return row


def note_end(process: "subprocess.Popen[bytes]", started: float, seconds: list[float]) -> None:
    """Add the time from `started` until the process ended."""
    process.wait()
    seconds.append(time.monotonic() - started)


def in_service(control: Control) -> int:
    """How many endpoints AWS has in service."""
    state = control.state()
    return sum(e["EndpointStatus"] == "InService" for region in state["regions"] for e in region["endpoints"].values())


def steady(bench: Bench, row: Row) -> None:
    """Measure a minute in which nothing happens."""
    time.sleep(3)
    calls, writes = bench.calls(), bench.writes()
    time.sleep(STEADY_SECONDS)
    row.steady_aws_calls_per_minute = (bench.calls() - calls).total() * 60 / STEADY_SECONDS
    row.steady_kubernetes_writes = (bench.writes() - writes).total()
    row.rss_mib = bench.operator.memory_mib()


def restart(bench: Bench, row: Row) -> None:
    """Kill the operator and start it on what it left."""
    bench.operator.process.signal(signal.SIGKILL)
    bench.operator.process.wait(10)
    bench.control.clear_requests()
    started = time.monotonic()
    bench.operator.start()
    wait(
        lambda: bench.ready() >= row.resources and bench.operator.metrics()["tgi_operator_queue_depth"] == 0, "restart"
    )
    row.restart_settled_seconds = time.monotonic() - started
    time.sleep(2 * SWEEP_SECONDS)
    calls = bench.calls()
    row.restart_aws_calls = calls.total()
    row.restart_mutating_calls = sum(count for name, count in calls.items() if MUTATING.match(name))
    row.restart_rss_mib = bench.operator.memory_mib()


def print_calls(calls: Counter[str], number: int) -> None:
    """Print AWS calls by operation for each endpoint."""
    print(f"\nAWS calls until Ready, for each of {number}:")
    for operation, count in sorted(calls.items()):
        print(f"  {operation:28}{count / number:8.2f}")


def print_table(rows: list[Row]) -> None:
    """Print one column for each N."""
    print()
    for field in fields(Row):
        cells = "".join(f"{getattr(row, field.name):>12.2f}".replace(".00", "   ") for row in rows)
        print(f"{field.name.replace('_', ' '):36}{cells}")


def main() -> int:
    """Run the bench for every N on its own cluster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="*", default=[100, 1000], metavar="N")
    rows = []
    for number in parser.parse_args().numbers:
        with tempfile.TemporaryDirectory() as workspace, running(Path(workspace)) as bench:
            rows.append(measure(bench, number, "111122223333"))
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
