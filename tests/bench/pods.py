"""Resources in the cluster, on simulated GPU nodes."""

import time
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from bench.bed import STEADY_SECONDS, Bed, install, print_counts, wait
from tgi_sandbox.cluster import ControlPlane, build
from tgi_sandbox.operator import OperatorProcess

NODE = "g5.48xlarge"
GPUS = 8

NO_AWS = {"AWS_EC2_METADATA_DISABLED": "true"}

MANIFEST = """\
apiVersion: tgi-operator.dev/v1alpha1
kind: TGIEndpoint
metadata: {{name: zephyr-{number:04d}, namespace: default}}
spec:
  model: {{uri: "hf://HuggingFaceH4/zephyr-7b-beta"}}
  inCluster:
    resources: {{requests: {{ephemeral-storage: 1Gi}}}}
"""


@dataclass
class Row:
    """The measurements for one N; seconds are counted from the start of `kubectl apply`.

    Pods are Ready a second after they are scheduled. The API server, the controller manager, the scheduler and KWOK
    share the machine with the operator.
    """

    resources: int
    applied_seconds: float = 0
    pods_ready_seconds: float = 0
    ready_seconds: float = 0
    operator_cpu_seconds: float = 0
    kubernetes_writes_per_resource: float = 0
    events_per_resource: float = 0
    steady_kubernetes_writes: float = 0
    rss_mib: float = 0
    restart_kubernetes_writes: float = 0
    restart_settled_seconds: float = 0
    restart_rss_mib: float = 0


def measure(number: int, workspace: Path) -> Row:
    """Apply `number` resources and measure until they are steady, and after a restart."""
    programs = build.ensure()
    with ControlPlane(workspace / "cluster", nodes=[NODE] * ceil(number / GPUS)) as plane:
        kubectl = str(programs["kubectl"])
        install(plane, kubectl)
        with OperatorProcess(plane.kubeconfig, NO_AWS, workspace / "operator.log") as operator:
            return _measure(Bed(plane, operator, kubectl), number)


def _measure(bed: Bed, number: int) -> Row:
    row = Row(number)
    writes, cpu = bed.writes(), _cpu_seconds(bed)
    started = time.monotonic()
    applied = bed.apply([MANIFEST.format(number=index) for index in range(number)])
    row.applied_seconds = applied()
    wait(lambda: _ready_pods(bed) >= number, "pods")
    row.pods_ready_seconds = time.monotonic() - started
    wait(lambda: bed.ready() >= number, "getting ready")
    row.ready_seconds = time.monotonic() - started
    row.operator_cpu_seconds = _cpu_seconds(bed) - cpu
    print(f"applied after {row.applied_seconds:.1f} s, ready after {row.ready_seconds:.1f} s", flush=True)
    after = bed.writes() - writes
    print_counts("Writes to Kubernetes until Ready", after, number)
    row.events_per_resource = after.pop("event") / number
    row.kubernetes_writes_per_resource = after.total() / number
    time.sleep(3)
    writes = bed.writes()
    time.sleep(STEADY_SECONDS)
    row.steady_kubernetes_writes = (bed.writes() - writes).total()
    row.rss_mib = bed.operator.memory_mib()
    writes = bed.writes()
    row.restart_settled_seconds = bed.restart(number)
    time.sleep(10)
    row.restart_kubernetes_writes = (bed.writes() - writes).total()
    row.restart_rss_mib = bed.operator.memory_mib()
    return row


def _ready_pods(bed: Bed) -> int:
    """The number of ready pods, from the status of the Deployments."""
    listed = bed.plane.api.request("GET", "/apis/apps/v1/namespaces/default/deployments")
    return sum(int(item["status"].get("readyReplicas", 0)) for item in listed["items"])


def _cpu_seconds(bed: Bed) -> float:
    """Return the CPU time of the operator."""
    fields = Path(f"/proc/{bed.operator.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
