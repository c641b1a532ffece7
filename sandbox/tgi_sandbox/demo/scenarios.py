"""The manifest, the load and the clock of the scaling demo on each backend."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgi_sandbox.cluster import components
from tgi_sandbox.demo.load import LoadGenerator
from tgi_sandbox.demo.load_plan import LoadPlan
from tgi_sandbox.demo.series import MINUTES_OF_AWS, SECONDS, Axis
from tgi_sandbox.demo.stage import Stage

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Scenario:
    """The demo of scaling on one backend; `points` are those of a LoadPlan."""

    manifest: Path
    points: Sequence[tuple[float, int]]
    load: Callable[[Stage, Mapping[str, Any], Sequence[tuple[float, int]], Path], LoadGenerator]
    now: Callable[[Stage], float]
    axis: Axis
    settings: Mapping[str, object]
    aws_speed: float = 1
    nodes: Sequence[str] = ()
    parts: Sequence[str] = components.ALL


def _ask_sagemaker(
    stage: Stage, resource: Mapping[str, Any], points: Sequence[tuple[float, int]], folder: Path
) -> LoadGenerator:
    target = resource["status"]["sageMaker"]["endpointName"]
    plan = LoadPlan(points, samples=str(folder / "load.jsonl"), target=target)
    return LoadGenerator("SageMakerClient", plan, folder, stage.aws.environment)


def _ask_pods(
    stage: Stage, resource: Mapping[str, Any], points: Sequence[tuple[float, int]], folder: Path
) -> LoadGenerator:
    service = resource["status"]["inCluster"]["serviceName"]
    return LoadGenerator.of_pods(stage.plane, "default", service, points, folder)


SCENARIOS = {
    "sagemaker": Scenario(
        manifest=_FOLDER / "scale-sagemaker.yaml",
        # 19 clients at 4 instances are below the target of 5 each, but not enough to trigger AlarmLow.
        points=((0, 1), (5, 1), (30, 19), (50, 19), (75, 1), (115, 1)),
        load=_ask_sagemaker,
        now=lambda stage: stage.aws.control.now(),
        axis=MINUTES_OF_AWS,
        # The operator checks AWS every half virtual minute.
        settings={"sweep_interval": 0.5, "scaling_sweep_interval": 0.5, "aws_reads_per_second": 50},
        aws_speed=60,
    ),
    "incluster": Scenario(
        manifest=_FOLDER / "scale-incluster.yaml",
        # 20 clients at 4 pods: 16 requests wait, and an autoscaler with a tolerance of a tenth keeps that count.
        points=((0, 1), (5, 1), (35, 20), (60, 20), (85, 1), (130, 1)),
        load=_ask_pods,
        now=lambda _: time.time(),
        axis=SECONDS,
        settings={},
        nodes=("m5.xlarge", *["g5.2xlarge"] * 4),
        parts=components.WITH_METRICS,
    ),
}
"""The scenario by backend."""
