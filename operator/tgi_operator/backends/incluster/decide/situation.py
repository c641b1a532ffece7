"""All that a decision may look at: the resource, what should be in the cluster, and what was seen there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import ConditionType, InClusterStatus, LastFailure, Status, UnhealthyPod
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.incluster.desired import names, render
from tgi_operator.backends.incluster.desired.autoscaler import Means, autoscaler
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.desired.strategy import Strategy
from tgi_operator.backends.incluster.kinds import CLAIM, DEPLOYMENT, HPA, JOB, POD, SCALED_OBJECT, Kind, Object
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.incluster.seen.children import Child
from tgi_operator.backends.incluster.seen.pods import Trouble
from tgi_operator.backends.plans import schedules
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.plans.verdicts import Verdict, with_verdict
from tgi_operator.backends.resource import Owner, Resource

MOST_PODS = 10
"""Unhealthy pods in the status, at the most."""


@dataclass(frozen=True)
class Situation:
    """All that a rule may look at.

    `desired` is None where the spec cannot work; `problem` says why. `foreign` names an object that is in the way.
    `monitored`: the cluster has PodMonitors. `room`: GPUs are free for one more pod; None where nobody asked.
    `progress` is the last line of the job that fetches weights. `means` is what the cluster has for scaling.
    """

    resource: Resource
    desired: Desired | None
    problem: Problem | None
    children: Mapping[Child, Object]
    now: datetime
    foreign: str | None = None
    monitored: bool = False
    room: bool | None = None
    progress: str = ""
    means: Means = field(default_factory=Means)

    @property
    def owner(self) -> Owner:
        """Whose the objects are."""
        return self.resource.owner

    @property
    def spec(self) -> Spec:
        """The spec."""
        return self.resource.spec

    @property
    def status(self) -> Status:
        """The status last written."""
        return self.resource.status

    def child(self, kind: Kind, name: str) -> Object | None:
        """Return an object of the resource, None where it is not there, or about to go."""
        found = self.children.get((kind.name, name))
        return None if found is None or "deletionTimestamp" in found["metadata"] else found

    def all(self, kind: Kind) -> tuple[Object, ...]:
        """Return all objects of a kind, by name."""
        return tuple(body for (found, _), body in sorted(self.children.items()) if found == kind.name)

    @property
    def deployment(self) -> Object | None:
        """The living Deployment."""
        return self.child(DEPLOYMENT, self.owner.name)

    @property
    def deployed(self) -> "Deployed | None":
        """The living Deployment, as far as it decides."""
        return Deployed(self.deployment) if self.deployment is not None else None

    @property
    def available(self) -> bool:
        """Whether requests are answered now."""
        return self.deployed is not None and self.deployed.ready > 0

    @property
    def live_revision(self) -> str | None:
        """The revision that the Deployment asks for."""
        return self.deployed.revision if self.deployed else None

    @property
    def servers(self) -> tuple[Object, ...]:
        """Pods that serve, or should."""
        return tuple(pod for pod in self.all(POD) if names.is_server(pod["metadata"].get("labels", {})))

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What keeps pods of the live revision from serving, without the Hub token.

        Pods that ended for good, such as evicted ones, say something only as long as none of their successors serves.
        """
        token = self.desired.token if self.desired else None
        mine = (pod for pod in self.servers if revision_of(pod) == self.live_revision)
        told = (pod for pod in mine if not self.available or not pods.is_over(pod))
        found = (each for pod in told if (each := pods.trouble(pod)) is not None)
        return tuple(replace(each, message=pods.redacted(each.message, token)) for each in found)

    def ahead(self, shown: Status) -> Status:
        """Return the status to write before steps that lead to `shown`.

        What the API server refused of this very spec is refused until it is taken: a status that goes to and fro with
        each try tells nothing.
        """
        said = (Reason.REJECTED_BY_KUBERNETES, self.resource.generation)
        refused = any(
            (each.reason, each.observed_generation) == said
            for each in self.status.conditions
            if each.type == ConditionType.STALLED
        )
        return self.status if refused else shown

    @property
    def wanted_replicas(self) -> int:
        """The pods wanted: those of the spec, else those that the Deployment asks for, else the lower bound, or one."""
        if self.spec.replicas is not None:
            return self.spec.replicas
        if self.deployed:
            return self.deployed.wanted
        kept = self.status.desired_replicas or 1
        return self.bounds.clamp(kept) if self.spec.autoscaling is not None and self.desired is not None else kept

    @property
    def bounds(self) -> Bounds:
        """The bounds that are in force now. Only where the spec has autoscaling that can work."""
        assert self.spec.autoscaling is not None  # noqa: S101 - see above
        return schedules.in_force(self.spec.autoscaling, self.now)

    @property
    def claims(self) -> tuple[Object, ...]:
        """The claim that was made for the weights, where there is one."""
        claim = self.children.get((CLAIM.name, names.claim_name(self.owner)))
        ours = claim is not None and names.is_ours(claim["metadata"].get("labels", {}), self.owner)
        return (claim,) if claim is not None and ours else ()

    def waited_seconds(self, reason: Reason) -> float:
        """Return how long nothing has changed, where `reason` is what there is to say now."""
        since = self.status.in_cluster.last_progress_time if self.status.in_cluster else None
        if since is None or not self._is_as_before(reason, self.live_revision):
            return 0.0
        return (self.now - parse(since)).total_seconds()

    def _is_as_before(self, reason: str, revision: str | None) -> bool:
        """Return whether the status says the same of the same revision and as many pods."""
        before = next((each.reason for each in self.status.conditions if each.type == ConditionType.READY), None)
        ready = self.deployed.ready if self.deployed else 0
        return (_kind(before), self.status.update_revision, self.status.ready_replicas) == (
            _kind(reason),
            revision,
            ready,
        )

    def show(self, verdict: Verdict, *, replacement: str | None = None, **fields: Any) -> Status:
        """Return the status with `verdict` and what was seen; `fields` of Status go on top.

        `replacement` is how pods are about to be replaced, where that is not how the living Deployment does it.
        """
        deployed, owner = self.deployed, self.owner
        revision = fields.get("update_revision", self.status.update_revision)
        before = self.status.in_cluster.last_progress_time if self.status.in_cluster else None
        as_before = before is not None and self._is_as_before(verdict.reason, revision)
        seen = InClusterStatus(
            deployment_name=owner.name,
            service_name=owner.name,
            claim_name=self._claim_name,
            last_progress_time=before if as_before else rfc3339(self.now),
            replacement=replacement or (deployed.strategy.replacement if deployed else None),
            unhealthy_pods=tuple(
                UnhealthyPod(name=each.pod, reason=each.reason, message=each.message)
                for each in sorted(self.troubles, key=lambda each: each.pod)[:MOST_PODS]
            )
            or None,
        )
        shown: dict[str, Any] = {
            "backend": "InCluster",
            "replicas": deployed.replicas if deployed else 0,
            "ready_replicas": deployed.ready if deployed else 0,
            "desired_replicas": self.wanted_replicas,
            "selector": ",".join(f"{name}={value}" for name, value in names.selector(owner).items()),
            "url": render.url(owner),
            "in_cluster": seen,
        }
        return with_verdict(self.status, self.resource.generation, verdict, rfc3339(self.now), **shown | fields)

    @property
    def _claim_name(self) -> str | None:
        """Name of the claim with the weights."""
        target = self.spec.in_cluster
        if target is None or target.cache is None:
            return self.spec.model.claim[0] if self.spec.model.claim else None
        return target.cache.claim_name or names.claim_name(self.owner)

    def remember(self, found: Trouble) -> LastFailure:
        """Return the memory of a failure, with the time it was first seen so."""
        revision = self.live_revision or "none"
        failure = LastFailure(
            time=rfc3339(self.now),
            revision=revision,
            reason=found.reason,
            message=found.message,
            pod=found.pod,
            container=found.container,
            exit_code=found.exit_code,
        )
        before = self.status.last_failure
        same = before is not None and before.model_copy(update={"time": failure.time}) == failure
        return before if before is not None and same else failure


@dataclass(frozen=True)
class Wanted(Situation):
    """A situation whose spec can work."""

    desired: Desired

    @property
    def job(self) -> Object | None:
        """The job that fetches the weights wanted."""
        return self.child(JOB, self.desired.job["metadata"]["name"]) if self.desired.job else None

    @property
    def up_to_date(self) -> bool:
        """Whether the Deployment asks for the revision wanted."""
        return self.live_revision == self.desired.revision

    @property
    def autoscaler(self) -> Object | None:
        """The object that should change the number of pods."""
        if self.spec.autoscaling is None:
            return None
        return autoscaler(self.owner, self.spec.autoscaling, self.bounds, self.means)

    @property
    def former_autoscalers(self) -> tuple[Object, ...]:
        """Our objects that must no longer change the number of pods."""
        wanted = self.autoscaler["kind"] if self.autoscaler is not None else None
        found = (self.child(kind, self.owner.name) for kind in (HPA, SCALED_OBJECT) if kind.name != wanted)
        return tuple(
            each for each in found if each is not None and names.is_ours(each["metadata"]["labels"], self.owner)
        )

    @property
    def applied_replicas(self) -> int | None:
        """The number of pods to apply; None where it is an autoscaler's."""
        follows = self.spec.autoscaling is not None and self.deployed is not None
        return None if follows and self.deployed and not self.deployed.owns_replicas else self.wanted_replicas


@dataclass(frozen=True)
class Deployed:
    """What a Deployment says of itself."""

    body: Object

    @property
    def revision(self) -> str | None:
        """The revision it asks for."""
        return revision_of(self.body["spec"]["template"])

    @property
    def strategy(self) -> Strategy:
        """How it replaces pods."""
        return Strategy.of(self.body)

    @property
    def wanted(self) -> int:
        """Pods it asks for."""
        return int(self.body["spec"].get("replicas", 1))

    @property
    def owns_replicas(self) -> bool:
        """Whether that number is a field that the operator applies."""
        return bool(self.body.get("ownsReplicas"))

    @property
    def replicas(self) -> int:
        """Pods there are."""
        return int(self._status.get("replicas", 0))

    @property
    def ready(self) -> int:
        """Pods that serve, of any revision."""
        return int(self._status.get("readyReplicas", 0))

    @property
    def updated(self) -> int:
        """Pods of its present revision."""
        return int(self._status.get("updatedReplicas", 0))

    @property
    def observed(self) -> bool:
        """Whether the Deployment controller has seen it as it is now."""
        return int(self._status.get("observedGeneration", 0)) >= int(self.body["metadata"]["generation"])

    @property
    def replaced(self) -> bool:
        """Whether all pods are of its present revision, so that no old one is left."""
        return self.observed and self.updated == self.replicas > 0

    @property
    def complete(self) -> bool:
        """Whether as many pods as it asks for serve its present revision, and no other is left."""
        available = int(self._status.get("availableReplicas", 0))
        return self.replaced and self.wanted == self.updated == self.ready == available

    def condition(self, kind: str) -> Mapping[str, Any]:
        """Return a condition, empty where there is none."""
        return next((each for each in self._status.get("conditions", ()) if each["type"] == kind), {})

    @property
    def overdue(self) -> bool:
        """Whether a rollout made no progress within its deadline."""
        return self.observed and self.condition("Progressing").get("reason") == "ProgressDeadlineExceeded"

    @property
    def _status(self) -> Mapping[str, Any]:
        return self.body.get("status") or {}


def _kind(reason: str | None) -> str | None:
    """Return the reason, but one for all that pods on their way are said to be."""
    return Reason.UPDATING if reason in (Reason.CREATING, Reason.PROGRESS_DEADLINE_EXCEEDED) else reason


def revision_of(body: Object) -> str | None:
    """Return the revision on the labels of a pod or a pod template."""
    found = body["metadata"].get("labels", {}).get(names.LABEL_REVISION)
    return str(found) if found is not None else None
