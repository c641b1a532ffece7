"""DescribeEndpoint and ListEndpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.lifecycle import Deployment, Endpoint, Status, Variant
from tgi_sandbox.aws.operations.call import Call, Request, Response, timestamp
from tgi_sandbox.aws.operations.listing import page

if TYPE_CHECKING:
    from collections.abc import Mapping

_ECHOED: Final = ("ManagedInstanceScaling", "RoutingConfig")


def describe_endpoint(call: Call, request: Request) -> Response:
    """Return the current state of the endpoint."""
    return description(call.region.endpoint(request["EndpointName"]))


def list_endpoints(call: Call, request: Request) -> Response:
    """Return one page of endpoints."""
    found, token = page(call, "ListEndpoints", call.region.endpoints.values(), request)
    return {"Endpoints": [_summary(endpoint) for endpoint in found], **token}


def description(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint in the format of DescribeEndpoint, without ProductionVariants until it has been in service."""
    described: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config,
        "EndpointStatus": endpoint.shown_status,
        "CreationTime": timestamp(endpoint.created),
        "LastModifiedTime": timestamp(endpoint.modified),
    }
    if endpoint.variants:
        described["ProductionVariants"] = [
            _running(variant, endpoint.created) | _status_of_scaling(endpoint, variant) for variant in endpoint.variants
        ]
    if endpoint.failure_reason:
        described["FailureReason"] = endpoint.failure_reason
    if endpoint.pending:
        described["PendingDeploymentSummary"] = _pending(endpoint.pending)
    if endpoint.last_deployment_settings:
        described["LastDeploymentConfig"] = endpoint.last_deployment_settings
    return described


def _summary(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "CreationTime": timestamp(endpoint.created),
        "LastModifiedTime": timestamp(endpoint.modified),
        "EndpointStatus": endpoint.shown_status,
    }


def _pending(deployment: Deployment) -> dict[str, Any]:
    return {
        "EndpointConfigName": deployment.config,
        "StartTime": timestamp(deployment.started),
        "ProductionVariants": [_launching(variant, deployment.started) for variant in deployment.variants],
    }


def _running(variant: Variant, resolved: float) -> dict[str, Any]:
    described: dict[str, Any] = {
        "VariantName": variant.name,
        "CurrentWeight": variant.current_weight,
        "DesiredWeight": variant.desired_weight,
    }
    image = variant.container.get("Image")
    if image:
        digest = f"{image.partition(':')[0]}@sha256:{variant.image_digest}"
        described["DeployedImages"] = [
            {"SpecifiedImage": image, "ResolvedImage": digest, "ResolutionTime": timestamp(resolved)}
        ]
    if variant.instance_type:
        described["CurrentInstanceCount"] = variant.current_count
        described["DesiredInstanceCount"] = variant.desired_count
    serverless: Mapping[str, Any] | None = variant.config.get("ServerlessConfig")
    if serverless:
        described["CurrentServerlessConfig"] = serverless
    for name in _ECHOED:
        if name in variant.config:
            described[name] = variant.config[name]
    return described


def _launching(variant: Variant, started: float) -> dict[str, Any]:
    described = _running(variant, started)
    if variant.instance_type:
        described["InstanceType"] = variant.instance_type
    message = f"Launching {variant.desired_count} instance(s)."
    described["VariantStatus"] = [
        {"Status": "Creating", "StatusMessage": message, "StartTime": timestamp(started)},
    ]
    return described


def _status_of_scaling(endpoint: Endpoint, variant: Variant) -> dict[str, Any]:
    if endpoint.status is not Status.UPDATING or variant.desired_count == variant.current_count:
        return {}
    direction = "out" if variant.desired_count > variant.current_count else "in"
    message = f"Scaling {direction} desired instance count to {variant.desired_count}."
    moment = timestamp(endpoint.modified)
    return {"VariantStatus": [{"Status": "Updating", "StatusMessage": message, "StartTime": moment}]}
