"""A resource and its observed objects in the cluster, as the controllers of Kubernetes would leave them."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tgi_operator.api.identifiers import FIELD_MANAGER
from tgi_operator.api.incluster import InCluster
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.incluster.decide import chain
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import living, names, render
from tgi_operator.backends.incluster.desired.autoscaler import Means
from tgi_operator.backends.incluster.desired.monitor import Monitoring
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.kinds import POD_MONITOR, Object
from tgi_operator.backends.incluster.seen.capacity import Room
from tgi_operator.backends.incluster.seen.children import Child
from tgi_operator.backends.plans.planning import Ask, Plan
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.secret_values import SecretValue, SecretValues

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OWNER = Owner("c-1", "ml", "zephyr-7b", "u-1")
TOKEN = "hf_" + "s3cr3t" * 5
FETCHER = "ghcr.io/tgi-operator/tgi-operator:0.1.0"
MINIMAL: dict[str, Any] = {"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"}, "inCluster": {}}
CACHED = {"cache": {"size": "100Gi"}}


def spec(changes: Mapping[str, Any] | None = None, **in_cluster: Any) -> dict[str, Any]:
    """Return a spec with top-level fields and fields of inCluster that differ from the smallest one."""
    return MINIMAL | dict(changes or {}) | {"inCluster": in_cluster}


def resource(
    described: Mapping[str, Any],
    status: Status | None = None,
    *,
    owner: Owner = OWNER,
    generation: int = 1,
    deleting: bool = False,
    render_request: str = "",
    request: str = "",
) -> Resource:
    spec_read = Spec.model_validate(described)
    return Resource(
        owner,
        generation,
        deleting,
        spec_read,
        status or Status(),
        fields=described,
        render_request=render_request,
        request=request,
    )


def desired(
    described: Mapping[str, Any],
    token: str | None = None,
    *,
    env: Mapping[str, str] | None = None,
    image: str | None = None,
    owner: Owner = OWNER,
) -> Desired:
    wanted = resource(described, owner=owner)
    return render.desired(wanted, target(wanted), secret_values(token, env), FETCHER, image)


def secret_values(token: str | None, env: Mapping[str, str] | None = None) -> SecretValues:
    variables = {name: SecretValue(value, f"s-1/{name}") for name, value in (env or {}).items()}
    return SecretValues(None if token is None else SecretValue(token, "s-1"), variables)


def target(wanted: Resource) -> InCluster:
    assert wanted.spec is not None
    assert wanted.spec.in_cluster is not None
    return wanted.spec.in_cluster


def container(wanted: Desired) -> Object:
    """Return TGI's container."""
    found: Object = next(each for each in wanted.template["spec"]["containers"] if each["name"] == "tgi")
    return found


def environment(wanted: Desired) -> dict[str, str]:
    """Return the variables of TGI's container that have plain values."""
    return {each["name"]: each["value"] for each in container(wanted)["env"] if "value" in each}


def pod(name: str, revision: str | None, *, owner: Owner = OWNER, **status: Any) -> Object:
    """Return a pod that serves, except for the fields in `status`."""
    labels = names.server_labels(owner) | ({names.LABEL_REVISION: revision} if revision else {})
    running = {"name": "tgi", "ready": True, "started": True, "restartCount": 0, "state": {"running": {}}}
    served: Object = {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
        "containerStatuses": [running],
    }
    metadata = {"name": name, "namespace": owner.namespace, "uid": f"uid-{name}", "labels": labels}
    metadata["creationTimestamp"] = "2026-01-31T11:00:00Z"
    gpu = {"name": "tgi", "image": "tgi:3.3.7", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    placed = {"nodeName": "gpu-1", "containers": [gpu]}
    return {"kind": "Pod", "metadata": metadata, "spec": placed, "status": served | status}


NOT_READY = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]


def starting(name: str, revision: str | None) -> Object:
    """Return a pod that loads the model."""
    loading = {"name": "tgi", "ready": False, "started": False, "restartCount": 0, "state": {"running": {}}}
    return pod(name, revision, conditions=NOT_READY, containerStatuses=[loading])


def crashed(name: str, revision: str | None, words: str = "panicked", *, restarts: int = 3, code: int = 1) -> Object:
    """Return a pod whose container ended, and is about to be restarted."""
    state = {
        "name": "tgi",
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}},
        "lastState": {"terminated": {"exitCode": code, "reason": "Error", "message": words}},
    }
    return pod(name, revision, conditions=NOT_READY, containerStatuses=[state])


def unschedulable(
    name: str, revision: str | None, words: str = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
) -> Object:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    scheduled["lastTransitionTime"] = rfc3339(NOW)
    found = pod(name, revision, phase="Pending", conditions=[scheduled], containerStatuses=[])
    del found["spec"]["nodeName"]
    return found


@dataclass
class Cluster:
    """One resource and its objects. `held`: another user or controller set the replica count."""

    described: Mapping[str, Any] = field(default_factory=lambda: MINIMAL)
    token: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    status: Status = field(default_factory=Status)
    generation: int = 1
    now: datetime = NOW
    monitored: bool = False
    room: Room | None = Room.NONE
    last_good: Object | None = field(default_factory=dict)
    node_wait_seconds: float = 0
    progress: str | None = ""
    warning: str | None = ""
    render_request: str = ""
    request: str = ""
    foreign: str | None = None
    deleting: bool = False
    means: Means = field(default_factory=lambda: Means(custom_metrics=True))
    serving_pods_from: tuple[str, ...] | None = None
    held: bool = False
    children: dict[Child, Object] = field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return resource(
            self.described,
            self.status,
            generation=self.generation,
            deleting=self.deleting,
            render_request=self.render_request,
            request=self.request,
        )

    @property
    def desired(self) -> Desired:
        jobs = [body for (kind, _), body in self.children.items() if kind == "Job"]
        deployment = copy.deepcopy(self.children.get(("Deployment", OWNER.name)))
        if deployment is not None and "deletionTimestamp" in deployment["metadata"]:
            deployment = None
        pods = [body for (kind, _), body in self.children.items() if kind == "Pod"]
        servers = [body for body in pods if names.is_server(body["metadata"].get("labels", {}))]
        wanted, values = target(self.resource), secret_values(self.token, self.env)
        return living.desired(self.resource, wanted, values, FETCHER, deployment, jobs, servers)

    @property
    def seen(self) -> Situation:
        claims = tuple(body for (kind, _), body in self.children.items() if kind == "PersistentVolumeClaim")
        return Situation(
            self.resource,
            self.desired,
            None,
            copy.deepcopy(self.children),
            self.now,
            foreign=self.foreign,
            monitoring=Monitoring(POD_MONITOR) if self.monitored else None,
            room=self.room,
            last_good=self.last_good,
            node_wait_seconds=self.node_wait_seconds,
            progress=self.progress,
            warning=self.warning,
            claims=claims if self.deleting else None,
            means=self.means,
            serving_pods_from=self.serving_pods_from,
        )

    def plan(self) -> Plan[Step]:
        planned = chain.decide(self.seen)
        assert not isinstance(planned, Ask)
        return planned

    def step(self) -> Plan[Step]:
        """Plan, and apply the plan."""
        planned = self.plan()
        for step in (*planned.steps, *planned.collection):
            self.act(step)
        self.status = planned.status
        return planned

    def act(self, step: Step) -> None:
        body = step.manifest if isinstance(step, Apply) else step.body
        child = (str(body["kind"]), str(body["metadata"]["name"]))
        if isinstance(step, Apply) and step.manager != FIELD_MANAGER:
            self.held = True
            self.children[child]["spec"] |= body["spec"]
        elif isinstance(step, Apply):
            self.put(body)
        else:
            del self.children[child]

    def put(self, manifest: Object) -> None:
        """Add an object as it was applied; a controller has not seen it yet."""
        made = copy.deepcopy(manifest)
        if made["kind"] == "Deployment":
            self._own_replicas(made)
        before = self.children.get((made["kind"], made["metadata"]["name"]))
        meta: Object = before["metadata"] if before else {"uid": f"uid-{len(self.children)}", "generation": 0}
        changed = before is None or before["spec"] != made["spec"]
        made["metadata"] |= {"uid": meta["uid"], "generation": meta["generation"] + changed}
        made["metadata"]["creationTimestamp"] = rfc3339(NOW)
        self.add({**made, "status": before["status"] if before else {}})

    def _own_replicas(self, made: Object) -> None:
        """Give an applied Deployment the replica count that the API server would set: 1 by default."""
        made["ownsReplicas"] = "replicas" in made["spec"]
        if made["ownsReplicas"]:
            self.held = False
            return
        before = self.children.get(("Deployment", made["metadata"]["name"]))
        made["spec"]["replicas"] = before["spec"]["replicas"] if before and self.held else 1

    def scale(self, replicas: int) -> None:
        """Let the autoscaler set the replica count."""
        self.held = True
        self.deployment["spec"]["replicas"] = replicas
        self.deployment["ownsReplicas"] = False

    def hpa(self, **conditions: tuple[str, str, str]) -> None:
        """Let the HorizontalPodAutoscaler report these conditions, each with status, reason and message."""
        body = self.children[("HorizontalPodAutoscaler", OWNER.name)]
        said = [
            {"type": kind, "status": status, "reason": reason, "message": message}
            for kind, (status, reason, message) in conditions.items()
        ]
        body["status"] = {"conditions": said}

    def add(self, *bodies: Object) -> None:
        for body in bodies:
            self.children[(body["kind"], body["metadata"]["name"])] = body

    @property
    def deployment(self) -> Object:
        return self.children[("Deployment", OWNER.name)]

    @property
    def revision(self) -> str:
        """The revision in the Deployment."""
        return str(self.deployment["spec"]["template"]["metadata"]["labels"][names.LABEL_REVISION])

    def pods(self, *bodies: Object, updated: int | None = None) -> None:
        """Set the existing pods of TGI, and the Deployment's status accordingly."""
        self.children = {child: body for child, body in self.children.items() if child[0] != "Pod"}
        self.add(*bodies)
        living = [body for body in bodies if body["status"]["phase"] not in ("Failed", "Succeeded")]
        mine = [body for body in living if body["metadata"]["labels"][names.LABEL_REVISION] == self.revision]
        ready = sum({"type": "Ready", "status": "True"} in body["status"]["conditions"] for body in living)
        self.deployment["status"] = {
            "observedGeneration": self.deployment["metadata"]["generation"],
            "replicas": len(living),
            "updatedReplicas": len(mine) if updated is None else updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": [],
        }

    def finish_jobs(self) -> None:
        for (kind, _), body in self.children.items():
            if kind == "Job":
                body["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}

    def serve(self) -> None:
        """Let all wanted pods serve the current revision."""
        wanted = self.deployment["spec"]["replicas"]
        self.pods(*(pod(f"p-{self.revision}-{number}", self.revision) for number in range(wanted)))

    def settle(self) -> "Cluster":
        """Plan and apply, with controllers that do their part, until nothing is left to do."""
        for _ in range(10):
            planned = self.step()
            self.finish_jobs()
            if ("Deployment", OWNER.name) in self.children:
                self.serve()
            if not (*planned.steps, *planned.collection) and self.status.conditions[0].status == "True":
                return self
        raise AssertionError(f"never settles: {self.status}")

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def shown(self) -> Object:
        """Return the resource as a client sees it."""
        metadata: Object = {"name": OWNER.name, "namespace": OWNER.namespace, "generation": self.generation}
        if self.deleting:
            metadata["deletionTimestamp"] = "2026-01-31T12:00:00Z"
        return {"metadata": metadata, "status": self.status.model_dump(mode="json", by_alias=True, exclude_none=True)}

    def condition(self, kind: str) -> Object | None:
        """Return a condition of the status."""
        conditions: list[Object] = self.shown()["status"].get("conditions", [])
        return next((each for each in conditions if each["type"] == kind), None)
