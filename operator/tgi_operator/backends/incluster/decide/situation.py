"""All inputs to a decision: the resource, the desired objects, and the objects observed in the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Unpack

from tgi_operator.api import conditions
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import ConditionType, InClusterStatus, LastFailure, Status, UnhealthyPod
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.incluster.desired import names, render
from tgi_operator.backends.incluster.desired.autoscaler import Means, autoscaler
from tgi_operator.backends.incluster.desired.monitor import Monitoring, monitor
from tgi_operator.backends.incluster.desired.network_policy import network_policy
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.desired.strategy import Strategy
from tgi_operator.backends.incluster.kinds import (
    CLAIM,
    DEPLOYMENT,
    HPA,
    JOB,
    NETWORK_POLICY,
    POD,
    SCALED_OBJECT,
    Kind,
    Object,
    condition,
)
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.incluster.seen.capacity import Room
from tgi_operator.backends.incluster.seen.children import Child
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans import schedules
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.plans.verdicts import StatusFields, Verdict, with_verdict
from tgi_operator.backends.resource import Owner, Resource

_HIDDEN = "The output of the container is not shown while the spec has a problem."

MOST_PODS = 10
"""The largest number of unhealthy pods that the status lists."""


@dataclass(frozen=True)
class Situation:
    """All inputs to a rule.

    `rendered` is None if the spec has a `problem`, or if the resource is being deleted. `foreign` reports a
    conflicting object. `monitoring` is how Prometheus finds pods, or None if the cluster does not serve that API.
    `means` are the scaling facilities of the cluster. `serving_pods_from` and `node_wait_seconds` are the settings
    with these names. The other fields are read only when a rule asks for them and are None until then: `room`, the
    room for one more pod; `last_good`, the pod template of the last revision that served, empty if it is gone;
    `progress`, the last line that the Job printed; `warning`, the newest Warning Event about the Job or its pod;
    `claims`, the PVCs of a resource that is being deleted; and `claims_hidden`, whether the operator is not allowed
    to list them.
    """

    resource: Resource
    rendered: Desired | None
    problem: Problem | None
    children: Mapping[Child, Object]
    now: datetime
    foreign: str | None = None
    monitoring: Monitoring | None = None
    means: Means = field(default_factory=Means)
    serving_pods_from: tuple[str, ...] | None = None
    node_wait_seconds: float = 0
    room: Room | None = None
    last_good: Object | None = None
    progress: str | None = None
    warning: str | None = None
    claims: tuple[Object, ...] | None = None
    claims_hidden: bool = False

    @property
    def owner(self) -> Owner:
        """The owner of the objects."""
        return self.resource.owner

    @property
    def status(self) -> Status:
        """The status last written."""
        return self.resource.status

    @property
    def spec(self) -> Spec:
        """The spec. Only available if it was rendered."""
        if self.resource.spec is None:
            raise LookupError("the spec cannot be read: a rule before `unworkable` must not need it")
        return self.resource.spec

    @property
    def desired(self) -> Desired:
        """The desired objects. Only available if they were rendered."""
        if self.rendered is None:
            raise LookupError("nothing was rendered: a rule before `unworkable` must not need it")
        return self.rendered

    @property
    def retained(self) -> str:
        """The objects that deletionPolicy Retain keeps."""
        if self.own_claim is None:
            return "Kubernetes garbage collection removes the pods; there is no PersistentVolumeClaim to keep."
        claim = f"{self.owner.namespace}/{names.claim_name(self.owner)}"
        kept = f"Kept PersistentVolumeClaim {claim} (deletionPolicy Retain)"
        return f"{kept}; Kubernetes garbage collection removes the pods."

    def child(self, kind: Kind, name: str) -> Object | None:
        """Return an object of the resource, or None if it does not exist or is being deleted."""
        found = self.children.get((kind.name, name))
        return None if found is None or "deletionTimestamp" in found["metadata"] else found

    def all(self, kind: Kind) -> tuple[Object, ...]:
        """Return all objects of a kind, by name."""
        return tuple(body for (found, _), body in sorted(self.children.items()) if found == kind.name)

    @property
    def deployed(self) -> "Deployed | None":
        """The live Deployment."""
        body = self.child(DEPLOYMENT, self.owner.name)
        return Deployed(body) if body is not None else None

    @property
    def available(self) -> bool:
        """Whether requests are accepted now."""
        return self.deployed is not None and self.deployed.ready > 0

    @property
    def live_revision(self) -> str | None:
        """The revision of the Deployment's pod template."""
        return self.deployed.revision if self.deployed else None

    @property
    def up_to_date(self) -> bool:
        """Whether the Deployment has the desired revision."""
        return self.live_revision == self.desired.revision

    @property
    def job(self) -> Object | None:
        """The Job that fetches the desired weights."""
        return self.child(JOB, self.desired.job["metadata"]["name"]) if self.desired.job else None

    @property
    def servers(self) -> tuple[Object, ...]:
        """TGI pods."""
        return tuple(pod for pod in self.all(POD) if names.is_server(pod["metadata"].get("labels", {})))

    @property
    def live_servers(self) -> tuple[Object, ...]:
        """TGI pods of the live revision."""
        return tuple(pod for pod in self.servers if names.revision(pod) == self.live_revision)

    @property
    def old_servers(self) -> tuple[Object, ...]:
        """TGI pods of a revision other than the desired one, if they have not ended and are not being deleted."""
        old = (pod for pod in self.servers if names.revision(pod) != self.desired.revision)
        return tuple(pod for pod in old if "deletionTimestamp" not in pod["metadata"] and not pods.is_over(pod))

    @property
    def in_place_only(self) -> bool:
        """Whether an old and a new pod must not run at the same time, because only one node can attach their volume."""
        volume = self.desired.volume
        return volume is not None and volume.of_one_node

    @property
    def unschedulable_seconds(self) -> float | None:
        """How long a pod of the live revision has not fit on any node, or None if there is no such pod."""
        since = [each for pod in self.live_servers if (each := pods.unschedulable_since(pod)) is not None]
        return max(0.0, (self.now - min(since)).total_seconds()) if since else None

    @property
    def lacks_room(self) -> bool:
        """Whether a pod of the live revision would fit if other pods used less, or left the node of its volume."""
        return any(pods.lacks_room(pod, bound=self.in_place_only) for pod in self.live_servers)

    @cached_property
    def troubles(self) -> tuple[Trouble, ...]:
        """The problem that keeps pods of the live revision from serving, without secret values.

        Pods that ended permanently, such as evicted ones, count only while no pod is ready.
        """
        secrets = self.rendered.secrets if self.rendered else None
        relevant = (pod for pod in self.live_servers if not self.available or not pods.is_over(pod))
        found = [each for pod in relevant if (each := pods.trouble(pod, secrets)) is not None]
        # Without the spec's Secrets, nothing redacts what a container prints.
        return tuple(
            each if secrets is not None or each.container is None else replace(each, message=_HIDDEN) for each in found
        )

    @property
    def bounds(self) -> Bounds:
        """The bounds in effect now. Only available if the spec has valid autoscaling."""
        assert self.spec.autoscaling is not None  # noqa: S101 - see the docstring
        return schedules.in_force(self.spec.autoscaling, self.now)

    @property
    def wanted_replicas(self) -> int:
        """The desired replica count: the spec's, else the Deployment's, else the stored one within the bounds, or 1."""
        spec = self.resource.spec
        if spec is not None and spec.replicas is not None:
            return spec.replicas
        if self.deployed:
            return self.deployed.wanted
        kept = 1 if self.status.desired_replicas is None else self.status.desired_replicas
        scaled = spec is not None and spec.autoscaling is not None and self.rendered is not None
        return self.bounds.clamp(kept) if scaled else kept

    @property
    def applied_replicas(self) -> int | None:
        """The replica count to apply, or None if an autoscaler sets it."""
        left = self.spec.autoscaling is not None and self.deployed is not None and not self.deployed.owns_replicas
        return None if left else self.wanted_replicas

    @property
    def autoscaler(self) -> Object | None:
        """The object that should set the replica count."""
        if self.spec.autoscaling is None:
            return None
        return autoscaler(self.owner, self.spec.autoscaling, self.bounds, self.means)

    @property
    def monitor(self) -> Object | None:
        """The object by which Prometheus should scrape the pods."""
        target = self.spec.in_cluster
        assert target is not None  # noqa: S101 - the controller chose this backend by it
        return monitor(self.owner, target, self.monitoring) if self.monitoring is not None else None

    @property
    def network_policy(self) -> Object | None:
        """The object that should decide which pods reach the serving pods."""
        return network_policy(self.owner, self.serving_pods_from)

    @property
    def former(self) -> tuple[Object, ...]:
        """Objects that the resource should no longer have: an autoscaler or a NetworkPolicy that is not desired."""
        wanted = {each["kind"] for each in (self.autoscaler, self.network_policy) if each is not None}
        optional = (kind for kind in (HPA, SCALED_OBJECT, NETWORK_POLICY) if kind.name not in wanted)
        found = (self.child(kind, self.owner.name) for kind in optional)
        return tuple(
            each for each in found if each is not None and names.is_ours(each["metadata"]["labels"], self.owner)
        )

    @property
    def own_claim(self) -> Object | None:
        """The PVC that the operator created for the weights, including one that is being deleted."""
        return self.children.get((CLAIM.name, names.claim_name(self.owner)))

    @property
    def unchanged_seconds(self) -> float:
        """How long reason, revision and number of ready pods in the status have been the same."""
        since = self.status.in_cluster.last_progress_time if self.status.in_cluster else None
        return (self.now - parse(since)).total_seconds() if since is not None else 0.0

    def waited_seconds(self, reason: Reason) -> float:
        """Return how long nothing has changed, if `reason` is the reason to report now."""
        return self.unchanged_seconds if self._is_as_before(reason, self.live_revision) else 0.0

    def _is_as_before(self, reason: str, revision: str | None) -> bool:
        """Return whether the status reports the same reason, revision and number of ready pods."""
        before = conditions.get(self.status.conditions, ConditionType.READY)
        ready = self.deployed.ready if self.deployed else 0
        return (_phase(before.reason if before else None), self.status.update_revision, self.status.ready_replicas) == (
            _phase(reason),
            revision,
            ready,
        )

    def report(self, verdict: Verdict, *, replacement: str | None = None, **fields: Unpack[StatusFields]) -> Status:
        """Return the status with `verdict` and the observed state. `fields` of Status take precedence.

        `replacement` is how pods are about to be replaced, if the live Deployment replaces them differently.
        """
        deployed, owner = self.deployed, self.owner
        revision = fields.get("update_revision", self.status.update_revision)
        before = self.status.in_cluster.last_progress_time if self.status.in_cluster else None
        as_before = before is not None and self._is_as_before(verdict.reason, revision)
        observed: StatusFields = {
            "backend": "InCluster",
            "replicas": deployed.replicas if deployed else 0,
            "ready_replicas": deployed.ready if deployed else 0,
            "desired_replicas": self.wanted_replicas,
            "selector": ",".join(f"{name}={value}" for name, value in names.selector(owner).items()),
            "url": render.url(owner),
            "last_handled_request": self.resource.handled_request,
            "in_cluster": InClusterStatus(
                deployment_name=owner.name,
                service_name=owner.name,
                claim_name=self._claim_name,
                last_progress_time=before if as_before else rfc3339(self.now),
                rolled_back_from=self.rendered.rolled_back_from if self.rendered else None,
                replacement=replacement or (deployed.strategy.replacement if deployed else None),
                unhealthy_pods=self._unhealthy_pods,
            ),
        }
        if self.foreign is not None:
            observed |= {"replicas": 0, "ready_replicas": 0, "url": None}
        return with_verdict(self.status, self.resource.generation, verdict, rfc3339(self.now), **(observed | fields))

    @property
    def _unhealthy_pods(self) -> tuple[UnhealthyPod, ...] | None:
        found = sorted(self.troubles, key=lambda each: each.pod)[:MOST_PODS]
        return tuple(UnhealthyPod(name=each.pod, reason=each.reason, message=each.message) for each in found) or None

    @property
    def _claim_name(self) -> str | None:
        """Name of the PVC with the weights."""
        spec = self.resource.spec
        if spec is None:
            return self.status.in_cluster.claim_name if self.status.in_cluster else None
        cache = spec.in_cluster.cache if spec.in_cluster is not None else None
        if cache is None:
            return spec.model.claim[0] if spec.model.claim else None
        return cache.claim_name or names.claim_name(self.owner)

    def last_failure(self, trouble: Trouble) -> LastFailure:
        """Return the failure to remember. It keeps its time while it stays the same."""
        failure = LastFailure(
            time=rfc3339(self.now),
            revision=self.live_revision or "none",
            reason=trouble.reason,
            message=trouble.message,
            pod=trouble.pod,
            container=trouble.container,
            exit_code=trouble.exit_code,
        )
        before = self.status.last_failure
        same = before is not None and before.model_copy(update={"time": failure.time}) == failure
        return before if before is not None and same else failure


@dataclass(frozen=True)
class Deployed:
    """The state of a live Deployment."""

    body: Object

    @property
    def revision(self) -> str | None:
        """The revision of its pod template."""
        return names.revision(self.body["spec"]["template"])

    @property
    def strategy(self) -> Strategy:
        """How it replaces pods."""
        return Strategy.of(self.body)

    @property
    def wanted(self) -> int:
        """Its spec.replicas."""
        return int(self.body["spec"].get("replicas", 1))

    @property
    def owns_replicas(self) -> bool:
        """Whether the operator applies spec.replicas."""
        return bool(self.body.get("ownsReplicas"))

    @property
    def replicas(self) -> int:
        """Pods that exist."""
        return int(self._status.get("replicas", 0))

    @property
    def ready(self) -> int:
        """Ready pods of any revision."""
        return int(self._status.get("readyReplicas", 0))

    @property
    def updated(self) -> int:
        """Pods of its current revision."""
        return int(self._status.get("updatedReplicas", 0))

    @property
    def observed(self) -> bool:
        """Whether the Deployment controller has observed its current generation."""
        return int(self._status.get("observedGeneration", 0)) >= int(self.body["metadata"]["generation"])

    @property
    def replaced(self) -> bool:
        """Whether all pods are of its current revision, so that no old one is left."""
        return self.observed and self.updated == self.replicas > 0

    @property
    def complete(self) -> bool:
        """Whether all desired pods of its current revision are ready, and no other pod is left."""
        available = int(self._status.get("availableReplicas", 0))
        return self.replaced and self.wanted == self.updated == self.ready == available

    @property
    def refusal(self) -> str | None:
        """The reason why the API server refuses its pods, or None if it does not."""
        failure = condition(self.body, "ReplicaFailure")
        return str(failure.get("message", "")) if failure.get("status") == "True" else None

    @property
    def overdue(self) -> bool:
        """Whether a rollout has missed its progress deadline."""
        return self.observed and condition(self.body, "Progressing").get("reason") == "ProgressDeadlineExceeded"

    @property
    def _status(self) -> Mapping[str, Any]:
        return self.body.get("status") or {}


def _phase(reason: str | None) -> str | None:
    """Return the reason, which is the same for all pods that are starting."""
    return Reason.UPDATING if reason in (Reason.CREATING, Reason.PROGRESS_DEADLINE_EXCEEDED) else reason
