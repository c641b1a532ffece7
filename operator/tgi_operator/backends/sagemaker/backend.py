"""The SageMaker backend: looks with as few calls as possible, and carries out the steps of a plan."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.sagemaker import SageMaker
from tgi_operator.api.status import LastFailure
from tgi_operator.api.times import rfc3339, rfc3339_exact
from tgi_operator.backends import secrets
from tgi_operator.backends.base import Retry
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import progressing, stalled, was_available, with_verdict
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker import scaling_reads
from tgi_operator.backends.sagemaker.allowed_roles import AllowedRoles
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.aws.client import API, SCALING, SageMakerAPI
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.decide.chain import plan
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.desired import checks, names, render, scaling_policies
from tgi_operator.backends.sagemaker.desired.render import Desired
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.scalable_target import Scalable
from tgi_operator.backends.sagemaker.seen.state import Endpoint, Observed, Part, Step
from tgi_operator.backends.sagemaker.sweep.endpoints import Fleet, Listed, Tracked
from tgi_operator.backends.sagemaker.sweep.scalable_targets import ScalingFleet
from tgi_operator.backends.secrets import SecretReader
from tgi_operator.settings import Settings

_STATUS_AFTER = {
    "CreateEndpoint": state.CREATING,
    "UpdateEndpoint": state.UPDATING,
    "UpdateEndpointWeightsAndCapacities": state.UPDATING,
    "DeleteEndpoint": state.DELETING,
}
"""EndpointStatus that an accepted call leads to."""

_ROLLOUT = frozenset({"CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint"})

_DESCRIBE = {
    Part.MODEL: ("DescribeModel", "ModelName", "ModelArn"),
    Part.CONFIG: ("DescribeEndpointConfig", "EndpointConfigName", "EndpointConfigArn"),
}
"""Operation, name in the request and ARN in the response, by part."""


class SageMakerBackend:
    """Implements backends.base.Backend for `spec.sageMaker`."""

    def __init__(
        self,
        api: API,
        fleet: Fleet,
        scaling_fleet: ScalingFleet,
        reader: SecretReader,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        roles: AllowedRoles | None = None,
    ) -> None:
        self._api = api
        self._roles = roles or AllowedRoles("")
        self._fleet = fleet
        self._scaling = scaling_fleet
        self._secrets = reader
        self._now = now

    @classmethod
    def build(
        cls, settings: Settings, reader: SecretReader, changed: Callable[[Key], None], guard: Callable[[], None]
    ) -> Self:
        """Return the backend for `settings`; it tells `changed` the keys to look at, and asks `guard` before writes."""
        api = SageMakerAPI(settings.aws_reads_per_second, settings.aws_writes_per_second, guard)
        drift = settings.aws_drift_reads_per_minute
        return cls(
            api,
            Fleet(api, changed, interval=settings.sweep_interval, drift_reads_per_minute=drift),
            ScalingFleet(api, changed, interval=settings.scaling_sweep_interval),
            reader,
            roles=AllowedRoles(settings.allowed_roles_file),
        )

    async def look(self, key: Key, resource: Resource) -> Situation | None:
        """Return what there is, None where the sweep shows it as the status has it. Raises AWSError."""
        target = _target(resource)
        place = render.place(resource.owner, target)
        problem, desired = await self._desired(resource, target)
        if problem is not None and resource.status.sage_maker is None and not resource.deleting:
            # Bad input costs nothing, not even a call.
            return Situation(resource, place, None, problem, Observed(), self._now())
        try:
            return await self._look(key, resource, target, place, desired, problem)
        except AWSError as error:
            if (
                not resource.deleting
                or resource.status.sage_maker is not None
                or error.meaning not in errors.NOT_LET_IN
            ):
                raise
            # What was never asked for is not there, and may go without AWS' leave: the status comes before any request.
            return Situation(resource, place, desired, problem, Observed(), self._now())

    async def _look(
        self,
        key: Key,
        resource: Resource,
        target: SageMaker,
        place: render.Place,
        desired: Desired | None,
        problem: Problem | None,
    ) -> Situation | None:
        tracked = self._fleet.track(place.region, place.endpoint, key)
        listed = await self._fleet.listed(place.region, place.endpoint)
        scales = self._follow(resource, place, key, desired)
        unchanged = desired is not None and not scales and _is_unchanged(resource, desired, listed)
        if unchanged and not tracked.check:
            tracked.seen, tracked.seen_at = listed, time.monotonic()
            return None
        thorough = (
            tracked.check
            or resource.deleting
            or resource.generation != resource.status.observed_generation
            or _was_foreign(resource)
        )
        observed = await self._observe(resource, place, desired, tracked, thorough=thorough)
        if not unchanged:
            # What drifts at Application Auto Scaling is found by its own sweep, with far fewer calls.
            observed = replace(observed, scalable=await self._scalable(resource, place, observed.endpoint))
        situation = Situation(resource, place, desired, problem, observed, self._now())
        endpoint = observed.endpoint
        if endpoint is None or endpoint.tags is not None or not plan(situation).steps:
            return situation
        # Nothing is done to an endpoint whose tags were not just seen to be ours: it may be another of that name.
        tagged = replace(endpoint, tags=await self._tags(place.region, endpoint.arn))
        if _may_be_registered(resource):
            # An update that changes the instance type of a scalable target needs other steps.
            described = await self._describe(place.region, Part.CONFIG, endpoint.config_name)
            observed = replace(observed, instance_type=_instance_type(described))
        return replace(situation, observed=replace(observed, endpoint=tagged))

    def _follow(self, resource: Resource, place: render.Place, key: Key, desired: Desired | None) -> bool:
        """Follow a scalable target, or no longer; return whether something is to be looked at there."""
        name = scaling_policies.resource_id(place.endpoint)
        if not _may_be_registered(resource) and resource.spec.autoscaling is None:
            self._scaling.forget(place.region, name)
            return False
        followed = self._scaling.track(place.region, name, key)
        followed.wanted = desired.scaling if desired is not None else None
        followed.foreign = (resource.status.scaling.foreign_policies if resource.status.scaling else None) or ()
        return followed.check

    async def _scalable(self, resource: Resource, place: render.Place, endpoint: Endpoint | None) -> Scalable | None:
        """Return what is at Application Auto Scaling, where the endpoint is in a state to be scaled."""
        followed = self._scaling.tracked(place.region, scaling_policies.resource_id(place.endpoint))
        if followed is None or endpoint is None or resource.deleting:
            return None
        if endpoint.status not in (state.IN_SERVICE, state.UPDATING):
            return None
        latest = await scaling_reads.activities(self._api, place.region, place.endpoint)
        if endpoint.status == state.UPDATING:
            return Scalable(latest)
        registered = await scaling_reads.registered(self._api, place.region, place.endpoint)
        followed.check = False
        return Scalable(latest, registered)

    def plan(self, seen: Situation) -> Plan[Step]:
        """Return what to do next and what to show."""
        autoscaling = seen.autoscaling if seen.desired is not None else None
        return scaling.at_next_event(plan(seen), autoscaling, seen.now)

    async def apply(self, seen: Situation, step: Step) -> None:
        """Make one call. Raises AWSError, without the Hub token that AWS may quote from a request."""
        try:
            await self._call(seen, step)
        except AWSError as error:
            token = seen.desired.token if seen.desired else None
            raise error.without(token) from None

    async def _call(self, seen: Situation, step: Step) -> None:
        region = seen.place.region
        if step.operation.startswith("Delete") and step.part and not await self._may_be_deleted(seen, step):
            return
        try:
            await self._api.call(region, step.operation, step.request)
        except AWSError as error:
            if error.meaning not in step.tolerated:
                raise
            if error.meaning is Meaning.ALREADY_EXISTS:
                await self._take_existing(seen, step, error)
        status = _STATUS_AFTER.get(step.operation)
        if status is not None:
            tracked = self._fleet.tracked(region, _key(seen.resource))
            if tracked is not None:
                tracked.seen, tracked.seen_at = Listed(status, ""), time.monotonic()

    def explain(self, resource: Resource, seen: Situation | None, error: Exception, failures: int) -> Retry | None:
        """Return how to go on after an AWSError: what is shown changes once it is worth a word."""
        if not isinstance(error, AWSError):
            return None
        if error.meaning in errors.NOT_FOUND and seen is not None:
            # Something we count on is not there: look at everything.
            tracked = self._fleet.tracked(seen.place.region, _key(resource))
            if tracked is not None:
                tracked.check = True
        now = rfc3339(self._now())
        available = seen.available if seen else was_available(resource.status)
        if error.operation in SCALING:
            return _not_scaling(resource, error, failures, now, available=available)
        remedy = errors.REMEDIES.get(error.meaning)
        if remedy is None:
            return _rejected(resource, seen, error, now, available=available)
        pause = remedy.pause(failures)
        after = _jittered(pause)
        if failures <= remedy.patience:
            return Retry(resource.status, after)
        if remedy.stalled and seen is not None:
            resource = _not_begun(resource, seen)
        say = stalled if remedy.stalled else progressing
        verdict = say(remedy.reason, f"{error.operation}: {error.message}", available=available)
        return Retry(with_verdict(resource.status, resource.generation, verdict, now), after)

    def forget(self, key: Key, resource: Resource) -> None:
        """Stop following the endpoint."""
        place = render.place(resource.owner, _target(resource))
        self._fleet.forget(place.region, key)
        self._scaling.forget(place.region, scaling_policies.resource_id(place.endpoint))

    async def close(self) -> None:
        """Stop sweeping and wait for the calls under way."""
        await self._fleet.close()
        await self._scaling.close()
        await self._api.close()

    async def _desired(self, resource: Resource, target: SageMaker) -> tuple[Problem | None, Desired | None]:
        problem = self._roles.problem(resource.owner.namespace, target.execution_role_arn)
        problem = problem or checks.first_problem(resource.spec, target)
        if problem is not None:
            return problem, None
        token = await secrets.token(self._secrets, resource)
        if isinstance(token, Problem):
            return token, None
        return None, render.desired(resource, target, token)

    async def _observe(
        self, resource: Resource, place: render.Place, desired: Desired | None, tracked: Tracked, *, thorough: bool
    ) -> Observed:
        try:
            described = await self._api.call(place.region, "DescribeEndpoint", {"EndpointName": place.endpoint})
        except AWSError as error:
            if error.meaning is not Meaning.ENDPOINT_NOT_FOUND:
                raise
            tracked.seen, tracked.seen_at = None, time.monotonic()
            return Observed()
        endpoint = _endpoint(described)
        remembered = resource.status.sage_maker
        if thorough or remembered is None or remembered.endpoint_arn != endpoint.arn:
            endpoint = replace(endpoint, tags=await self._tags(place.region, endpoint.arn))
        parts: dict[Part, Mapping[str, str] | None] = {}
        instance_type = None
        if thorough and not resource.deleting and endpoint.revision(place.endpoint) is not None:
            wanted = desired is not None and endpoint.config_name == desired.set_name
            for part in Part if wanted and tracked.check else (Part.CONFIG,):
                described_part = await self._describe(place.region, part, endpoint.config_name)
                arn = described_part.get(_DESCRIBE[part][2])
                parts[part] = await self._tags(place.region, arn) if arn is not None else None
                if part is Part.CONFIG:
                    instance_type = _instance_type(described_part)
        if tracked.check:
            tracked.check, tracked.checked_at = False, time.monotonic()
        tracked.seen, tracked.seen_at = Listed(endpoint.status, endpoint.last_modified), time.monotonic()
        return Observed(endpoint, parts, instance_type)

    async def _describe(self, region: str, part: Part, name: str) -> Mapping[str, Any]:
        """Return a model or configuration, empty where there is none."""
        operation, name_field, _ = _DESCRIBE[part]
        try:
            return await self._api.call(region, operation, {name_field: name})
        except AWSError as error:
            if error.meaning in errors.NOT_FOUND:
                return {}
            raise

    async def _take_existing(self, seen: Situation, step: Step, error: AWSError) -> None:
        """Take what exists for the result of a step, if it carries our tags. Raises AWSError where it does not.

        A stand-in is not what it is called after: it makes way.
        """
        tags = await self._part_tags(seen, step)
        if tags is None:
            raise AWSError(Meaning.MODEL_NOT_FOUND, step.operation, error.code, "what exists cannot be read yet")
        if not names.is_owned(tags, seen.resource.owner):
            raise AWSError(Meaning.NOT_OWNED, step.operation, error.code, error.message)
        in_use = seen.endpoint is not None and seen.endpoint.config_name == step.request.get("EndpointConfigName")
        if names.TAG_STAND_IN in tags and not in_use:
            region, name = seen.place.region, step.request["EndpointConfigName"]
            await self._api.call(region, "DeleteEndpointConfig", {"EndpointConfigName": name})
            await self._api.call(region, step.operation, step.request)

    async def _may_be_deleted(self, seen: Situation, step: Step) -> bool:
        """Return whether a model or configuration is there and ours.

        Shortly after a request of ours, what cannot be found is deleted all the same: it may be there, and its name is
        one that only we give. Raises AWSError where its tags cannot be read yet.
        """
        tags = await self._part_tags(seen, step)
        if tags is None:
            return seen.settling
        if names.is_owned(tags, seen.resource.owner):
            return True
        if seen.settling and not names.is_claimed(tags):
            raise AWSError(Meaning.MODEL_NOT_FOUND, step.operation, "NotFound", "its tags cannot be read yet")
        return False

    async def _part_tags(self, seen: Situation, step: Step) -> dict[str, str] | None:
        """Return the tags of the object that a step names, None where there is none."""
        assert step.part is not None  # noqa: S101 - only asked of steps that name one
        name = step.request[_DESCRIBE[step.part][1]]
        arn = (await self._describe(seen.place.region, step.part, name)).get(_DESCRIBE[step.part][2])
        return await self._tags(seen.place.region, arn) if arn is not None else None

    async def _tags(self, region: str, arn: str) -> dict[str, str]:
        tags: dict[str, str] = {}
        request: dict[str, Any] = {"ResourceArn": arn, "MaxResults": 50}
        while True:
            page = await self._api.call(region, "ListTags", request)
            tags |= names.from_list(page.get("Tags", ()))
            if not page.get("NextToken"):
                return tags
            request["NextToken"] = page["NextToken"]


def _was_foreign(resource: Resource) -> bool:
    """Return whether the endpoint was seen to be somebody else's."""
    return any(condition.reason == Reason.NOT_OWNED for condition in resource.status.conditions)


def _key(resource: Resource) -> Key:
    return Key(resource.owner.namespace, resource.owner.name)


def _target(resource: Resource) -> SageMaker:
    target = resource.spec.sage_maker
    assert target is not None  # noqa: S101 - the API server admits no other backend, and the engine chose this one
    return target


def _is_unchanged(resource: Resource, desired: Desired, listed: Listed | None) -> bool:
    """Return whether the list confirms a status that says all is well for this very spec."""
    status, remembered = resource.status, resource.status.sage_maker
    if listed is None or remembered is None or resource.deleting or status.last_failure is not None:
        return False
    return (
        resource.generation == status.observed_generation
        and (listed.status, listed.last_modified) == (state.IN_SERVICE, remembered.last_modified_time)
        and remembered.endpoint_status == state.IN_SERVICE
        and desired.revision == status.update_revision == status.current_revision
        and remembered.revisions == (desired.revision,)
        and desired.replicas in (None, status.replicas)
        and _is_scaled(resource, desired)
    )


def _is_scaled(resource: Resource, desired: Desired) -> bool:
    """Return whether the status says that all is well with scaling for this very spec."""
    remembered, autoscaling = resource.status.sage_maker, resource.spec.autoscaling
    registered = remembered.scaling_revision if remembered is not None else None
    if desired.scaling is None or autoscaling is None:
        return registered is None
    said = scaling.last_activity(resource.status)
    # The bounds in force change with the hour: with schedules each look sets the time of the next.
    return registered == desired.scaling.revision and said is not None and said.active and not autoscaling.schedules


def _may_be_registered(resource: Resource) -> bool:
    """Return whether a scalable target was asked for, so that it may be there."""
    remembered = resource.status.sage_maker
    return remembered is not None and remembered.scaling_revision is not None


def _instance_type(config: Mapping[str, Any]) -> str | None:
    variants = config.get("ProductionVariants") or [{}]
    found: str | None = variants[0].get("InstanceType")
    return found


def _endpoint(described: Mapping[str, Any]) -> Endpoint:
    variants = described.get("ProductionVariants") or [{}]
    pending = described.get("PendingDeploymentSummary") or {}
    return Endpoint(
        arn=described["EndpointArn"],
        status=described["EndpointStatus"],
        config_name=described.get("EndpointConfigName", ""),
        last_modified=rfc3339_exact(described["LastModifiedTime"]),
        failure_reason=described.get("FailureReason") or None,
        pending_config_name=pending.get("EndpointConfigName"),
        current_count=variants[0].get("CurrentInstanceCount"),
        desired_count=variants[0].get("DesiredInstanceCount"),
    )


def _not_begun(resource: Resource, seen: Situation) -> Resource:
    """Return the resource with a status that no longer says that an endpoint is being created: AWS refused to."""
    remembered = resource.status.sage_maker
    if remembered is None or seen.endpoint is not None:
        return resource
    refused = remembered.model_copy(update={"endpoint_status": None})
    return replace(resource, status=resource.status.model_copy(update={"sage_maker": refused}))


def _rejected(resource: Resource, seen: Situation | None, error: AWSError, now: str, *, available: bool) -> Retry:
    """AWS will refuse the same request again: remember its revision, and wait for another spec."""
    resource = _not_begun(resource, seen) if seen else resource
    message = f"{error.operation}: {error.message}"
    verdict = stalled(Reason.REJECTED_BY_AWS, message, available=available)
    fields: dict[str, Any] = {}
    if seen is not None and seen.desired is not None and error.operation in _ROLLOUT:
        fields["last_failure"] = LastFailure(
            time=now, revision=seen.desired.revision, reason=Reason.REJECTED_BY_AWS, message=message[:4096]
        )
    after = None if fields else errors.REMEDIES[Meaning.UNKNOWN].longest
    return Retry(with_verdict(resource.status, resource.generation, verdict, now, **fields), after)


def _not_scaling(resource: Resource, error: AWSError, failures: int, now: str, *, available: bool) -> Retry:
    """Application Auto Scaling refused: what serves goes on serving, with as many instances as it has."""
    remedy = errors.REMEDIES.get(error.meaning)
    message = f"{error.operation}: {error.message}"
    status, reason = resource.status, remedy.reason if remedy else Reason.REJECTED_BY_AWS
    after = errors.REMEDIES[Meaning.UNKNOWN].longest if remedy is None else _jittered(remedy.pause(failures))
    if remedy is not None and failures <= remedy.patience:
        return Retry(status, after)
    if remedy is None or remedy.stalled:
        status = with_verdict(status, resource.generation, stalled(reason, message, available=available), now)
    if resource.spec.autoscaling is not None:
        said = scaling.Activity(active=False, reason=reason, message=message)
        status = scaling.with_activity(status, resource.generation, said, now)
    return Retry(status, after)


def _jittered(pause: float) -> float:
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - not secret
