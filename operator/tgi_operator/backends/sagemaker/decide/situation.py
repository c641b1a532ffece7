"""All inputs to a decision: the resource, its desired state, and the observations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Unpack

from tgi_operator.api import conditions
from tgi_operator.api.autoscaling import Autoscaling
from tgi_operator.api.identifiers import GROUP
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import MOST_TAG_KEYS, ConditionStatus, ConditionType, SageMakerStatus, Status
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.keys import Key
from tgi_operator.backends.naming import is_revision
from tgi_operator.backends.plans import schedules
from tgi_operator.backends.plans.planning import Need
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.plans.verdicts import StatusFields, Verdict, with_verdict
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker.aws.operations import Part
from tgi_operator.backends.sagemaker.decide import memory
from tgi_operator.backends.sagemaker.desired import names, render
from tgi_operator.backends.sagemaker.desired.places import Place
from tgi_operator.backends.sagemaker.desired.render import Desired
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Endpoint, Observed

CONSISTENCY_SECONDS = 60
"""Seconds by which AWS's reads may lag behind its writes, because they are eventually consistent."""

_ROLLOUT_REASONS = frozenset(
    {
        Reason.CREATING,
        Reason.UPDATING,
        Reason.SYSTEM_UPDATING,
        Reason.ROLLING_BACK,
        Reason.REPLACING,
        Reason.SCALING,
    }
)
"""Reasons for Reconciling that do not indicate failed upkeep."""


@dataclass(frozen=True)
class Situation:
    """All inputs to a rule.

    `rendered` is None if the spec cannot work, and `problem` is the reason. `name_problem` is the reason why the
    namespace is not allowed to use the endpoint name of the spec.
    """

    resource: Resource
    place: Place
    rendered: Desired | None
    problem: Problem | None
    observed: Observed
    now: datetime
    name_problem: Problem | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        """The live endpoint."""
        return self.observed.endpoint

    @property
    def living(self) -> Endpoint:
        """The live endpoint, for rules that come after `absent`. Raises LookupError if there is none."""
        if self.observed.endpoint is None:
            raise LookupError(f'there is no endpoint "{self.place.endpoint}"')
        return self.observed.endpoint

    @property
    def status(self) -> Status:
        """The status last written."""
        return self.resource.status

    @property
    def spec(self) -> Spec:
        """The spec, for rules that come after `unworkable`. Raises LookupError if it is unreadable."""
        if self.resource.spec is None:
            raise LookupError("the spec is unreadable")
        return self.resource.spec

    @cached_property
    def desired(self) -> Desired:
        """The desired objects on SageMaker, for rules after `unworkable`. Raises LookupError if there are none.

        A revision that was rendered from the same fields is kept. A new version of the operator may render them
        differently, and must not start a rollout. The live configuration takes precedence over the status.
        """
        if self.rendered is None:
            raise LookupError("the spec cannot work")
        requested = self.status.update_revision
        same = {self.rendered.rendered_from, self.rendered.former_rendered_from}
        config_tags = self.observed.parts.get(Part.CONFIG) or {}
        if self.live_revision is not None and config_tags.get(names.TAG_RENDERED_FROM) in same:
            return replace(self.rendered, revision=self.live_revision)
        if requested is not None and is_revision(requested) and self.remembered.rendered_from in same:
            return replace(self.rendered, revision=requested)
        return self.rendered

    @property
    def remembered(self) -> SageMakerStatus:
        """The status last written for this endpoint on SageMaker."""
        written = self.status.sage_maker
        if written is not None and written.endpoint_name == self.place.endpoint:
            return written
        return SageMakerStatus(endpoint_name=self.place.endpoint)

    @cached_property
    def memory(self) -> SageMakerStatus:
        """The status last written, with the observations since then."""
        if self.observed.outage is not None or self.observed.denied:
            return self.remembered
        live = self.live_revision
        set_name = names.set_name(self.place.endpoint, live) if live else None
        return memory.observed(self.remembered, self.endpoint, live, set_name)

    @property
    def available(self) -> ConditionStatus:
        """Whether the endpoint accepts requests now."""
        if self.observed.outage is not None or self.observed.denied:
            return ConditionStatus.UNKNOWN
        if self.endpoint is None or self.foreign is not None:
            return ConditionStatus.FALSE
        if self.endpoint.status not in state.KNOWN:
            return ConditionStatus.UNKNOWN
        return ConditionStatus.TRUE if self.endpoint.status in state.SERVING else ConditionStatus.FALSE

    @property
    def foreign(self) -> str | None:
        """The reason why the endpoint with that name is not this resource's, or None if it is or does not exist.

        The tags show that it is ours. If some of our tags were removed, it is ours if it runs a configuration that we
        named and that has all of them. If the tags were not read now, this process found them to be ours before, or the
        list shows the endpoint as it was then.
        """
        endpoint, owner = self.endpoint, self.resource.owner
        if endpoint is None or endpoint.tags is None or self.was_created_for_it:
            return None
        if names.is_owned(self._evidence, owner) and self.name_problem is None:
            return None
        tags = ", ".join(f"{key}={value}" for key, value in names.identifying_tags(owner).items())
        return (
            f'Endpoint "{self.place.endpoint}" in {self.place.region}: exists, but its tags do not name this resource; '
            f"add the tags {tags} to hand over the endpoint to this resource, or create a TGIEndpoint with another "
            "spec.sageMaker.endpointName"
        )

    @property
    def has_lost_tags(self) -> bool:
        """Whether the endpoint runs a configuration that we named, and lacks our tags without having another's."""
        endpoint, owner = self.endpoint, self.resource.owner
        if endpoint is None or endpoint.tags is None or self.live_revision is None:
            return False
        return not names.is_owned(endpoint.tags, owner) and not names.is_anothers(endpoint.tags, owner)

    @property
    def was_created_for_it(self) -> bool:
        """Whether the uid in the tags is this resource's: another resource of the same name would take it over."""
        if self.endpoint is None or self.endpoint.tags is None:
            return self.endpoint is not None
        tags, owner = self._evidence, self.resource.owner
        return names.is_owned(tags, owner) and tags.get(names.TAG_UID) == owner.uid

    @property
    def _evidence(self) -> Mapping[str, str]:
        """The tags that show the owner of the endpoint: its own, or those of its configuration if it has lost them."""
        own = self.living.tags or {}
        return self.observed.parts.get(Part.CONFIG) or {} if self.has_lost_tags else own

    @property
    def is_name_shared(self) -> bool:
        """Whether another TGIEndpoint may have the same endpoint name."""
        return self.place.endpoint != names.endpoint_name(self.resource.key)

    @property
    def predecessor(self) -> Key | None:
        """The other TGIEndpoint that can create the endpoint with that name, or None if this one can.

        The last owner of an endpoint with that name comes first, then those whose status shows that it was theirs, and
        then the oldest.
        """
        last, rivals = self.observed.last_owner, self.resource.rivals or ()
        if last is not None:
            owner = Key(last.namespace, last.name)
            own = (last.cluster, owner) == (self.resource.owner.cluster, self.resource.key)
            return None if own else owner
        shown = self.remembered.endpoint_arn or self.remembered.endpoint_status
        claim = (shown is None, self.resource.created, self.resource.key)
        first = min(((not rival.owned, rival.created, rival.key) for rival in rivals), default=claim)
        return first[2] if first < claim else None

    @property
    def retained(self) -> str:
        """The objects that deletionPolicy Retain keeps."""
        return (
            f'Kept endpoint "{self.place.endpoint}", its endpoint configuration and its model (deletionPolicy Retain); '
            "the endpoint continues to be billed."
        )

    @property
    def unconfirmed(self) -> bool:
        """Whether the endpoint may have been created a moment ago, so that its tags cannot be read yet."""
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
        """Whether a change was requested so recently that AWS's reads may not show it yet."""
        return self.settling_seconds > 0

    @property
    def settling_seconds(self) -> float:
        """The seconds for which AWS's reads may still be older than the last request."""
        asked = self.remembered.request_time
        passed = (self.now - parse(asked)).total_seconds() if asked is not None else CONSISTENCY_SECONDS
        # A time far in the future is not the operator's, whatever its clock.
        return max(0.0, CONSISTENCY_SECONDS - max(0.0, passed)) if passed > -CONSISTENCY_SECONDS else 0.0

    @property
    def live_revision(self) -> str | None:
        """The revision that the endpoint runs, or None if its configuration is not ours."""
        return self.endpoint.revision(self.place.endpoint) if self.endpoint else None

    @property
    def trusted(self) -> bool:
        """Whether the status reports only a rollout or a healthy endpoint.

        Any other status may hide failed upkeep, so everything is read before such a status reports Ready again.
        """
        reconciling = conditions.get(self.status.conditions, ConditionType.RECONCILING)
        return not conditions.is_true(self.status.conditions, ConditionType.STALLED) and (
            reconciling is None or reconciling.reason in _ROLLOUT_REASONS
        )

    @property
    def was_complete(self) -> bool:
        """Whether the status reports this generation, with nothing left to do or to fix."""
        reported = self.status.observed_generation == self.resource.generation
        problems = (ConditionType.RECONCILING, ConditionType.STALLED)
        return reported and not any(conditions.is_true(self.status.conditions, kind) for kind in problems)

    def lacks(self, *needs: Need) -> frozenset[Need]:
        """Return those of `needs` that were not read."""
        return frozenset(needs) - self.observed.read

    def report(
        self, verdict: Verdict, remember: SageMakerStatus | None = None, **fields: Unpack[StatusFields]
    ) -> Status:
        """Return the status with `verdict` and the observations.

        `remember` replaces the memory. `fields` take precedence over everything else.
        """
        now, generation = rfc3339(self.now), self.resource.generation
        if self.observed.outage is not None or self.observed.denied:
            return with_verdict(self.status, generation, verdict, now, **fields)
        fields = {"last_handled_request": self.resource.handled_request, **fields}
        if self.name_problem is not None and self.was_created_for_it:
            warning = f"If the endpoint is deleted, the operator will not recreate it: {self.name_problem.message}"
            verdict = replace(verdict, message=f"{verdict.message} {warning}")
        never_requested = self.endpoint is None and self.status.sage_maker is None and remember is None
        if self.foreign is not None or never_requested:
            nothing: StatusFields = {"replicas": 0, "ready_replicas": 0, "url": None}
            if self.status.sage_maker is not None:
                nothing["sage_maker"] = memory.lost(self.remembered)
            return with_verdict(self.status, generation, verdict, now, **(nothing | fields))
        count = (self.endpoint.current_count if self.endpoint else None) or 0
        observed: StatusFields = {
            "backend": "SageMaker",
            "replicas": count,
            "ready_replicas": count if self.available is ConditionStatus.TRUE else 0,
            "desired_replicas": self.wanted_replicas,
            "url": self.place.url if self.endpoint is not None else None,
            "current_revision": self.live_revision,
            "sage_maker": remember or self.memory,
        }
        return with_verdict(self.status, generation, verdict, now, **(observed | fields))

    @property
    def autoscaling(self) -> Autoscaling | None:
        """The spec's autoscaling, or None if there is none or the spec is unreadable."""
        return self.resource.spec.autoscaling if self.resource.spec is not None else None

    @property
    def registered(self) -> bool:
        """Whether the endpoint is known as a scalable target. AWS deregisters one with its endpoint."""
        return self.remembered.scaling_revision is not None and self.remembered.scaling_request_time is not None

    @property
    def bounds(self) -> Bounds:
        """The bounds that are in effect now. Raises LookupError if the spec has no autoscaling."""
        if self.autoscaling is None:
            raise LookupError("the spec has no autoscaling")
        return schedules.in_force(self.autoscaling, self.now)

    @property
    def wanted_replicas(self) -> int:
        """The wanted instance count: the spec's, else the current one, else the lower bound, or one."""
        spec = self.resource.spec
        if spec is not None and spec.replicas is not None:
            return spec.replicas
        live = self.endpoint.desired_count if self.endpoint else None
        if live:
            return live
        kept = self.status.desired_replicas or 1
        return self.bounds.clamp(kept) if self.autoscaling is not None and self.rendered is not None else kept

    @property
    def up_to_date(self) -> bool:
        """Whether the endpoint runs the wanted configuration, judging by its name."""
        return self.endpoint is not None and self.endpoint.config_name == self.desired.set_name

    @property
    def requested(self) -> bool:
        """Whether the wanted revision is the one that was last requested."""
        return self.status.update_revision == self.desired.revision

    @property
    def modified(self) -> bool:
        """Whether AWS changed the endpoint since the status was written before the last request.

        An older time is that of a read before the request.
        """
        before = self.remembered.last_modified_time
        return self.endpoint is not None and before is not None and parse(self.endpoint.last_modified) > parse(before)

    @property
    def attempted(self) -> bool:
        """Whether AWS tried to roll out the wanted revision on the live endpoint.

        The status contains the revision that was about to be requested and the state of the endpoint before the
        request. After the request, the status also shows that AWS accepted it. After a crash in between, a new
        FailureReason shows the same. If the endpoint has not changed since before the request, it was read too early.
        """
        if self.endpoint is None or not self.requested or not self.modified:
            return False
        news = self.endpoint.failure_reason not in (None, self.remembered.failure_reason)
        return bool(self.remembered.update_accepted) or news

    @property
    def kept_image(self) -> str | None:
        """The image that a spec without a version keeps if the last request fails.

        An image that the spec names belongs only to the last request. None means that of the live model, or the newest
        image.
        """
        return self.desired.image if self.follows_image else None

    @property
    def follows_image(self) -> bool:
        """Whether the spec leaves the image to the operator, which keeps the one that runs."""
        return render.follows_running_image(self.spec.runtime)

    @property
    def running_image(self) -> str | None:
        """The running or requested image that AWS shows, or None if it shows none."""
        shown = self.endpoint.image if self.endpoint is not None else None
        return shown or self.observed.image

    @property
    def modelled_revision(self) -> str | None:
        """The revision whose model shows the image to keep: the live one, else the one last requested."""
        requested = self.status.update_revision
        if self.live_revision is not None or self.status.image is None:
            return self.live_revision
        return requested if requested is not None and is_revision(requested) else None

    @property
    def has_unproven_image(self) -> bool:
        """Whether only the status shows the image to keep, and a model may show it too."""
        unread = bool(self.lacks(Need.LIVE_MODEL)) and self.modelled_revision is not None
        return unread and self.follows_image and self.running_image is None

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """Keys of the tags that come from the spec, now or when they were last set on the endpoint."""
        now = {key for key in self.desired.tags if not key.startswith(f"{GROUP}/")}
        before = sorted(self._former_tag_keys - now)
        return tuple(sorted(now.union(before[: MOST_TAG_KEYS - len(now)])))

    @property
    def stale_tag_keys(self) -> frozenset[str]:
        """Keys of tags that the spec no longer has."""
        return self._former_tag_keys - frozenset(self.desired.tags)

    @property
    def _former_tag_keys(self) -> frozenset[str]:
        """Keys of tags that came from the spec, if a spec can have them."""
        reserved = (f"{GROUP}/", "aws:")
        return frozenset(key for key in self.remembered.tag_keys or () if not key.lower().startswith(reserved))
