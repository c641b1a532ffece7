"""CreateEndpoint, UpdateEndpoint, UpdateEndpointWeightsAndCapacities, DeleteEndpoint."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tgi_sandbox.aws import errors, lifecycle
from tgi_sandbox.aws.containers import start_error
from tgi_sandbox.aws.faults import FaultKind
from tgi_sandbox.aws.lifecycle import Deployment, Endpoint, Outcome, Status, Variant
from tgi_sandbox.aws.operations.tags import tags_of
from tgi_sandbox.aws.outcomes import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tgi_sandbox.aws.operations.call import Call, Request, Response
    from tgi_sandbox.aws.state import EndpointConfig


def create_endpoint(call: Call, request: Request) -> Response:
    """Create an endpoint with an existing configuration."""
    name = request["EndpointName"]
    arn = call.region.arn("endpoint", name)
    tags = tags_of(request)
    if name.lower() in call.region.endpoints:
        raise errors.already_exists("endpoint", arn)
    config = call.region.config(request["EndpointConfigName"], call.now)
    _check_deployment(request)
    deployment = Deployment(config.name, _variants(call, config), call.now, request.get("DeploymentConfig"))
    outcome, seconds, failed = _decide(call, name, arn, Change.CREATE, deployment.variants)
    outcome = _within_quota(call, deployment.variants, outcome)
    call.region.put(lifecycle.create(name, arn, deployment, outcome, seconds, failed))
    call.region.tags[arn] = tags
    return {"EndpointArn": arn}


def update_endpoint(call: Call, request: Request) -> Response:
    """Start a blue/green or rolling deployment of another configuration."""
    endpoint = _changeable(call, request["EndpointName"])
    config = call.region.config(request["EndpointConfigName"], call.now)
    if config.name == endpoint.config:
        raise errors.same_config(config.name)
    call.region.config(endpoint.config)
    _check_deployment(request)
    variants = tuple(_retained(variant, endpoint, request) for variant in _variants(call, config))
    _refuse_other_types(call, endpoint, variants)
    settings = request.get("DeploymentConfig")
    if settings is None and request.get("RetainDeploymentConfig"):
        settings = endpoint.last_deployment_settings
    deployment = Deployment(config.name, variants, call.now, settings)
    outcome, seconds, failed = _decide(call, endpoint.name, endpoint.arn, Change.UPDATE, variants)
    outcome = _within_quota(call, variants, outcome)
    call.region.put(lifecycle.update(endpoint, deployment, outcome, seconds, failed))
    return {"EndpointArn": endpoint.arn}


def update_endpoint_weights_and_capacities(call: Call, request: Request) -> Response:
    """Scale variants of the live configuration or shift their weights."""
    endpoint = _changeable(call, request["EndpointName"])
    wanted = {change["VariantName"]: change for change in request["DesiredWeightsAndCapacities"]}
    unknown = wanted.keys() - {variant.name for variant in endpoint.variants}
    if unknown:
        # assumed: the text.
        raise errors.validation(f'Could not find variant "{min(unknown)}" of endpoint "{endpoint.arn}".')
    variants = tuple(_scaled(variant, wanted.get(variant.name, {})) for variant in endpoint.variants)
    script = call.world.scripts.take(endpoint.name, Change.SCALE)
    outcome = script.outcome if script else Outcome.OK
    outcome = _within_quota(call, _growth(endpoint.variants, variants), outcome)
    seconds = _first(script.seconds if script else None, call.world.durations.of(outcome, call.world.durations.scale))
    rollback = call.world.durations.rollback
    call.region.put(lifecycle.scale(endpoint, variants, outcome, call.now, seconds, rollback))
    return {"EndpointArn": endpoint.arn}


def delete_endpoint(call: Call, request: Request) -> Response:
    """Delete an endpoint that is not changing state."""
    endpoint = call.region.endpoint(request["EndpointName"])
    if endpoint.in_progress:
        raise errors.in_progress(endpoint.arn)
    _deregister(call, endpoint)
    call.region.put(lifecycle.delete(endpoint, call.now, call.world.durations.delete))
    return {}


def _deregister(call: Call, endpoint: Endpoint) -> None:
    """Delete the scalable targets of an endpoint; raises AwsError if the caller is not allowed to."""
    targets = call.region.scaling.of_endpoint(endpoint.name)
    if targets and call.world.faults.draw("DeregisterScalableTarget", endpoint.name).has(FaultKind.DENY):
        raise errors.deregistration_denied()
    call.region.scaling.drop(endpoint.name, call.visible_at)


def _refuse_other_types(call: Call, endpoint: Endpoint, variants: tuple[Variant, ...]) -> None:
    """Refuse to remove a scalable target's variant or change its instance type (endpoint-scaling-update)."""
    wanted = {variant.name: variant.instance_type for variant in variants}
    for live in endpoint.variants:
        if call.region.scaling.target_of(endpoint.name, live.name) is None:
            continue
        if wanted.get(live.name) != live.instance_type:
            # assumed: the text.
            raise errors.validation(
                f'Cannot update endpoint "{endpoint.arn}": variant "{live.name}" is registered with Application Auto '
                "Scaling, so its instance type cannot be changed. Deregister the scalable target first."
            )


def _changeable(call: Call, name: str) -> Endpoint:
    endpoint = call.region.endpoint(name)
    if endpoint.in_progress:
        # assumed: that SystemUpdating, RollingBack and Deleting are refused with the text for Creating and Updating.
        raise errors.in_progress(endpoint.arn)
    if endpoint.shown_status == Status.FAILED:
        raise errors.failed_endpoint(endpoint.arn)
    return endpoint


def _variants(call: Call, config: EndpointConfig) -> tuple[Variant, ...]:
    return tuple(_variant(call, variant) for variant in config.body["ProductionVariants"])


def _variant(call: Call, variant: dict[str, Any]) -> Variant:
    name = variant.get("ModelName")
    # assumed: that CreateEndpoint and UpdateEndpoint report a model deleted since CreateEndpointConfig.
    model = call.region.model(name) if name else None
    body = model.body if model else {}
    container: dict[str, Any] = body.get("PrimaryContainer") or next(iter(body.get("Containers", ())), {})
    pools = sorted(variant.get("InstancePools", ()), key=lambda pool: int(pool["Priority"]))
    managed = variant.get("ManagedInstanceScaling", {}).get("MinInstanceCount", 0)
    weight = float(variant["InitialVariantWeight"])
    image = str(container.get("Image", ""))
    return Variant(
        name=variant["VariantName"],
        config=variant,
        model=model.name if model else None,
        container=container,
        image_digest=hashlib.sha256(image.encode()).hexdigest(),
        instance_type=variant.get("InstanceType") or (pools[0]["InstanceType"] if pools else None),
        current_count=0,
        desired_count=variant.get("InitialInstanceCount", managed),
        current_weight=weight,
        desired_weight=weight,
    )


def _retained(variant: Variant, endpoint: Endpoint, request: Request) -> Variant:
    """Return the variant with the live counts and weights that UpdateEndpoint has to keep."""
    live = next((live for live in endpoint.variants if live.name == variant.name), None)
    if live is None or not request.get("RetainAllVariantProperties"):
        return variant
    excluded = {entry["VariantPropertyType"] for entry in request.get("ExcludeRetainedVariantProperties", ())}
    return replace(
        variant,
        desired_count=variant.desired_count if "DesiredInstanceCount" in excluded else live.desired_count,
        desired_weight=variant.desired_weight if "DesiredWeight" in excluded else live.desired_weight,
    )


def _scaled(variant: Variant, change: dict[str, Any]) -> Variant:
    count = change.get("DesiredInstanceCount", variant.desired_count)
    if count < 1 and variant.instance_type and "ManagedInstanceScaling" not in variant.config:
        # assumed: the text; a real-time variant keeps at least one instance.
        raise errors.validation(f"DesiredInstanceCount of variant {variant.name} must be at least 1.")
    weight = float(change.get("DesiredWeight", variant.desired_weight))
    return replace(variant, desired_count=count, desired_weight=weight)


def _growth(before: Iterable[Variant], after: Iterable[Variant]) -> list[Variant]:
    return [
        replace(new, desired_count=new.desired_count - old.current_count)
        for old, new in zip(before, after, strict=True)
        if new.desired_count > old.current_count
    ]


def _decide(
    call: Call, name: str, arn: str, change: Change, variants: tuple[Variant, ...]
) -> tuple[Outcome, float, str]:
    """Return how a deployment ends, after how many seconds, and which variant causes it."""
    durations = call.world.durations
    success = durations.create if change is Change.CREATE else durations.update
    script = call.world.scripts.take(name, change)
    if script is not None and script.outcome is not Outcome.OK:
        seconds = _first(script.seconds, durations.of(script.outcome, success))
        return script.outcome, seconds, variants[0].name
    for variant in variants:
        if (line := start_error(variant)) is not None:
            call.world.log(arn, f"{variant.name}/{variant.instance_type}: {line}")
            return Outcome.PING_FAILURE, durations.ping_failure, variant.name
    return Outcome.OK, _first(script.seconds if script else None, success), variants[0].name


def _first(seconds: float | None, otherwise: float) -> float:
    return otherwise if seconds is None else seconds


def _within_quota(call: Call, added: Iterable[Variant], outcome: Outcome) -> Outcome:
    """Return the outcome once quota allows the added instances; raises AwsError if it does not.

    Blue/green deployments launch the new fleet beside the old one. A change that launches nothing exceeds no quota.
    """
    wanted: dict[str, int] = {}
    for variant in added:
        if variant.instance_type:
            wanted[variant.instance_type] = wanted.get(variant.instance_type, 0) + variant.desired_count
    for instance_type, delta in wanted.items():
        used = call.region.instances[instance_type]
        limit = used if outcome is Outcome.QUOTA else call.world.quota(instance_type)
        if used + delta > limit:
            raise errors.quota_exceeded(instance_type, limit, used, delta)
    return Outcome.OK if outcome is Outcome.QUOTA else outcome


def _check_deployment(request: Request) -> None:
    settings = request.get("DeploymentConfig", {})
    if "BlueGreenUpdatePolicy" in settings and "RollingUpdatePolicy" in settings:
        # assumed: the text; the reference allows only one of the two.
        raise errors.validation("Specify either BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.")
