"""Six minutes in the life of the operator, so that every panel of the dashboards has something to show.

Two operators with one Lease, some 120 resources, an AWS that is 24 times faster than the real one, and load that is
real at the pods. Everything happens at a time of its own; nothing is waited for, so that each run looks like the last.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.bed import Bed, install
from bench.dashboards import resources
from bench.dashboards.resources import Body, Spec
from tgi_sandbox.aws.control import Control
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build, components
from tgi_sandbox.cluster.api import ApiError
from tgi_sandbox.cluster.ports import LOOPBACK
from tgi_sandbox.demo.load import LoadGenerator
from tgi_sandbox.operator import OperatorProcess

AWS_SPEED = 24
"""Creating an endpoint takes ten seconds."""

SECONDS = 360
SCRAPE_SECONDS = 2
"""That of the sandbox's Prometheus."""

POINTS = ((0, 1), (10, 3), (40, 40), (90, 40), (115, 2), (300, 2))
"""Clients at the pods, and since when there are so many."""

NODES = ("m5.xlarge", *["g5.2xlarge"] * 5)
INTERVALS = {"sweep_interval": 5, "scaling_sweep_interval": 5}
ELECTION = {"leader_election": "on", "leader_election_namespace": "default"}


@dataclass
class Life:
    """What lives; what is begun in `stack` ends with it."""

    bed: Bed
    control: Control
    folder: Path
    stack: ExitStack

    def apply(self, namespace: str, specs: Mapping[str, Spec]) -> None:
        """Apply resources at once."""
        self.bed.apply([resources.manifest(namespace, name, spec) for name, spec in specs.items()])

    def delete(self, namespace: str, name: str) -> None:
        """Delete a resource, as somebody who does not wait for the end."""
        path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints/{name}"
        self.bed.plane.api.request("DELETE", path)

    def ask(self, bodies: Sequence[Body]) -> None:
        """Send requests to the pods at the same time; that some are refused or come too late is what is wanted."""
        path = f"/api/v1/namespaces/search/services/http:{resources.PODS}:80/proxy/generate"

        def one(body: Body) -> None:
            with suppress(ApiError, TimeoutError):
                self.bed.plane.api.request("POST", path, body)

        pool = ThreadPoolExecutor(len(bodies))
        pool.map(one, bodies)
        pool.shutdown(wait=False)

    def load_instances(self, requests: float | None) -> None:
        """Pretend that so many requests are at some endpoints of SageMaker."""
        for name in (*resources.CHATS[:4], *resources.LARGE):
            self.control.load(f"search-{name}", concurrentRequests=requests)


def _apply(life: Life) -> None:
    life.control.quota("ml.g5.24xlarge", len(resources.LARGE))
    life.apply("search", resources.FIRST)


def _ask_more_than_one_pod_takes(life: Life) -> None:
    life.ask(resources.QUESTIONS)


def _load_instances(life: Life) -> None:
    life.load_instances(18)


def _load_pods(life: Life) -> None:
    load = LoadGenerator.of_pods(life.bed.plane, "search", resources.PODS, POINTS, life.folder)
    life.stack.enter_context(load)


def _apply_what_fails(life: Life) -> None:
    for name in resources.UNHEALTHY:
        life.control.script(f"support-{name}", "ping_failure", times=None)
    for name in resources.SCARCE:
        life.control.script(f"support-{name}", "no_capacity", times=2)
    life.apply("support", resources.SECOND)


def _ask_for_letters(life: Life) -> None:
    life.ask(resources.LETTERS)


def _ask_by_mistake(life: Life) -> None:
    life.ask(resources.MISTAKES)


def _throttle_and_update(life: Life) -> None:
    life.control.seed(1)
    life.control.throttle(probability=0.4)
    life.apply("search", dict.fromkeys(resources.FALCONS[:20], resources.CHANGED))


def _end_throttling(life: Life) -> None:
    life.control.clear_faults()


def _end_load_of_instances(life: Life) -> None:
    life.load_instances(None)


def _kill_the_leader(life: Life) -> None:
    life.bed.operator.process.signal(signal.SIGKILL)


def _delete(life: Life) -> None:
    for name in resources.FALCONS[20:]:
        life.delete("support", name)


STEPS: Sequence[tuple[float, Callable[[Life], None]]] = (
    (10, _apply),
    (50, _ask_more_than_one_pod_takes),
    (53, _ask_more_than_one_pod_takes),
    (70, _load_instances),
    (75, _load_pods),
    (90, _apply_what_fails),
    (100, _ask_for_letters),
    (120, _ask_by_mistake),
    (130, _ask_for_letters),
    (160, _throttle_and_update),
    (165, _ask_for_letters),
    (170, _ask_by_mistake),
    (200, _end_throttling),
    (215, _end_load_of_instances),
    (250, _kill_the_leader),
    (290, _delete),
)
"""What happens, and after how many seconds."""


@contextmanager
def lived(workspace: Path) -> Iterator[tuple[str, float]]:
    """Live through all of it; yield the address of the Prometheus that saw it, and when it began."""
    programs = build.ensure([*components.WITH_METRICS, "kubectl"])
    with ExitStack() as stack:
        plane = stack.enter_context(ControlPlane(workspace / "cluster", components.WITH_METRICS, NODES))
        aws = stack.enter_context(AwsDouble(speed=AWS_SPEED))
        kubectl = str(programs["kubectl"])
        install(plane, kubectl)
        for namespace in ("search", "support"):
            plane.create_namespace(namespace)
        operators = [
            OperatorProcess(plane.kubeconfig, aws.environment, workspace / f"{name}.log", **INTERVALS, **ELECTION)
            for name in ("first", "second")
        ]
        _scrape(plane, operators)
        began = time.time()
        for each in operators:
            stack.enter_context(each)
        life = Life(Bed(plane, operators[0], kubectl), aws.control, workspace, stack)
        for seconds, step in STEPS:
            _sleep_until(began + seconds)
            print(f"{seconds:4.0f} s{step.__name__.replace('_', ' ')}", flush=True)
            step(life)
        _sleep_until(began + SECONDS)
        yield str(plane.prometheus_url), began


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.time()))


def _scrape(plane: ControlPlane, operators: Sequence[OperatorProcess]) -> None:
    """Have the cluster's Prometheus scrape the operators too, as manifests/monitoring/podmonitor.yaml has it."""
    pods = [
        {"targets": [f"{LOOPBACK}:{each.port}"], "labels": {"namespace": "tgi-system", "pod": f"tgi-operator-{number}"}}
        for number, each in enumerate(operators)
    ]
    job = {"job_name": "tgi-system/tgi-operator", "honor_labels": True, "static_configs": pods}
    file = plane.layout.prometheus
    configuration = json.loads(file.read_text())
    configuration["scrape_configs"].append(job)
    file.write_text(json.dumps(configuration))
    plane.processes[components.PROMETHEUS].signal(signal.SIGHUP)
