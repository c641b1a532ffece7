"""Resources on SageMaker that follow the load: their cost at rest, and the time of a change of the replica count."""

import json
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import endpoints
from bench.bed import Bed, wait
from tgi_operator.backends.sagemaker.aws.operations import OPERATIONS, Service
from tgi_operator.backends.sagemaker.sweep.scalable_targets import POLICIES_EVERY
from tgi_sandbox.aws.control import Control

SWEEP_SECONDS = 4
DEFAULT_SWEEP_SECONDS = 60
SCALES = 20

AUTOSCALING = {name for name, operation in OPERATIONS.items() if operation.service is Service.AUTOSCALING}
"""Names of the operations of Application Auto Scaling."""

AUTOSCALED = endpoints.MANIFEST + "  autoscaling: {{maxReplicas: 4}}\n"
FIXED = endpoints.MANIFEST.replace("falcon-{number:04d}", "by-hand") + "  replicas: 1\n"


@dataclass
class Row:
    """The measurements for one N; the calls per minute are those at the default interval of the sweep."""

    resources: int
    ready_seconds: float = 0
    scaling_calls_per_endpoint: float = 0
    steady_scaling_calls_per_minute: float = 0
    steady_kubernetes_writes: float = 0
    rss_mib: float = 0
    scale_to_aws_p95_seconds: float = 0
    scale_to_generation_p95_seconds: float = 0
    scale_aws_done_to_status_p95_seconds: float = 0


def measure(number: int, workspace: Path) -> Row:
    """Apply `number` resources with autoscaling, wait until they are steady, and scale one more by hand."""
    with endpoints.running(workspace, scaling_sweep_interval=SWEEP_SECONDS) as (bed, control):
        control.scalable_targets(number)
        row = Row(number)
        started = time.monotonic()
        bed.apply([AUTOSCALED.format(number=index) for index in range(number)])
        wait(lambda: bed.ready() >= number and _registered(control) >= number, "getting ready")
        row.ready_seconds = time.monotonic() - started
        row.scaling_calls_per_endpoint = _scaling_calls(control) / number
        time.sleep(3)
        before, writes = _scaling_calls(control), bed.writes()
        time.sleep(POLICIES_EVERY * SWEEP_SECONDS)
        minutes = POLICIES_EVERY * DEFAULT_SWEEP_SECONDS / 60
        row.steady_scaling_calls_per_minute = (_scaling_calls(control) - before) / minutes
        row.steady_kubernetes_writes = (bed.writes() - writes).total()
        row.rss_mib = bed.operator.memory_mib()
        _scale(bed, control, row)
        return row


def _scaling_calls(control: Control) -> int:
    return sum(count for name, count in endpoints.calls(control).items() if name in AUTOSCALING)


def _registered(control: Control) -> int:
    return control.counts().get("PutScalingPolicy", {}).get("OK", 0)


def _scale(bed: Bed, control: Control, row: Row) -> None:
    """Scale one resource repeatedly, without other changes."""
    bed.apply([FIXED.format()])()
    wait(partial(_has_ready, bed, 1), "the one to scale")
    control.durations(scale=3)
    asked, observed, shown = [], [], []
    for turn in range(SCALES):
        replicas, generation = 2 + turn % 2, _generation(bed)
        started = time.time()
        _kubectl(bed, "scale", "tgi/by-hand", f"--replicas={replicas}")
        wait(partial(_has_observed, bed, generation + 1), "observing")
        observed.append(time.time() - started)
        calls = [each for each in control.requests() if each.operation == "UpdateEndpointWeightsAndCapacities"]
        asked.append(calls[-1].time - started)
        wait(partial(_has_ready, bed, replicas), "scaling")
        shown.append(time.time() - calls[-1].time - 3)
    row.scale_to_aws_p95_seconds = _p95(asked)
    row.scale_to_generation_p95_seconds = _p95(observed)
    row.scale_aws_done_to_status_p95_seconds = _p95(shown)


def _has_observed(bed: Bed, generation: int) -> bool:
    return _status(bed)["observedGeneration"] >= generation


def _has_ready(bed: Bed, replicas: int) -> bool:
    return _status(bed).get("readyReplicas") == replicas


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95) - 1]


def _generation(bed: Bed) -> int:
    return int(json.loads(_kubectl(bed, "get", "tgi/by-hand", "-o", "json"))["metadata"]["generation"])


def _status(bed: Bed) -> dict[str, int]:
    status: dict[str, int] = json.loads(_kubectl(bed, "get", "tgi/by-hand", "-o", "json")).get("status", {})
    return status


def _kubectl(bed: Bed, *arguments: str) -> str:
    command = [bed.kubectl, "--kubeconfig", str(bed.plane.kubeconfig), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
