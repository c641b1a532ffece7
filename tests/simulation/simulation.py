"""The operator with an API server, AWS and a cluster of pods, all in one event loop on virtual time.

The operator is only driven as in production: by watches, its sweeps, its queue's timers and its retries.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from datetime import datetime
from typing import Any, Self

from simulation import crd_schema
from simulation.amazon import Amazon
from simulation.api_server import ENDPOINT_SCHEMA, ApiServer
from simulation.clock import LoopClock, new_loop
from simulation.process import AWSClient, Fuse, Informer, Killed, KubeClient, Process, track_tasks
from simulation.workloads import Workloads
from tgi_operator.api.identifiers import GROUP, PLURAL
from tgi_operator.backends.incluster.backend import InClusterBackend
from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.sagemaker.backend import SageMakerBackend
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.control.controller import Controller
from tgi_operator.settings import Settings
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT
from tgi_sandbox.aws.lifecycle import Outcome
from tgi_sandbox.aws.outcomes import Script
from tgi_sandbox.aws.world import World

Object = dict[str, Any]

REGION = "eu-west-1"
CLUSTER = "cluster-1"
KEY = Key("ml", "falcon-7b")
ENDPOINT = names.endpoint_name(KEY)

SPEC: Mapping[str, Any] = {
    "model": {"uri": "hf://tiiuae/falcon-7b-instruct"},
    "sageMaker": {
        "region": REGION,
        "executionRoleARN": f"arn:aws:iam::{DEFAULT_ACCOUNT}:role/tgi-exec-falcon",
        "instanceType": "ml.g5.12xlarge",
    },
}

PODS: Mapping[str, Any] = {
    "model": {"uri": "hf://tiiuae/falcon-7b-instruct"},
    "inCluster": {"gpu": {"count": 1}},
}

MOST_CALLS_A_MINUTE = 200
"""Calls to AWS and requests to the API server in one virtual minute for one resource: more is a hot loop."""

RESTART_SECONDS = 2.0
LIVENESS_SECONDS = 10.0


def _controller(settings: Settings, kube: KubeClient, api: AWSClient, now: Callable[[], datetime]) -> Controller:
    """Return the operator with its real backends, except for their connections to AWS and to the API server."""

    def changed(key: Key) -> None:
        controller.changed(key)

    def known(key: Key) -> bool:
        return controller.knows(key)

    sagemaker = SageMakerBackend(api, settings, kube, changed, now) if "sageMaker" in settings.backends else None
    in_cluster = InClusterBackend(kube, settings, changed, known, now) if "inCluster" in settings.backends else None
    served = {"sageMaker": sagemaker, "inCluster": in_cluster}
    controller = Controller(settings, kube, CLUSTER, served, in_cluster, now)
    return controller


class Simulation:
    """An operator that can be killed, with its environment. Use as a context manager."""

    def __init__(self, gpus: int = 8, **settings: Any) -> None:
        random.seed(0)
        self.loop = new_loop()
        track_tasks(self.loop)
        self.loop.set_exception_handler(self._failed)
        self.clock = LoopClock(self.loop)
        self.server = ApiServer(self.loop, self.clock)
        self.server.status_checks += [self._count, contradictions]
        self.world = World(self.clock)
        self.amazon = Amazon(self.world)
        self.workloads = Workloads(self.server, gpus)
        self.workloads.start()
        self.settings = Settings(**settings)
        self.fuse = Fuse()
        self.kills = 0
        self.crashes: list[str] = []
        self.writes = 0
        self.violations: list[str] = []
        self._calls: Counter[int] = Counter()
        self._counted = (0, 0)
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The operator

    def _start(self) -> None:
        """Start a process without any state."""
        self.process = Process(self.loop, self.fuse, self._died)
        self.informer: Informer | None = None
        self.controller: Controller | None = None
        self.process.start(self._operate(self.process))

    async def _operate(self, process: Process) -> None:
        """Run as the operator's process, until it ends."""
        kube = KubeClient(process, self.server)
        controller = _controller(self.settings, kube, AWSClient(process, self.amazon), self._now)
        try:
            kinds = await controller.start()
        except Exception as error:  # noqa: BLE001 - whatever it is, a real process would end with it
            self.crashes.append(repr(error))
            process.kill()
            return
        self.controller = controller
        self.informer = Informer(process, self.server, controller, kinds)
        self.informer.connect()
        while True:
            await asyncio.sleep(LIVENESS_SECONDS)
            if not controller.is_alive():
                self.violations.append(f"{self.clock.rfc3339()}: the operator is not alive")
                process.kill()

    def _died(self) -> None:
        self.kills += 1
        if self.informer is not None:
            self.informer.close()
        self.fuse.calls = None
        self.loop.call_later(RESTART_SECONDS, self._start, context=Context())

    def kill_at(self, call: int = 1, operation: str | None = None, *, after_effect: bool = False) -> None:
        """Kill the operator at its n-th request from now on, or the n-th of an operation; see Fuse."""
        self.fuse.calls, self.fuse.operation, self.fuse.after_effect = call, operation, after_effect

    def restart(self) -> None:
        """Kill the operator now; another one starts."""
        self.process.kill()

    def cut_watches(self) -> None:
        """Cut all watches: later events are not delivered."""
        if self.informer is not None:
            self.informer.cut()

    def connect_watches(self) -> None:
        """Let all watches list and watch again; deletions in between are never delivered."""
        if self.informer is not None:
            self.informer.connect()

    def _now(self) -> datetime:
        return self.clock.datetime()

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed):
            self.violations.append(f"{context['message']}: {error!r}")

    # Time

    def run(self, seconds: float) -> None:
        """Advance time."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self._check()

    def run_until(self, holds: Callable[[], Any], *, within: float) -> float:
        """Advance time until a condition is true; return the seconds it took. Raises AssertionError on a timeout."""
        began = self.loop.time()
        while not holds():
            waited = self.loop.time() - began
            assert waited <= within, f"not within {within} s: {self.summary()}"
            self.loop.run_until_complete(asyncio.sleep(1 if waited < 600 else 10))
        self._check()
        return self.loop.time() - began

    def _check(self) -> None:
        """Raise AssertionError if a forbidden event has happened."""
        self._calls.update(int(time // 60) for time, *_ in self.server.requests[self._counted[0] :])
        self._calls.update(int(time // 60) for time, *_ in self.amazon.attempts[self._counted[1] :])
        self._counted = (len(self.server.requests), len(self.amazon.attempts))
        most = MOST_CALLS_A_MINUTE * (1 + len(self.server.objects[PLURAL]))
        busy = [f"hot loop: {calls} calls in minute {each}" for each, calls in self._calls.items() if calls > most]
        found = [*self.violations, *self.server.violations, *busy]
        assert not found, found

    def close(self) -> None:
        """End everything."""
        self.loop.run_until_complete(self._close())
        self.loop.close()

    async def _close(self) -> None:
        self._died = lambda: None  # type: ignore[method-assign]
        self.process.kill()
        await self.workloads.close()
        await asyncio.sleep(1)

    def _count(self, _before: Object, _after: Object) -> Iterator[str]:
        self.writes += 1
        yield from ()

    # The resources

    def apply(self, spec: Mapping[str, Any], key: Key = KEY, *, unchecked: bool = False) -> None:
        """Create a resource, or change its spec; `unchecked` accepts it as another version of the CRD would."""
        found = list(crd_schema.errors(spec, ENDPOINT_SCHEMA["spec"], "spec"))
        assert unchecked or not found, found
        if self.is_gone(key):
            self.server.create(PLURAL, key.namespace, {"metadata": {"name": key.name}, "spec": spec})
        else:
            self.server.set_spec(PLURAL, *key, spec)

    def annotate(self, key: Key = KEY, **annotations: str) -> None:
        """Set annotations of the operator's group on a resource."""
        named = {f"{GROUP}/{name}": value for name, value in annotations.items()}
        self.server.edit(PLURAL, *key, {"metadata": {"annotations": named}})

    def delete(self, key: Key = KEY) -> None:
        """Request the deletion of a resource."""
        self.server.delete(PLURAL, *key)

    def edit_status(self, change: Mapping[str, Any], key: Key = KEY) -> None:
        """Patch the status as a user can; None removes a field."""
        self.server.edit(PLURAL, *key, {"status": change})

    def is_gone(self, key: Key = KEY) -> bool:
        """Return whether the resource has been deleted."""
        return self.server.get(PLURAL, *key) is None

    def body(self, key: Key = KEY) -> Object:
        """Return the resource as it is stored."""
        found = self.server.get(PLURAL, *key)
        assert found is not None, f"{key} is gone"
        return found

    def status(self, key: Key = KEY) -> Object:
        """Return the status of a resource."""
        found: Object = self.body(key)["status"]
        return found

    def condition(self, kind: str, key: Key = KEY) -> Object:
        """Return a condition, empty if it is missing."""
        present = self.server.get(PLURAL, *key) or {}
        return condition(present, kind)

    def reason(self, kind: str = "Ready", key: Key = KEY) -> str | None:
        """Return the reason of a condition, None if the condition is missing."""
        return self.condition(kind, key).get("reason")

    def is_ready(self, key: Key = KEY) -> bool:
        """Return whether `kubectl wait --for=condition=Ready` returns now."""
        present = self.server.get(PLURAL, *key)
        return present is not None and is_ready(present)

    def owner(self, key: Key = KEY) -> Owner:
        """Return the owner of a resource's AWS and Kubernetes objects."""
        return Owner(CLUSTER, *key, self.body(key)["metadata"]["uid"])

    def events(self, key: Key = KEY) -> list[tuple[str, str]]:
        """Return type and reason of the Events about a resource, the oldest first."""
        found = self.server.objects["events"].values()
        return [(each["type"], each["reason"]) for each in found if each["regarding"]["name"] == key.name]

    def summary(self) -> str:
        """Return what the resources report, for failures of tests."""
        return "; ".join(
            f"{name}: {[(each['type'], each['status'], each['reason'], each['message']) for each in conditions]}"
            for (_, name), body in self.server.objects[PLURAL].items()
            for conditions in [body["status"].get("conditions", ())]
        )

    # AWS

    def aws(self, operation: str, region: str = REGION, **request: Any) -> Object:
        """Run an operation in AWS as another user of the account. Raises AWSError."""
        return self.amazon.direct(operation, request, region)

    def script(self, outcome: Outcome, times: int | None = 1, endpoint: str = ENDPOINT) -> None:
        """Set how the endpoint's next change ends."""
        self.world.scripts.add(Script(endpoint, outcome, times))

    def endpoint(self, name: str = ENDPOINT, region: str = REGION) -> Object | None:
        """Return the answer of DescribeEndpoint, None if the endpoint is missing."""
        if name not in self.amazon.region(region).endpoints:
            return None
        return self.aws("DescribeEndpoint", region, EndpointName=name)

    def leftovers(self, region: str = REGION) -> list[str]:
        """Return the names of the existing models, configurations and endpoints."""
        found = self.amazon.region(region)
        return sorted([*found.models, *found.configs, *found.endpoints])


def condition(body: Mapping[str, Any], kind: str) -> Object:
    """Return a condition of an object, empty if it is missing."""
    return next((each for each in body.get("status", {}).get("conditions", ()) if each["type"] == kind), {})


def is_ready(body: Mapping[str, Any]) -> bool:
    """Return whether an object is Ready at its current generation."""
    ready = condition(body, "Ready")
    generation = body["metadata"]["generation"]
    return ready.get("status") == "True" and ready.get("observedGeneration", -1) >= generation


def contradictions(before: Object, after: Object) -> Iterator[str]:
    """Yield violations that no status may ever contain."""
    name, generation, status = after["metadata"]["name"], after["metadata"]["generation"], after["status"]
    observed = status["observedGeneration"]
    if observed > generation:
        yield f"{name}: observedGeneration {observed} is ahead of generation {generation}"
    if observed < before["status"].get("observedGeneration", -1):
        yield f"{name}: observedGeneration goes back to {observed}"
    # A status that another user forged stays until the operator has seen it.
    forged = set(_contradictions_of_ready(before))
    yield from (f"{name}: {each}" for each in _contradictions_of_ready(after) if each not in forged)


def _contradictions_of_ready(body: Object) -> Iterator[str]:
    observed, ready = body["status"].get("observedGeneration"), condition(body, "Ready")
    if ready.get("status") != "True":
        return
    if ready["observedGeneration"] != observed:
        yield f"Ready is of generation {ready['observedGeneration']}, the status of {observed}"
    if condition(body, "Available").get("status") != "True" and ready["reason"] != "ScaledToZero":
        yield "Ready, but not Available"
    if condition(body, "Stalled"):
        yield "Ready, but Stalled"
