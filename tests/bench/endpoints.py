"""Resources on SageMaker, against the AWS emulator."""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.bed import STEADY_SECONDS, Bed, install, print_counts, wait
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.control import Control
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build, components
from tgi_sandbox.operator import OperatorProcess

SWEEP_SECONDS = float(os.environ.get("BENCH_SWEEP_SECONDS", "10"))
"""Interval of the sweep; 30 s is the default of the operator."""

CREATION_SECONDS = 30
"""How long the emulator's endpoints are Creating, in real seconds."""

MUTATING = re.compile(r"^(Create|Update|Delete|AddTags)")

MANIFEST = """\
apiVersion: tgi-operator.dev/v1alpha1
kind: TGIEndpoint
metadata: {{name: falcon-{number:04d}, namespace: default}}
spec:
  model: {{uri: "hf://tiiuae/falcon-7b-instruct"}}
  sageMaker:
    region: eu-west-1
    executionRoleARN: arn:aws:iam::111122223333:role/tgi-exec-falcon
    instanceType: ml.g5.12xlarge
"""


@dataclass
class Row:
    """The measurements for one N; seconds are counted from the start of `kubectl apply`."""

    resources: int
    applied_seconds: float = 0
    accepted_seconds: float = 0
    double_cpu_seconds: float = 0
    aws_ready_seconds: float = 0
    ready_seconds: float = 0
    longest_from_in_service_to_ready_seconds: float = 0
    aws_calls_per_endpoint: float = 0
    aws_creates_per_endpoint: float = 0
    kubernetes_writes_per_resource: float = 0
    events_per_resource: float = 0
    steady_aws_calls_per_minute: float = 0
    steady_kubernetes_writes: float = 0
    rss_mib: float = 0
    longest_probe_during_scrapes_seconds: float = 0
    restart_mutating_calls: int = 0
    restart_aws_calls: int = 0
    restart_settled_seconds: float = 0
    restart_rss_mib: float = 0


def measure(number: int, workspace: Path) -> Row:
    """Apply `number` resources and measure until they are steady, and after a restart."""
    with running(workspace) as (bed, control):
        return _measure(bed, control, number)


@contextmanager
def running(workspace: Path, **settings: object) -> Iterator[tuple[Bed, Control]]:
    """Run a cluster, the AWS emulator and an operator that the limits of AWS do not slow down."""
    programs = build.ensure([*components.CORE, "kubectl"])
    durations = {"create": float(CREATION_SECONDS)}
    with (
        ControlPlane(workspace / "cluster", components.CORE) as plane,
        AwsDouble(durations=durations) as aws,
    ):
        kubectl = str(programs["kubectl"])
        install(plane, kubectl)
        operator = OperatorProcess(
            plane.kubeconfig,
            aws.environment,
            workspace / "operator.log",
            sweep_interval=SWEEP_SECONDS,
            aws_reads_per_second=100000,
            aws_writes_per_second=100000,
            **settings,
        )
        with operator:
            yield Bed(plane, operator, kubectl), aws.control


def _measure(bed: Bed, control: Control, number: int) -> Row:
    row = Row(number)
    control.clear_requests()
    cpu = control.cpu()["process_seconds"]
    writes = bed.writes()
    started = time.monotonic()
    applied = bed.apply([MANIFEST.format(number=index) for index in range(number)])
    wait(lambda: control.counts().get("CreateEndpoint", {}).get("OK", 0) >= number, "accepting")
    row.accepted_seconds = time.monotonic() - started
    row.double_cpu_seconds = control.cpu()["process_seconds"] - cpu
    row.applied_seconds = applied()
    print(f"applied after {row.applied_seconds:.1f} s, accepted after {row.accepted_seconds:.1f} s", flush=True)
    wait(lambda: _in_service(control) >= number, "AWS")
    row.aws_ready_seconds = time.monotonic() - started
    wait(lambda: bed.ready() >= number, "getting ready")
    row.ready_seconds = time.monotonic() - started
    row.longest_from_in_service_to_ready_seconds = _longest_lag(bed, control)
    made = calls(control)
    row.aws_calls_per_endpoint = made.total() / number
    row.aws_creates_per_endpoint = sum(made[name] for name in made if name.startswith("Create")) / number
    after = bed.writes() - writes
    row.events_per_resource = after.pop("event") / number
    row.kubernetes_writes_per_resource = after.total() / number
    print_counts("AWS calls until Ready", made, number)
    _steady(bed, control, row)
    control.clear_requests()
    row.restart_settled_seconds = bed.restart(number)
    time.sleep(2 * SWEEP_SECONDS)
    made = calls(control)
    row.restart_aws_calls = made.total()
    row.restart_mutating_calls = sum(count for name, count in made.items() if MUTATING.match(name))
    row.restart_rss_mib = bed.operator.memory_mib()
    return row


def _steady(bed: Bed, control: Control, row: Row) -> None:
    """Measure a minute without changes."""
    time.sleep(3)
    made, writes = calls(control), bed.writes()
    time.sleep(STEADY_SECONDS)
    row.steady_aws_calls_per_minute = (calls(control) - made).total() * 60 / STEADY_SECONDS
    row.steady_kubernetes_writes = (bed.writes() - writes).total()
    row.rss_mib = bed.operator.memory_mib()
    row.longest_probe_during_scrapes_seconds = bed.longest_probe(scrapes=5)


def _longest_lag(bed: Bed, control: Control) -> float:
    """Return the longest time from an endpoint's InService to its resource's Ready, which is in whole seconds."""
    offset = time.time() - control.now()
    in_service = {
        str(name): float(each["LastModifiedTime"]) + offset
        for region in control.state()["regions"]
        for name, each in region["endpoints"].items()
    }
    return max(
        ready - in_service[names.endpoint_name(Key("default", name))] for name, ready in bed.ready_times().items()
    )


def calls(control: Control) -> Counter[str]:
    """AWS calls by operation."""
    return Counter({operation: sum(by.values()) for operation, by in control.counts().items()})


def _in_service(control: Control) -> int:
    """The number of endpoints in service on AWS."""
    state = control.state()
    return sum(e["EndpointStatus"] == "InService" for region in state["regions"] for e in region["endpoints"].values())
