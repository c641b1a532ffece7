"""The whole operator in one process and on virtual time: the real reconciler, backend and plan, on the AWS double's own
world and a small object store, with a kill -9 possible at every single call it makes.
"""

import asyncio
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning, meaning
from tgi_operator.backends.sagemaker.backend import SageMakerBackend
from tgi_operator.backends.sagemaker.desired.scaling_policies import resource_id
from tgi_operator.backends.sagemaker.sweep.endpoints import Fleet, Listed, Region, Tracked
from tgi_operator.backends.sagemaker.sweep.scalable_targets import Region as ScalingRegion
from tgi_operator.backends.sagemaker.sweep.scalable_targets import ScalingFleet
from tgi_operator.backends.sagemaker.sweep.scalable_targets import Tracked as TrackedScaling
from tgi_operator.control.events import EventRecorder
from tgi_operator.control.reconciler import Reconciler
from tgi_operator.control.store import Store, item
from tgi_operator.control.workqueue import WorkQueue
from tgi_operator.kube import APIError
from tgi_sandbox.aws.autoscaling.operations import AUTOSCALING_OPERATIONS
from tgi_sandbox.aws.autoscaling.targets import Target
from tgi_sandbox.aws.clock import Clock
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT
from tgi_sandbox.aws.lifecycle import Outcome
from tgi_sandbox.aws.operations import OPERATIONS
from tgi_sandbox.aws.operations.call import Call
from tgi_sandbox.aws.outcomes import Script
from tgi_sandbox.aws.validation import validate
from tgi_sandbox.aws.world import World

_OPERATIONS = {**OPERATIONS, **AUTOSCALING_OPERATIONS}

REGION = "eu-west-1"
CLUSTER = "cluster-1"
KEY = Key("ml", "falcon-7b")
ENDPOINT = "ml-falcon-7b"
OWNER = Owner(CLUSTER, *KEY, "uid-1")

SPEC: Mapping[str, Any] = {
    "model": {"uri": "hf://tiiuae/falcon-7b-instruct"},
    "sageMaker": {
        "region": REGION,
        "executionRoleARN": f"arn:aws:iam::{DEFAULT_ACCOUNT}:role/tgi-exec-falcon",
        "instanceType": "ml.g5.12xlarge",
    },
}


class Killed(BaseException):
    """The process is gone: nothing after this point of it happens."""


@dataclass
class Fuse:
    """Blows at the `calls`th call from now on, before or after the call had its effect."""

    calls: int | None = None
    after_effect: bool = False

    def burn(self) -> bool:
        """Count a call; return whether it is the last one."""
        if self.calls is None:
            return False
        self.calls -= 1
        return self.calls == 0


class Amazon:
    """The SageMaker API of the double, without HTTP; implements aws.API."""

    def __init__(self, world: World, fuse: Fuse) -> None:
        self.world = world
        self.fuse = fuse
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.cut: int = 0
        self.denied: set[str] = set()
        self.refusals: list[tuple[str, str]] = []
        self.refused: dict[str, tuple[str, str]] = {}

    async def call(self, region: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one operation. Raises AWSError."""
        last = self.fuse.burn()
        if last and not self.fuse.after_effect:
            raise Killed
        if operation in self.denied:
            raise AWSError(Meaning.ACCESS_DENIED, operation, "AccessDeniedException", "you are not authorized")
        if operation in self.refused:
            code, text = self.refused[operation]
            raise AWSError(meaning(code, text, 400), operation, code, text)
        try:
            response = self.direct(region, operation, request)
        except AWSError as error:
            self.refusals.append((operation, error.message))
            raise
        finally:
            if last:
                raise Killed
        if self.cut and not operation.startswith(("Describe", "List")):
            self.cut -= 1
            raise AWSError(meaning("", "", 500), operation, "ConnectionClosed", "the connection was closed")
        return response

    def direct(self, region: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one operation as anybody with an account could. Raises AWSError."""
        plain = copy.deepcopy(dict(request))
        try:
            validate(operation, plain)
            state = self.world.region(DEFAULT_ACCOUNT, region)
            response = _OPERATIONS[operation](Call(self.world, state, self.world.clock.now()), plain)
        except AwsError as error:
            raise AWSError(
                meaning(error.code, error.message, error.status), operation, error.code, error.message
            ) from None
        self.calls.append((operation, plain))
        return {name: _typed(name, value) for name, value in response.items()}

    async def close(self) -> None:
        """Nothing is open."""


def _typed(name: str, value: Any) -> Any:
    """Return a value as boto3 types it: times are datetimes."""
    if name.endswith("Time"):
        return datetime.fromtimestamp(value, UTC)
    if name in ("Endpoints", "ScalingActivities"):
        return [{key: _typed(key, inner) for key, inner in entry.items()} for entry in value]
    return value


class FreshFleet(Fleet):
    """A fleet whose list is always of this very moment."""

    def track(self, region: str, endpoint: str, key: Key) -> Tracked:
        """Return the record of an endpoint; nothing runs in the background."""
        return self._regions.setdefault(region, Region()).tracked.setdefault(key, Tracked(key, endpoint))

    async def listed(self, region: str, endpoint: str) -> Listed | None:
        """Return what ListEndpoints shows now."""
        return (await self._list(region)).get(endpoint)


class FreshScalingFleet(ScalingFleet):
    """A sweep that runs when it is told to."""

    def track(self, region: str, resource_id: str, key: Key) -> TrackedScaling:
        """Return the record of an endpoint; nothing runs in the background."""
        return self._regions.setdefault(region, ScalingRegion()).tracked.setdefault(resource_id, TrackedScaling(key))

    def sweep_all(self, times: int = 1) -> None:
        """Sweep every region."""
        for _ in range(times):
            for name, region in self._regions.items():
                asyncio.run(self.sweep(name, region))


@dataclass
class Cluster:
    """One TGIEndpoint in an API server, as far as the operator's client sees it; implements kube.Kube."""

    fuse: Fuse
    object: dict[str, Any] | None = None
    secrets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    version: int = 0
    writes: int = 0

    def apply(self, spec: Mapping[str, Any], uid: str = "uid-1") -> None:
        """Create the resource, or change its spec."""
        if self.object is None:
            meta = {"namespace": KEY.namespace, "name": KEY.name, "uid": uid, "generation": 0, "finalizers": []}
            self.object = {"metadata": meta, "spec": None, "status": {"observedGeneration": -1}}
        if self.object["spec"] != spec:
            self.object["spec"] = copy.deepcopy(dict(spec))
            self.object["metadata"]["generation"] += 1
        self._changed()

    def delete(self) -> None:
        """Ask for the deletion of the resource."""
        if self.object is not None:
            self.object["metadata"]["deletionTimestamp"] = "now"
            self._changed()

    def _changed(self) -> dict[str, Any]:
        assert self.object is not None
        self.version += 1
        self.object["metadata"]["resourceVersion"] = str(self.version)
        meta = self.object["metadata"]
        seen = copy.deepcopy(self.object)
        if "deletionTimestamp" in meta and not meta["finalizers"]:
            self.object = None
        return seen

    def _write(self) -> bool:
        last = self.fuse.burn()
        if last and not self.fuse.after_effect:
            raise Killed
        if self.object is None:
            raise APIError(404, "not found")
        self.writes += 1
        return last

    async def set_finalizers(self, namespace: str, name: str, version: str, finalizers: list[str]) -> dict[str, Any]:
        """Patch the finalizers."""
        last = self._write()
        assert self.object is not None
        if self.object["metadata"]["resourceVersion"] != version:
            raise APIError(409, "conflict")
        self.object["metadata"]["finalizers"] = finalizers
        return self._answer(last)

    async def set_status(self, namespace: str, name: str, change: dict[str, Any]) -> dict[str, Any]:
        """Patch the status."""
        last = self._write()
        assert self.object is not None
        self.object["status"] = _merged(self.object["status"], change)
        return self._answer(last)

    def _answer(self, last: bool) -> dict[str, Any]:
        seen = self._changed()
        if last:
            raise Killed
        return seen

    async def create_event(self, namespace: str, event: dict[str, Any]) -> None:
        """Keep an Event's type and reason."""
        self.events.append((event["type"], event["reason"]))

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret."""
        return self.secrets.get(name)


def _merged(old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


class Simulation:
    """A cluster with one resource, an AWS account, and an operator that can be killed."""

    def __init__(self) -> None:
        self.fuse = Fuse()
        self.world = World(Clock(speed=0))
        self.amazon = Amazon(self.world, self.fuse)
        self.cluster = Cluster(self.fuse)
        self.kills = 0
        self._start()

    def _start(self) -> None:
        """Start a process that knows nothing."""
        self.store = Store()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.fleet = FreshFleet(self.amazon, self.queue.add, interval=30, drift_reads_per_minute=30)
        self.scaling_fleet = FreshScalingFleet(self.amazon, self.queue.add, interval=60, now=self._now)
        backend = SageMakerBackend(self.amazon, self.fleet, self.scaling_fleet, self.cluster, self._now)
        backends = {"sageMaker": backend}
        kube: Any = self.cluster
        self.reconciler = Reconciler(kube, self.store, self.queue, backends, EventRecorder(kube, "test"), CLUSTER)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.world.clock.now(), UTC)

    def reconcile(self, kill_at: int | None = None, *, after_effect: bool = False, check: bool = False) -> None:
        """Reconcile once; with `kill_at`, the process is killed at that call, and another one starts."""
        self.fuse.calls, self.fuse.after_effect = kill_at, after_effect
        if self.cluster.object is not None:
            self.store.put(item(copy.deepcopy(self.cluster.object)))
        else:
            self.store.drop(KEY)
        if check:
            self.fleet.track(REGION, ENDPOINT, KEY).check = True
        try:
            asyncio.run(self._reconcile_once())
        except Killed:
            self.kills += 1
            self._start()
        finally:
            self.fuse.calls = None

    async def _reconcile_once(self) -> None:
        await self.reconciler._reconcile_safely(KEY)

    def edit_status(self, **change: Any) -> None:
        """Patch the status as a person could; None removes."""
        assert self.cluster.object is not None
        self.cluster.object["status"] = _merged(self.status, change)
        self.cluster._changed()

    def settle(self, minutes: int = 90) -> None:
        """Let time go on, with a look each minute as a sweep would ask for."""
        for _ in range(minutes):
            self.reconcile(check=True)
            self.world.clock.advance(60)
        self.reconcile()

    def script(self, outcome: Outcome, times: int | None = 1) -> None:
        """Decide how the endpoint's next change ends."""
        self.world.scripts.add(Script(ENDPOINT, outcome, times))

    def aws(self, operation: str, **request: Any) -> dict[str, Any]:
        """Do something in AWS as somebody else."""
        return self.amazon.direct(REGION, operation, request)

    def endpoint(self) -> dict[str, Any] | None:
        """Return DescribeEndpoint, None where there is none."""
        try:
            return self.aws("DescribeEndpoint", EndpointName=ENDPOINT)
        except AWSError:
            return None

    def target(self) -> Target | None:
        """Return the scalable target that the endpoint is, None where it is none."""
        region = self.world.region(DEFAULT_ACCOUNT, REGION)
        return region.scaling.targets.get(resource_id(ENDPOINT).lower())

    def load(self, requests: float | None) -> None:
        """Let so many requests be at the endpoint from now on."""
        region = self.world.region(DEFAULT_ACCOUNT, REGION)
        region.scaling.metrics.traffic[ENDPOINT].concurrent.set(self.world.clock.now(), requests)

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition, empty where there is none."""
        conditions = (self.cluster.object or {}).get("status", {}).get("conditions", ())
        return next((c for c in conditions if c["type"] == kind), {})

    @property
    def status(self) -> dict[str, Any]:
        """The resource's status."""
        assert self.cluster.object is not None
        status: dict[str, Any] = self.cluster.object["status"]
        return status

    def is_gone(self) -> bool:
        """Whether the resource is no longer there."""
        return self.cluster.object is None

    def is_ready(self) -> bool:
        """Whether `kubectl wait --for=condition=Ready` would return now."""
        if self.cluster.object is None:
            return False
        ready = self.condition("Ready")
        generation = self.cluster.object["metadata"]["generation"]
        return ready.get("status") == "True" and ready.get("observedGeneration", -1) >= generation

    def leftovers(self) -> list[str]:
        """Names of the models, configurations and endpoints there are."""
        region = self.world.region(DEFAULT_ACCOUNT, REGION)
        return sorted([*region.models, *region.configs, *region.endpoints])

    def asked(self, *operations: str) -> list[str]:
        """Return the names in all calls of some operations that AWS accepted, in order."""
        return [
            str(request.get("EndpointConfigName") or request.get("EndpointName") or request.get("ModelName"))
            for operation, request in self.amazon.calls
            if operation in operations
        ]
