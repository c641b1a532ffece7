"""All that a decision may look at: the resource, what it should be, and what was seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tgi_operator.api.autoscaling import Autoscaling
from tgi_operator.api.names import GROUP
from tgi_operator.api.problem import Problem
from tgi_operator.api.status import SageMakerStatus, Status
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans import schedules
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.plans.verdicts import Verdict, reconciling_seconds, with_verdict
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.desired.render import Desired, Place
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Endpoint, Observed

CONSISTENCY_SECONDS = 60
"""How long what AWS says may be behind what it did: its reads are eventually consistent."""


@dataclass(frozen=True)
class Situation:
    """All that a rule may look at. `desired` is None where the spec cannot work; `problem` says why."""

    resource: Resource
    place: Place
    desired: Desired | None
    problem: Problem | None
    observed: Observed
    now: datetime

    @property
    def endpoint(self) -> Endpoint | None:
        """The live endpoint."""
        return self.observed.endpoint

    @property
    def status(self) -> Status:
        """The status last written."""
        return self.resource.status

    @property
    def remembered(self) -> SageMakerStatus:
        """What was last written of SageMaker."""
        return self.status.sage_maker or SageMakerStatus(endpoint_name=self.place.endpoint)

    @property
    def available(self) -> bool:
        """Whether requests are answered now."""
        return self.endpoint is not None and self.endpoint.status in state.SERVING

    @property
    def foreign(self) -> bool:
        """Whether the endpoint of that name is somebody else's.

        It is ours by its tags; or, where some of ours were taken away, because it was seen to be ours before and runs a
        configuration that we named. Tags that were not asked for were seen to be ours before.
        """
        endpoint = self.endpoint
        if endpoint is None or endpoint.tags is None or names.is_owned(endpoint.tags, self.resource.owner):
            return False
        known = endpoint.arn == self.remembered.endpoint_arn and self.live_revision in self.remembered.revisions
        return names.is_anothers(endpoint.tags, self.resource.owner) or not known

    @property
    def unconfirmed(self) -> bool:
        """Whether the endpoint may be one that was created a moment ago, whose tags cannot be read yet."""
        endpoint = self.endpoint
        return (
            endpoint is not None
            and endpoint.tags is not None
            and not names.is_claimed(endpoint.tags)
            and self.live_revision == self.status.update_revision
            and self.remembered.endpoint_arn is None
            and self.settling
        )

    @property
    def settling(self) -> bool:
        """Whether AWS was asked for a change so short a time ago that its reads may not show it yet."""
        return self.settling_seconds > 0

    @property
    def settling_seconds(self) -> float:
        """How long what AWS says may still be of before the last request."""
        asked = self.remembered.request_time
        passed = (self.now - parse(asked)).total_seconds() if asked is not None else CONSISTENCY_SECONDS
        return max(0.0, CONSISTENCY_SECONDS - max(0.0, passed))

    @property
    def live_revision(self) -> str | None:
        """The revision that the endpoint runs, None where its configuration is not ours."""
        return self.endpoint.revision(self.place.endpoint) if self.endpoint else None

    def show(self, verdict: Verdict, **fields: Any) -> Status:
        """Return the status with `verdict` and what was seen; `fields` of SageMakerStatus and Status go on top."""
        endpoint = self.endpoint
        own = {name: fields.pop(name) for name in tuple(fields) if name in SageMakerStatus.model_fields}
        live = self.live_revision
        revisions = own.pop("revisions", self.remembered.revisions)
        if live is not None and live not in revisions:
            revisions = (*revisions, live)
        seen: dict[str, Any] = {
            "endpoint_arn": endpoint.arn if endpoint else None,
            "endpoint_status": endpoint.status if endpoint else None,
            "endpoint_config_name": endpoint.config_name if endpoint else None,
            "model_name": names.set_name(self.place.endpoint, live) if live else None,
            "failure_reason": endpoint.failure_reason if endpoint else None,
            "revisions": revisions,
        }
        shown: dict[str, Any] = {
            "backend": "SageMaker",
            "replicas": (endpoint.current_count if endpoint else None) or 0,
            "ready_replicas": ((endpoint.current_count if endpoint else None) or 0) if self.available else 0,
            "desired_replicas": self.wanted_replicas,
            "url": self.place.url,
            "current_revision": live,
            "sage_maker": self.remembered.model_copy(update=seen | own),
        }
        return with_verdict(self.status, self.resource.generation, verdict, rfc3339(self.now), **shown | fields)

    @property
    def autoscaling(self) -> Autoscaling | None:
        """What the spec says of autoscaling."""
        return self.resource.spec.autoscaling

    @property
    def registered(self) -> bool:
        """Whether the endpoint is a scalable target, as far as is known; AWS forgets one with its endpoint."""
        remembered = self.remembered
        return remembered.scaling_revision is not None and remembered.scaling_request_time is not None

    @property
    def bounds(self) -> Bounds:
        """The bounds that are in force now. Only where the spec has autoscaling that can work."""
        assert self.autoscaling is not None  # noqa: S101 - see above
        return schedules.in_force(self.autoscaling, self.now)

    @property
    def reconciling_seconds(self) -> float:
        """How long the resource has been Reconciling; 0 where it is not."""
        return reconciling_seconds(self.status, self.now)

    @property
    def wanted_replicas(self) -> int:
        """The instances wanted: those of the spec, else those that are there, else the lower bound, or one."""
        if self.resource.spec.replicas is not None:
            return self.resource.spec.replicas
        live = self.endpoint.desired_count if self.endpoint else None
        if live:
            return live
        kept = self.status.desired_replicas or 1
        return self.bounds.clamp(kept) if self.autoscaling is not None and self.desired is not None else kept


@dataclass(frozen=True)
class Wanted(Situation):
    """A situation whose spec can work."""

    desired: Desired

    @property
    def up_to_date(self) -> bool:
        """Whether the endpoint runs the wanted configuration, as far as its name tells."""
        return self.endpoint is not None and self.endpoint.config_name == self.desired.set_name

    @property
    def asked(self) -> bool:
        """Whether the wanted revision is the one that was asked of AWS last."""
        return self.status.update_revision == self.desired.revision

    @property
    def modified(self) -> bool:
        """Whether AWS changed the endpoint since the status was written before the last request.

        An older time is that of a read from before it.
        """
        before = self.remembered.last_modified_time
        return self.endpoint is not None and before is not None and parse(self.endpoint.last_modified) > parse(before)

    @property
    def attempted(self) -> bool:
        """Whether AWS tried to roll out the wanted revision on the living endpoint.

        The status says which revision was about to be asked for, how the endpoint was before that, and, written
        afterwards, that AWS accepted it. After a crash in between, a new FailureReason tells the same. An endpoint that
        is as it was before the request was read too early.
        """
        if self.endpoint is None or not self.asked or not self.modified:
            return False
        news = self.endpoint.failure_reason not in (None, self.remembered.failure_reason)
        return bool(self.remembered.update_accepted) or news

    @property
    def tag_keys(self) -> tuple[str, ...] | None:
        """Keys of the tags that come from the spec, now or when they were last set on the endpoint."""
        now = {key for key in self.desired.tags if not key.startswith(f"{GROUP}/")}
        return tuple(sorted(now.union(self.remembered.tag_keys or ()))) or None

    @property
    def stale_tag_keys(self) -> frozenset[str]:
        """Keys of tags that the spec no longer has."""
        return frozenset(self.remembered.tag_keys or ()) - frozenset(self.desired.tags)
