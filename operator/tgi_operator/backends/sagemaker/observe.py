"""Observes one resource with as few calls as possible, and reads the inputs that a decision asks for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tgi_operator.api.problem import Problem
from tgi_operator.api.status import ConditionStatus
from tgi_operator.api.times import rfc3339_exact
from tgi_operator.backends import secrets
from tgi_operator.backends.computing import compute
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Ask, Need
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker import scaling_reads
from tgi_operator.backends.sagemaker.aws.client import Calls
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.gateway import Gateway
from tgi_operator.backends.sagemaker.aws.operations import Part
from tgi_operator.backends.sagemaker.decide.chain import plan
from tgi_operator.backends.sagemaker.decide.confirmation import confirm, first_needs
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.desired import names, places, render, scaling_policies
from tgi_operator.backends.sagemaker.desired.places import Place
from tgi_operator.backends.sagemaker.desired.render import Desired
from tgi_operator.backends.sagemaker.last_owners import LastOwners
from tgi_operator.backends.sagemaker.part_reads import read_part, read_tags
from tgi_operator.backends.sagemaker.refusals import Refusals
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.scalable_target import Scalable
from tgi_operator.backends.sagemaker.seen.state import Endpoint, Listed, Observed, Outage
from tgi_operator.backends.sagemaker.sweep.endpoints import EndpointSweep, Followed, Listing
from tgi_operator.backends.sagemaker.sweep.scalable_targets import ScalableTargetSweep
from tgi_operator.backends.secret_values import SecretValues, without_secrets
from tgi_operator.backends.secrets import SecretReader

ROUNDS = 6
"""How many times a decision can ask for more input, each time for something else."""


class Observer:
    """Builds a Situation that can be decided, from a resource and the state in AWS."""

    def __init__(
        self,
        gateway: Gateway,
        endpoints: EndpointSweep,
        scalable_targets: ScalableTargetSweep,
        reader: SecretReader,
        refusals: Refusals,
        now: Callable[[], datetime],
        *,
        require_labels: bool,
    ) -> None:
        self._require_labels = require_labels
        self._gateway = gateway
        self._endpoints = endpoints
        self._scalable_targets = scalable_targets
        self._secrets = reader
        self._refusals = refusals
        self._owners = LastOwners()
        self._now = now

    async def observe(self, key: Key, resource: Resource) -> Situation | None:
        """Return a situation that can be decided, or None until the first listing.

        Raises AWSError if AWS cannot be read.
        """
        generated = places.generated(resource.key, resource.fields)
        unknown_region = self._refusals.region_problem(generated.region)
        if unknown_region is not None:
            # Do not connect at all. Objects may still exist in a region that an earlier list of regions allowed.
            begun = resource.status.sage_maker is not None or resource.status.update_revision is not None
            return Situation(resource, generated, None, unknown_region, Observed(denied=begun), self._now())
        place = await self._place(resource, generated)
        situation = await self._unobserved(resource, place)
        problem = situation.problem
        if resource.retains or (problem and resource.status.sage_maker is None and not resource.deleting):
            # Invalid input causes no call.
            return situation
        followed = self._endpoints.follow(place.scope, key, place.endpoint)
        outage = self._endpoints.outage(place.scope)
        if outage is not None:
            return replace(situation, observed=Observed(outage=Outage(outage.since, outage.message)))
        listing = self._endpoints.listing(place.scope)
        if listing is None:
            followed.waits = True
            return None
        refused = situation.name_problem is not None and not resource.deleting
        if refused and listing.complete and place.endpoint not in listing.endpoints:
            # There are no objects to keep, and none are created.
            return situation
        check_scaling = self._follow_scaling(situation, key)
        scaling_outage = self._scalable_targets.outage(key)
        if scaling_outage is not None:
            # Another read for each resource would return nothing new.
            unread = replace(situation.observed, read=frozenset({Need.SCALING}), scaling_error=scaling_outage)
            situation, check_scaling = replace(situation, observed=unread), False
        if resource.requested or resource.rewritten:
            followed.check = True
            check_scaling = check_scaling or self._scalable_targets.followed(key) is not None
        if not (followed.check or check_scaling or resource.deleting):
            listed, complete = listing.endpoints.get(place.endpoint), listing.complete
            confirmed = await compute(resource, confirm, situation, listed, complete=complete)
            if confirmed is not None:
                followed.saw(listed, listing.read_at)
                return confirmed
        return await self._read(situation, followed, check_scaling=check_scaling)

    async def _place(self, resource: Resource, generated: Place) -> Place:
        """Return the place of the endpoint. One that an earlier version has named keeps its name. Raises AWSError.

        The status shows which name that is. If it does not, and an endpoint with the former name may exist, the tags of
        that endpoint show it.
        """
        former = places.former(resource.key, resource.fields)
        listing = self._endpoints.listing(generated.scope) or Listing(complete=True)
        if former is None or generated.endpoint in listing.endpoints:
            return generated
        if _remembers(resource, former):
            return former
        unlisted = not listing.complete and not _remembers(resource, generated)
        possible = unlisted or former.endpoint in listing.endpoints
        readable = self._endpoints.outage(generated.scope) is None and not resource.retains
        return former if possible and readable and await self._is_owned(resource, former) else generated

    async def _is_owned(self, resource: Resource, place: Place) -> bool:
        """Return whether the tags of the endpoint at a place name the resource."""
        aws = self._aws(resource.key)
        try:
            described = await aws.call(place.scope, "DescribeEndpoint", {"EndpointName": place.endpoint})
        except AWSError as error:
            if error.meaning is not Meaning.ENDPOINT_NOT_FOUND:
                raise
            return False
        tags = await read_tags(aws, place.scope, described["EndpointArn"])
        return names.is_owned(tags, resource.owner)

    async def _unobserved(self, resource: Resource, place: Place) -> Situation:
        """Return the situation before any reads from AWS."""
        problem, rendered = await self._rendered(resource, place, running=resource.status.image)
        observed = Observed(last_owner=self._owners.of(resource, place))
        refused = self._refusals.name_problem(resource)
        return Situation(resource, place, rendered, problem, observed, self._now(), refused)

    async def _rendered(
        self, resource: Resource, place: Place, running: str | None
    ) -> tuple[Problem | None, Desired | None]:
        """Return the problem of the spec, or the desired objects rendered from it. Deletion needs neither."""
        spec = resource.spec
        if resource.deleting:
            return None, None
        if spec is None or spec.sage_maker is None:
            return resource.problem, None
        target = spec.sage_maker
        problem = await compute(resource, self._refusals.problem, resource, spec, target)
        if problem is not None:
            return problem, None
        found = await secrets.values(self._secrets, resource, require_label=self._require_labels)
        if isinstance(found, Problem):
            return found, None
        desired = await compute(resource, render.desired, place, resource, spec, target, found, running)
        problem = self._refusals.rendered_problem(desired)
        return (problem, None) if problem is not None else (None, desired)

    def _follow_scaling(self, situation: Situation, key: Key) -> bool:
        """Follow a scalable target, or stop following it. Return whether it is to be read."""
        wanted = situation.rendered.scaling if situation.rendered is not None else None
        if wanted is None and situation.remembered.scaling_revision is None:
            self._scalable_targets.forget(key)
            return False
        place, scaling = situation.place, situation.status.scaling
        resource_id = scaling_policies.resource_id(place.endpoint)
        followed = self._scalable_targets.follow(place.scope, key, resource_id)
        followed.wanted = wanted
        followed.foreign = (scaling.foreign_policies if scaling else None) or ()
        return followed.check

    async def _read(self, situation: Situation, followed: Followed, *, check_scaling: bool) -> Situation:
        """Return the situation with the endpoint, and with all inputs that the decision asks for."""
        resource, checking = situation.resource, followed.check
        try:
            endpoint = await self._endpoint(situation, followed)
        except AWSError as error:
            never_requested = resource.status.sage_maker is None and resource.status.update_revision is None
            if resource.deleting and never_requested and error.meaning is Meaning.ACCESS_DENIED:
                return replace(situation, observed=Observed(denied=True))
            raise
        situation = replace(situation, observed=replace(situation.observed, endpoint=endpoint), now=self._now())
        situation = await self._with_running_image(situation)
        if endpoint is not None:
            owned = followed.owned == endpoint.identity
            needs = first_needs(situation, check=checking, scaling=check_scaling, owned=owned)
            situation = await self._answer(situation, needs)
        for _ in range(ROUNDS):
            decision = await compute(situation.resource, plan, situation)
            if not isinstance(decision, Ask):
                break
            situation = await self._answer(situation, decision.needs)
        if checking:
            followed.check = False
        self._remember_owner(situation, followed)
        return situation

    def _remember_owner(self, situation: Situation, followed: Followed) -> None:
        endpoint = situation.endpoint
        if endpoint is None or endpoint.tags is None:
            return
        followed.owned = endpoint.identity if situation.foreign is None else None
        self._owners.saw(situation.resource, situation.place, names.owner_of(endpoint.tags))

    async def _endpoint(self, situation: Situation, followed: Followed) -> Endpoint | None:
        place = situation.place
        try:
            request = {"EndpointName": place.endpoint}
            described = await self._aws(followed.key).call(place.scope, "DescribeEndpoint", request)
        except AWSError as error:
            if error.meaning is not Meaning.ENDPOINT_NOT_FOUND:
                raise
            followed.saw(None)
            return None
        endpoint = as_endpoint(described, situation.rendered.secrets if situation.rendered is not None else None)
        followed.saw(Listed(endpoint.status, endpoint.last_modified))
        return endpoint

    async def _answer(self, situation: Situation, needs: Iterable[Need]) -> Situation:
        """Return the situation with the needed inputs that were not read yet."""
        for need in sorted(situation.lacks(*needs)):
            observed = await self._answers[need](self, situation)
            situation = replace(situation, observed=replace(observed, read=observed.read | {need}))
            if need is Need.LIVE_MODEL:
                situation = await self._with_running_image(situation)
        return situation

    async def _with_running_image(self, situation: Situation) -> Situation:
        """Return the situation rendered with the image that AWS shows, if the spec leaves the image to the operator.

        The image in the status was assumed until now. It can be any image: only AWS shows which one runs.
        """
        rendered, running = situation.rendered, situation.running_image
        if rendered is None or situation.resource.deleting or not situation.follows_image:
            return situation
        if running is None and (situation.status.image is None or situation.has_unproven_image):
            return situation
        if running == rendered.image:
            return situation
        problem, rendered = await self._rendered(situation.resource, situation.place, running=running)
        return replace(situation, problem=problem, rendered=rendered)

    async def _read_tags(self, situation: Situation) -> Observed:
        endpoint = situation.living
        tags = await read_tags(self._aws(situation.resource.key), situation.place.scope, endpoint.arn)
        return replace(situation.observed, endpoint=replace(endpoint, tags=tags))

    async def _read_config(self, situation: Situation) -> Observed:
        observed = situation.observed
        if situation.live_revision is None:
            return observed
        aws, name = self._aws(situation.resource.key), situation.living.config_name
        config, tags = await read_part(aws, situation.place.scope, Part.CONFIG, name)
        return replace(observed, parts={**observed.parts, Part.CONFIG: tags}, instance_type=_instance_type(config))

    async def _read_model(self, situation: Situation) -> Observed:
        observed = situation.observed
        revision = situation.modelled_revision
        if revision is None:
            return observed
        # The model and the configuration of a revision have the same name.
        aws, name = self._aws(situation.resource.key), names.set_name(situation.place.endpoint, revision)
        model, tags = await read_part(aws, situation.place.scope, Part.MODEL, name)
        image: str | None = (model.get("PrimaryContainer") or {}).get("Image")
        if situation.available is not ConditionStatus.TRUE and (
            image != situation.status.image or not names.is_owned(tags or {}, situation.resource.owner)
        ):
            # A revision that does not serve proves only that the image in the status was requested before.
            image = None
        return replace(observed, parts={**observed.parts, Part.MODEL: tags}, image=image)

    async def _read_scaling(self, situation: Situation) -> Observed:
        aws, scope = self._aws(situation.resource.key), situation.place.scope
        name, status = situation.place.endpoint, situation.living.status
        if status not in (state.IN_SERVICE, state.UPDATING):
            return situation.observed
        try:
            activities = await scaling_reads.activities(aws, scope, name)
            if status == state.UPDATING:
                return replace(situation.observed, scaling=Scalable(activities))
            registered = await scaling_reads.registered(aws, scope, name)
        except AWSError as error:
            # Serving does not depend on Application Auto Scaling.
            return replace(situation.observed, scaling_error=error)
        followed = self._scalable_targets.followed(situation.resource.key)
        if followed is not None:
            followed.check = False
        return replace(situation.observed, scaling=Scalable(activities, registered))

    def _aws(self, key: Key) -> Calls:
        return self._gateway.caller(key.namespace)

    _answers = {  # noqa: RUF012 - a table of methods
        Need.TAGS: _read_tags,
        Need.LIVE_CONFIG: _read_config,
        Need.LIVE_MODEL: _read_model,
        Need.SCALING: _read_scaling,
    }


def as_endpoint(described: Mapping[str, Any], secrets: SecretValues | None = None) -> Endpoint:
    """Return the relevant part of a DescribeEndpoint response, without the secret values that AWS may quote."""
    variants = described.get("ProductionVariants") or [{}]
    pending = described.get("PendingDeploymentSummary") or {}
    return Endpoint(
        arn=described["EndpointArn"],
        status=described["EndpointStatus"],
        config_name=described.get("EndpointConfigName", ""),
        last_modified=rfc3339_exact(described["LastModifiedTime"]),
        failure_reason=without_secrets(described.get("FailureReason") or "", secrets) or None,
        pending_config_name=pending.get("EndpointConfigName"),
        current_count=variants[0].get("CurrentInstanceCount"),
        desired_count=variants[0].get("DesiredInstanceCount"),
        created=rfc3339_exact(described["CreationTime"]) if "CreationTime" in described else "",
        image=_image(variants[0]),
    )


def _instance_type(config: Mapping[str, Any]) -> str | None:
    variants = config.get("ProductionVariants") or [{}]
    found: str | None = variants[0].get("InstanceType")
    return found


def _image(variant: Mapping[str, Any]) -> str | None:
    """Return the image that the instances of a variant run, as the model names it."""
    deployed = variant.get("DeployedImages") or [{}]
    found: str | None = deployed[0].get("SpecifiedImage")
    return found


def _remembers(resource: Resource, place: Place) -> bool:
    """Return whether the status, as the operator wrote it, shows the endpoint at a place."""
    shown = resource.status.sage_maker
    return shown is not None and shown.endpoint_name == place.endpoint and not resource.rewritten
