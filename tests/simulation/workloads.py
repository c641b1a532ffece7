"""A cluster's handling of Deployments, Jobs and PVCs: controllers, scheduler and kubelets on virtual time.

A volume that only one node at a time can attach stays attached to the node of the pods that use it.
"""

import asyncio
import hashlib
import json
import math
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Any

from simulation.api_server import ApiServer, RefusedError
from tgi_operator.backends.incluster.kinds import Object

POLL_SECONDS = 5.0
"""How often a pod that waits for a condition checks it again."""

HASH = "pod-template-hash"
JOB_NAME = "batch.kubernetes.io/job-name"

_FIRST = "gpu-1"
_ALLOCATABLE = {"cpu": "96", "memory": "1152Gi", "ephemeral-storage": "1Ti", "pods": "110"}


@dataclass(frozen=True)
class Faults:
    """The faults that keep pods from serving now; None: no fault.

    `crash` is an exit code and the last output, of all pods or of those with the environment variable in `crash_of`.
    """

    unschedulable: str | None = None
    image_pull: str | None = None
    crash: tuple[int, str] | None = None
    crash_of: tuple[str, str] | None = None
    fetch: tuple[int, str] | None = None
    unhealthy: bool = False


@dataclass
class Workloads:
    """The controllers and kubelets of a cluster."""

    server: ApiServer
    gpus: int = 8
    startup_seconds: float = 60.0
    end_seconds: float = 3.0
    fetch_seconds: float = 120.0
    faults: Faults = field(default_factory=Faults)
    refused_attachments: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _others: dict[str, int] = field(default_factory=dict)
    _lost: Counter[str] = field(default_factory=Counter)
    _pods: int = 0
    _waiting: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def change(self, **faults: Any) -> None:
        """Set other faults from now on; None ends one."""
        self.faults = replace(self.faults, **faults)
        self._changed.set()
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Watch the API server from now on, with one GPU node in the cluster."""
        self.server.listeners.append(self._heard)
        self._create_node(_FIRST, self.gpus)

    def add_node(self, name: str, gpus: int) -> None:
        """Add another node."""
        self._others[name] = gpus
        self._create_node(name, gpus)

    def _create_node(self, name: str, gpus: int) -> None:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64"}
        status = {"allocatable": {"nvidia.com/gpu": gpus, **_ALLOCATABLE}}
        self.server.create("nodes", "", {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status})

    async def close(self) -> None:
        """End all pods."""
        self.server.listeners.remove(self._heard)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _heard(self, plural: str, _change: str, _body: Object) -> None:
        if plural in ("deployments", "jobs", "pods", "persistentvolumeclaims") and not self._waiting:
            self._waiting = True
            self.server.loop.call_later(0.2, self._sync, context=Context())

    def _sync(self) -> None:
        self._waiting = False
        for body in list(self.server.objects["persistentvolumeclaims"].values()):
            self._write("persistentvolumeclaims", body, {"phase": "Bound"})
        for body in list(self.server.objects["deployments"].values()):
            self._deployment(body)
        for body in list(self.server.objects["jobs"].values()):
            self._job(body)

    # Controllers

    def _deployment(self, body: Object) -> None:
        spec, wanted = body["spec"], int(body["spec"]["replicas"])
        revision = _digest(spec["template"])
        self._replica_set(body, revision)
        new: list[Object] = []
        old: list[Object] = []
        for pod in self._owned(body):
            (new if pod["metadata"]["labels"].get(HASH) == revision else old).append(pod)
        surge, missing = _limits(spec["strategy"], wanted)
        missed = min(wanted - len(new), wanted + surge - len(new) - len(old))
        new += [self._create_pod(body, revision) for _ in range(missed)]
        for pod in new[wanted:]:
            self._end(pod)
        spare = sum(map(_is_ready, new + old)) - (wanted - missing)
        for pod in sorted(old, key=_is_ready):
            if not _is_ready(pod) or spare > 0:
                spare -= _is_ready(pod)
                self._end(pod)
        self._write("deployments", body, self._deployment_status(body, new[:wanted], old, wanted))

    def _replica_set(self, body: Object, revision: str) -> None:
        """Keep the template of this revision, and those of the last ones before it."""
        meta, template = body["metadata"], body["spec"]["template"]
        labels = {**template["metadata"].get("labels", {}), HASH: revision}
        mine = [each for each in self.server.objects["replicasets"].values() if is_owned(each, meta["uid"])]
        if not any(each["metadata"]["labels"][HASH] == revision for each in mine):
            reference = {"uid": meta["uid"], "name": meta["name"], "kind": "Deployment"}
            metadata = {"name": f"{meta['name']}-{revision}", "labels": labels, "ownerReferences": [reference]}
            kept = {**template, "metadata": {**template["metadata"], "labels": labels}}
            self.server.create("replicasets", meta["namespace"], {"metadata": metadata, "spec": {"template": kept}})
            for each in mine[: -int(body["spec"].get("revisionHistoryLimit", 10))]:
                self.server.delete("replicasets", *_key(each))

    def _deployment_status(self, body: Object, new: list[Object], old: list[Object], wanted: int) -> Object:
        before, deadline = body.get("status") or {}, body["spec"].get("progressDeadlineSeconds", 600)
        ready = sum(map(_is_ready, new + old))
        counts = (len(new), len(old), ready, body["metadata"]["generation"])
        progressed = before.get("progressed")
        if progressed is None or progressed[0] != list(counts):
            progressed = [list(counts), self.server.clock.now()]
            self.server.loop.call_later(deadline + 1, self._sync, context=Context())
        complete = len(new) == wanted == ready and not old
        late = not complete and self.server.clock.now() - progressed[1] > deadline
        progressing = "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated"
        return {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": len(new) + len(old),
            "updatedReplicas": len(new),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "progressed": progressed,
            "conditions": [
                {"type": "Available", "status": str(ready >= wanted), "reason": "MinimumReplicas", "message": ""},
                {"type": "Progressing", "status": str(not late), "reason": progressing, "message": ""},
            ],
        }

    def _job(self, body: Object) -> None:
        pods = self._owned(body)
        phases = [pod["status"].get("phase") for pod in pods]
        if any(each["status"] == "True" for each in body.get("status", {}).get("conditions", ())):
            return
        failed = phases.count("Failed") + self._lost[body["metadata"]["uid"]]
        if "Succeeded" in phases:
            condition = {"type": "Complete", "status": "True", "reason": "CompletionsReached", "message": ""}
        elif self._fails_job(body, pods):
            condition = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": ""}
        elif failed > int(body["spec"].get("backoffLimit", 6)):
            condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": ""}
        else:
            # With a podFailurePolicy, a pod is replaced only once it has failed.
            if phases.count("Failed") == len(pods) and not self._ending(body):
                self._create_pod(body, "")
            self._write("jobs", body, {"active": 1, "failed": failed})
            return
        condition["lastTransitionTime"] = self.server.clock.rfc3339()
        self._write("jobs", body, {"active": 0, "failed": failed, "conditions": [condition]})

    def _fails_job(self, body: Object, pods: list[Object]) -> bool:
        """Return whether a pod ended with an exit code that ends the job by its podFailurePolicy."""
        rules = body["spec"].get("podFailurePolicy", {}).get("rules", ())
        final = {code for rule in rules for code in rule.get("onExitCodes", {}).get("values", ())}
        ended = [_container(pod).get("state", {}).get("terminated", {}) for pod in pods]
        return any(each.get("exitCode") in final for each in ended)

    # Pods

    @property
    def created(self) -> int:
        """How many pods were created."""
        return self._pods

    def _create_pod(self, owner: Object, revision: str) -> Object:
        self._pods += 1
        template = owner["spec"]["template"]
        meta = owner["metadata"]
        added = {HASH: revision} if revision else {JOB_NAME: meta["name"]}
        labels = {**template["metadata"].get("labels", {}), **added}
        pod: Object = {
            "metadata": {
                "name": f"{meta['name']}-{self._pods}",
                "labels": labels,
                "ownerReferences": [{"uid": meta["uid"], "name": meta["name"], "kind": owner["kind"]}],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        made = self.server.create("pods", meta["namespace"], pod)
        self._run(self._live(made, fetches=owner["kind"] == "Job"))
        return made

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self.server.loop.create_task(coroutine, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, pod: Object, *, fetches: bool) -> None:
        """Start a pod, and keep it in the state of its faults until it is deleted."""
        try:
            await self._schedule(pod)
            await self._attach(pod)
            await self._pull(pod)
            await (self._fetch(pod) if fetches else self._serve(pod))
        except RefusedError:
            # It was deleted.
            return

    async def _schedule(self, pod: Object) -> None:
        await asyncio.sleep(1)
        while (why := self.faults.unschedulable) is not None or (node := self._node_with_room(pod)) is None:
            message = why or self._why_no_room(pod)
            scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            self._report(pod, {"phase": "Pending", "conditions": [scheduled]})
            await asyncio.sleep(POLL_SECONDS)
        self.server.edit("pods", *_key(pod), {"spec": {"nodeName": node}})

    async def _attach(self, pod: Object) -> None:
        """Wait until no pod on another node uses the pod's volume that only one node can attach."""
        self._container(pod, {"waiting": {"reason": "ContainerCreating"}})
        told = False
        while (holder := self._holder_elsewhere(pod)) is not None:
            if not told:
                told = True
                self.refused_attachments += 1
                text = f'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) {holder}'
                self._warn(pod, "FailedAttachVolume", text)
            await asyncio.sleep(POLL_SECONDS)

    async def _pull(self, pod: Object) -> None:
        await asyncio.sleep(2)
        while (text := self.faults.image_pull) is not None:
            self._container(pod, {"waiting": {"reason": "ImagePullBackOff", "message": text}})
            await self._changed.wait()

    async def _serve(self, pod: Object) -> None:
        restarts, ended = 0, None
        while True:
            state = {"running": {"startedAt": self.server.clock.rfc3339()}}
            self._container(pod, state, restarts=restarts, last=ended)
            await asyncio.sleep(self.startup_seconds)
            while (crash := self._crash(pod)) is None:
                ready = not self.faults.unhealthy
                self._container(pod, state, restarts=restarts, ready=ready, started=True, last=ended)
                await self._changed.wait()
            code, text = crash
            restarts += 1
            ended = {"exitCode": code, "reason": "Error", "message": text}
            self._container(pod, {"waiting": {"reason": "CrashLoopBackOff"}}, restarts=restarts, last=ended)
            await asyncio.sleep(min(10 * 2**restarts, 300))

    def _crash(self, pod: Object) -> tuple[int, str] | None:
        variables = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0].get("env", ())}
        wanted = self.faults.crash_of
        return self.faults.crash if wanted is None or variables.get(wanted[0]) == wanted[1] else None

    async def _fetch(self, pod: Object) -> None:
        self._container(pod, {"running": {"startedAt": self.server.clock.rfc3339()}})
        self.server.logs[_key(pod)] = "12.5 of 25.0 GB (50 %)"
        await asyncio.sleep(self.fetch_seconds)
        code, text = self.faults.fetch or (0, "")
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": text}
        self._container(pod, {"terminated": ended}, phase="Failed" if code else "Succeeded")

    def _container(
        self,
        pod: Object,
        state: Object,
        *,
        restarts: int = 0,
        ready: bool = False,
        started: bool = False,
        last: Object | None = None,
        phase: str = "",
    ) -> None:
        """Report a pod by the state of its container."""
        found = {
            "name": pod["spec"]["containers"][0]["name"],
            "state": state,
            "ready": ready,
            "started": started,
            "restartCount": restarts,
            **({"lastState": {"terminated": last}} if last else {}),
        }
        conditions = [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": str(ready), "lastTransitionTime": self._ready_since(pod, ready=ready)},
        ]
        shown = phase or ("Running" if "waiting" not in state or restarts else "Pending")
        self._report(pod, {"phase": shown, "conditions": conditions, "containerStatuses": [found]})

    def _ready_since(self, pod: Object, *, ready: bool) -> str:
        present = self.server.get("pods", *_key(pod)) or pod
        for each in present["status"].get("conditions", ()):
            if each["type"] == "Ready" and each["status"] == str(ready):
                return str(each["lastTransitionTime"])
        return self.server.clock.rfc3339()

    def _report(self, pod: Object, status: Object) -> None:
        present = self.server.get("pods", *_key(pod))
        if present is None or "deletionTimestamp" in present["metadata"]:
            raise RefusedError(404, "the pod is gone")
        if present["status"] != status:
            self.server.set_status("pods", *_key(pod), status)

    def evict(self, namespace: str, name: str) -> None:
        """Evict a pod as a drain does."""
        pod = self.server.objects["pods"][namespace, name]
        disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": ""}
        conditions = [*pod["status"].get("conditions", ()), disrupted]
        self.server.set_status("pods", namespace, name, {**pod["status"], "conditions": conditions})
        self._end(pod)

    def _end(self, pod: Object) -> None:
        """Delete a pod, which takes a while to end."""
        meta = self.server.clock.rfc3339()
        self.server.edit("pods", *_key(pod), {"metadata": {"deletionTimestamp": meta, "finalizers": ["kubelet"]}})
        self._run(self._terminate(pod))

    async def _terminate(self, pod: Object) -> None:
        await asyncio.sleep(self.end_seconds)
        present = self.server.get("pods", *_key(pod))
        if present is None:
            return
        for job in self.server.objects["jobs"].values():
            if is_owned(present, job["metadata"]["uid"]) and not _is_ignored(job, present):
                self._lost[job["metadata"]["uid"]] += 1
        self.server.edit("pods", *_key(pod), {"metadata": {"finalizers": None}})

    def _node_with_room(self, pod: Object) -> str | None:
        """Return the node with the fewest pods that has the GPUs and suits the required pod affinity."""
        nodes = [
            name
            for name, gpus in {_FIRST: self.gpus, **self._others}.items()
            if self._suits(pod, name) and sum(map(_gpus, self._on(name))) + _gpus(pod) <= gpus
        ]
        return min(nodes, key=lambda name: len(self._on(name)), default=None)

    def _suits(self, pod: Object, node: str) -> bool:
        """Return whether the required pod affinity, which is by hostname, allows the node."""
        found = pod["spec"].get("affinity", {}).get("podAffinity", {})
        for term in found.get("requiredDuringSchedulingIgnoredDuringExecution", ()):
            labels = term["labelSelector"]["matchLabels"].items()
            alike = {
                name: any(labels <= each["metadata"]["labels"].items() for each in self._on(name))
                for name in (_FIRST, *self._others)
            }
            # The first pod can run anywhere.
            if any(alike.values()) and not alike[node]:
                return False
        return True

    def _why_no_room(self, pod: Object) -> str:
        nodes = (_FIRST, *self._others)
        apart = sum(not self._suits(pod, name) for name in nodes)
        short = f"{len(nodes) - apart} Insufficient nvidia.com/gpu"
        other = f", {apart} node(s) didn't match pod affinity rules" if apart else ""
        return f"0/{len(nodes)} nodes are available: {short}{other}."

    def _on(self, node: str) -> list[Object]:
        """Return the pods that run or end on a node."""
        pods = self.server.objects["pods"].values()
        return [
            each
            for each in pods
            if each["spec"].get("nodeName") == node and each["status"].get("phase") not in ("Succeeded", "Failed")
        ]

    def _holder_elsewhere(self, pod: Object) -> str | None:
        """Return a pod on another node that uses a volume of this pod that only one node can attach."""
        present = self.server.objects["pods"].get(_key(pod), pod)
        mine = {claim for claim in _claims(pod) if self._is_of_one_node(pod["metadata"]["namespace"], claim)}
        elsewhere = (name for name in (_FIRST, *self._others) if name != present["spec"]["nodeName"])
        for other in (each for name in elsewhere for each in self._on(name)):
            if other["metadata"]["namespace"] == pod["metadata"]["namespace"] and mine & _claims(other):
                return str(other["metadata"]["name"])
        return None

    def _is_of_one_node(self, namespace: str, claim: str) -> bool:
        body = self.server.get("persistentvolumeclaims", namespace, claim)
        return body is not None and body["spec"]["accessModes"] == ["ReadWriteOnce"]

    def _warn(self, pod: Object, reason: str, text: str) -> None:
        """Create a Warning Event about a pod."""
        meta = pod["metadata"]
        about = {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
        event = {
            "metadata": {"name": f"{meta['name']}.{reason}"},
            "type": "Warning",
            "reason": reason,
            "message": text,
            "note": text,
            "regarding": about,
            "involvedObject": about,
            "lastTimestamp": self.server.clock.rfc3339(),
        }
        self.server.create("events", meta["namespace"], event)

    def _ending(self, owner: Object) -> bool:
        """Return whether a pod of the owner is ending."""
        pods = self.server.objects["pods"].values()
        mine = (pod for pod in pods if is_owned(pod, owner["metadata"]["uid"]))
        return any("deletionTimestamp" in pod["metadata"] for pod in mine)

    def _owned(self, owner: Object) -> list[Object]:
        pods = self.server.objects["pods"].values()
        mine = (pod for pod in pods if is_owned(pod, owner["metadata"]["uid"]))
        return [pod for pod in mine if "deletionTimestamp" not in pod["metadata"]]

    def _write(self, plural: str, body: Object, status: Object) -> None:
        if body.get("status") != status:
            self.server.set_status(plural, *_key(body), status)


def is_owned(body: Object, uid: str) -> bool:
    """Return whether an object is owned by the one with the uid."""
    return any(each["uid"] == uid for each in body["metadata"].get("ownerReferences", ()))


def _is_ignored(job: Object, pod: Object) -> bool:
    """Return whether the job does not count the failure of a pod, because of one of the pod's conditions."""
    found = {each["type"] for each in pod["status"].get("conditions", ()) if each["status"] == "True"}
    return any(
        rule["action"] == "Ignore" and any(each["type"] in found for each in rule.get("onPodConditions", ()))
        for rule in job["spec"].get("podFailurePolicy", {}).get("rules", ())
    )


def _claims(pod: Object) -> set[str]:
    """Return the PVCs that a pod mounts."""
    volumes = (each.get("persistentVolumeClaim", {}) for each in pod["spec"].get("volumes", ()))
    return {each["claimName"] for each in volumes if each}


def _limits(strategy: Mapping[str, Any], wanted: int) -> tuple[int, int]:
    """Return how many pods a rollout can add and remove."""
    if strategy["type"] == "Recreate":
        return 0, wanted
    rolling = strategy["rollingUpdate"]
    return _count(rolling["maxSurge"], wanted, math.ceil), _count(rolling["maxUnavailable"], wanted, math.floor)


def _count(value: int | str, wanted: int, rounded: Any) -> int:
    return value if isinstance(value, int) else int(rounded(wanted * int(value.rstrip("%")) / 100))


def _container(pod: Object) -> Mapping[str, Any]:
    return next(iter(pod["status"].get("containerStatuses", ())), {})


def _is_ready(pod: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def _gpus(pod: Object) -> int:
    limits = (each.get("resources", {}).get("limits", {}) for each in pod["spec"]["containers"])
    return sum(int(each.get("nvidia.com/gpu", 0)) for each in limits)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def _key(body: Object) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]
