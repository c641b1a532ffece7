"""Six minutes of the operator on the sandbox, so that every panel of the dashboards has something to show.

Two operators with leader election, 118 resources, an AWS emulator that is 24 times faster than AWS, and real requests
to the pods. Every step has a fixed time and waits for no condition, so every run looks the same.
"""

import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from bench.bed import Bed, install
from prometheus import Prometheus
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.control import Control
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build, components
from tgi_sandbox.cluster.api import ApiError
from tgi_sandbox.cluster.ports import LOOPBACK
from tgi_sandbox.demo.load import LoadGenerator
from tgi_sandbox.operator import OperatorProcess

Json = Mapping[str, Any]


def endpoint_name(name: str) -> str:
    """Return the name of the endpoint of a resource."""
    return names.endpoint_name(Key("default", name))


_TGIENDPOINTS = "/apis/tgi-operator.dev/v1alpha1/namespaces/default/tgiendpoints"
_GENERATE = "/api/v1/namespaces/default/services/http:zephyr-0:80/proxy/generate"
_SECONDS, _SCRAPE_SECONDS = 360, 2
_NODES = ("m5.xlarge", *["g5.2xlarge"] * 5)
_SETTINGS = {
    "sweep_interval": 5,
    "scaling_sweep_interval": 5,
    "leader_election": "on",
    "leader_election_namespace": "default",
}
_CLIENTS = ((0, 1), (10, 3), (40, 40), (90, 40), (115, 2), (300, 2))
"""Pairs of a second of the load and the number of clients that send requests to the pods from then on."""

SPECS: Mapping[str, Json] = yaml.safe_load("""
falcon: &falcon
  model: {uri: "hf://tiiuae/falcon-7b-instruct"}
  sageMaker: &sagemaker
    {region: eu-west-1, executionRoleARN: "arn:aws:iam::111122223333:role/tgi-exec", instanceType: ml.g5.12xlarge}
chat: &chat
  <<: *falcon
  autoscaling: {minReplicas: 1, maxReplicas: 4, metrics: [{type: ConcurrentRequests, target: {averageValue: 5}}]}
large: {<<: *chat, sageMaker: {<<: *sagemaker, instanceType: ml.g5.24xlarge}}
scarce: {<<: *falcon, sageMaker: {<<: *sagemaker, instanceType: ml.g5.48xlarge}}
unhealthy: *falcon
unknown-version: {<<: *falcon, runtime: {version: 9.9.9}}
pods: &pods
  model: {uri: "hf://HuggingFaceH4/zephyr-7b-beta"}
  inCluster: &cluster
    gpu: {count: 1, products: [NVIDIA-A10G]}
    resources: {requests: {ephemeral-storage: 1Gi}}
    podTemplate: {metadata: {annotations: {sandbox.tgi-operator.dev/start-seconds: "5"}}}
no-image: {<<: *pods, runtime: {image: "ghcr.io/huggingface/text-generation-inference:does-not-exist"}}
no-node: {<<: *pods, inCluster: {<<: *cluster, gpu: {count: 8, products: [NVIDIA-A10G]}}}
zephyr:  # The small batch lets a few clients fill the queue.
  <<: *pods
  runtime:
    {maxInputTokens: 1024, maxTotalTokens: 2048, maxConcurrentRequests: 32, env: [{name: MAX_BATCH_SIZE, value: "3"}]}
  autoscaling:
    minReplicas: 1
    maxReplicas: 4
    metrics: [{type: QueueDepth, target: {averageValue: 5}}]
    behavior: {scaleUp: {stabilizationWindowSeconds: 0}, scaleDown: {stabilizationWindowSeconds: 10}}
""")
_QUESTIONS: list[Json] = [{"inputs": "What is deep learning?", "parameters": {"max_new_tokens": 50}}] * 48
_LETTERS: list[Json] = [{"inputs": "Dear sir, " * n, "parameters": {"max_new_tokens": n}} for n in range(20, 260, 20)]
_INVALID: list[Json] = [{"inputs": ""}] * 12


@contextmanager
def lived(workspace: Path) -> Iterator[tuple[Prometheus, range]]:
    """Run all steps; yield the Prometheus that scraped them, and the times for which it has values."""
    kubectl = str(build.ensure([*components.WITH_METRICS, "kubectl"])["kubectl"])
    with ControlPlane(workspace / "cluster", components.WITH_METRICS, _NODES) as plane, AwsDouble(speed=24) as aws:
        install(plane, kubectl)
        first, second = (
            OperatorProcess(plane.kubeconfig, aws.environment, workspace / f"operator-{number}.log", **_SETTINGS)
            for number in range(2)
        )
        _scrape(plane, first, second)
        load = LoadGenerator.of_pods(plane, "default", "zephyr-0", _CLIENTS, workspace)
        began = int(time.time())
        with first, second:
            _live(Bed(plane, first, kubectl), aws.control, load, began)
            yield Prometheus(str(plane.prometheus_url)), range(began, began + _SECONDS + 1, _SCRAPE_SECONDS)


def _scrape(plane: ControlPlane, *operators: OperatorProcess) -> None:
    """Let Prometheus scrape the operators too, with `honor_labels` as in manifests/monitoring/podmonitor.yaml."""
    targets = {"targets": [f"{LOOPBACK}:{each.port}" for each in operators], "labels": {"namespace": "tgi-system"}}
    configuration = json.loads(plane.layout.prometheus.read_text())
    job = {"job_name": "tgi-system/tgi-operator", "honor_labels": True, "static_configs": [targets]}
    configuration["scrape_configs"].append(job)
    plane.layout.prometheus.write_text(json.dumps(configuration))
    plane.processes[components.PROMETHEUS].signal(signal.SIGHUP)


def _live(bed: Bed, aws: Control, load: LoadGenerator, began: int) -> None:
    def at(second: int, step: str) -> None:
        time.sleep(max(0, began + second - time.time()))
        print(f"{second:4} s  {step}", flush=True)

    at(10, "apply resources")
    aws.quota("ml.g5.24xlarge", 2)
    _apply(bed, {"zephyr": 1, "chat": 6, "large": 2, "falcon": 50})
    for second in (50, 53):
        at(second, "send more requests than the only pod accepts")
        _send(bed, _QUESTIONS)
    at(70, "send requests to endpoints")
    _load_endpoints(aws, 18)
    at(75, "send requests to pods")
    with load:
        at(90, "apply resources, some of which fail")
        for number in range(3):
            aws.script(endpoint_name(f"unhealthy-{number}"), "ping_failure", times=None)
            aws.script(endpoint_name(f"scarce-{number}"), "no_capacity", times=2)
        _apply(bed, {"falcon": 100, "unhealthy": 3, "scarce": 3, "unknown-version": 1, "no-image": 1, "no-node": 1})
        for second in (100, 130):
            at(second, "send long and invalid requests to pods")
            _send(bed, [*_LETTERS, *_INVALID])
        at(160, "throttle AWS calls, and update endpoints")
        aws.seed(1)
        aws.throttle(probability=0.4)
        _apply(bed, {"falcon": 20}, runtime={"env": [{"name": "CUDA_GRAPHS", "value": "1,2,4"}]})
        at(200, "end the throttling")
        aws.clear_faults()
        at(215, "end the requests to endpoints")
        _load_endpoints(aws, None)
        at(250, "kill the leader")
        bed.operator.process.signal(signal.SIGKILL)
        at(290, "delete resources")
        for number in range(70, 100):
            bed.plane.api.request("DELETE", f"{_TGIENDPOINTS}/falcon-{number}")
        at(_SECONDS, "draw")


def _apply(bed: Bed, counts: Mapping[str, int], **changes: Json) -> None:
    kind = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint"}
    named = [(name, f"{name}-{number}") for name, count in counts.items() for number in range(count)]
    resources = [{**kind, "metadata": {"name": name}, "spec": {**SPECS[spec], **changes}} for spec, name in named]
    bed.apply([json.dumps({"apiVersion": "v1", "kind": "List", "items": resources})])


def _send(bed: Bed, requests: Sequence[Json]) -> None:
    """Send requests to the pods concurrently, without waiting; some are meant to fail or time out."""

    def send(body: Json) -> None:
        with suppress(ApiError, TimeoutError):
            bed.plane.api.request("POST", _GENERATE, body)

    ThreadPoolExecutor(len(requests)).map(send, requests)


def _load_endpoints(aws: Control, requests: float | None) -> None:
    for name in ("chat-0", "chat-1", "chat-2", "chat-3", "large-0", "large-1"):
        aws.load(endpoint_name(name), concurrentRequests=requests)
