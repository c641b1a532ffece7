"""CreateEndpointConfig, DescribeEndpointConfig, DeleteEndpointConfig, ListEndpointConfigs."""

from __future__ import annotations

from typing import Any, Final

from tgi_sandbox.aws.errors import already_exists, validation
from tgi_sandbox.aws.instances import has_local_nvme
from tgi_sandbox.aws.operations.call import Call, Request, Response, timestamp
from tgi_sandbox.aws.operations.listing import page
from tgi_sandbox.aws.operations.tags import tags_of
from tgi_sandbox.aws.operations.usage import record_config_deletion
from tgi_sandbox.aws.state import EndpointConfig

_CAPACITY_FORMS: Final = ("InstanceType", "InstancePools", "ServerlessConfig")


def create_endpoint_config(call: Call, request: Request) -> Response:
    """Create a configuration from variants whose models exist."""
    name = request["EndpointConfigName"]
    arn = call.region.arn("endpoint-config", name)
    tags = tags_of(request)
    if name.lower() in call.region.configs:
        raise already_exists("endpoint configuration", arn)
    variants = request["ProductionVariants"] + request.get("ShadowProductionVariants", [])
    _check_names(variants)
    for variant in variants:
        _check_capacity(variant)
        _check_model(call, request, variant)
    body = {key: value for key, value in request.items() if key != "Tags"}
    body["ProductionVariants"] = [{"InitialVariantWeight": 1.0, **variant} for variant in request["ProductionVariants"]]
    body["EnableNetworkIsolation"] = request.get("EnableNetworkIsolation", False)
    call.region.configs[name.lower()] = EndpointConfig(name, arn, call.now, call.visible_at, body)
    call.region.tags[arn] = tags
    return {"EndpointConfigArn": arn}


def describe_endpoint_config(call: Call, request: Request) -> Response:
    """Return the configuration as it was created."""
    config = call.region.config(request["EndpointConfigName"])
    return {**config.body, "EndpointConfigArn": config.arn, "CreationTime": timestamp(config.created)}


def delete_endpoint_config(call: Call, request: Request) -> Response:
    """Delete a configuration; AWS does so even if an endpoint runs it."""
    config = call.region.config(request["EndpointConfigName"])
    record_config_deletion(call, config)
    del call.region.configs[config.name.lower()]
    call.region.tags.pop(config.arn, None)
    return {}


def list_endpoint_configs(call: Call, request: Request) -> Response:
    """Return one page of configurations."""
    found, token = page(call, "ListEndpointConfigs", call.region.configs.values(), request)
    summaries = [
        {
            "EndpointConfigName": config.name,
            "EndpointConfigArn": config.arn,
            "CreationTime": timestamp(config.created),
        }
        for config in found
    ]
    return {"EndpointConfigs": summaries, **token}


def _check_names(variants: list[dict[str, Any]]) -> None:
    names = [variant["VariantName"].lower() for variant in variants]
    if len(set(names)) < len(names):
        # assumed: the text.
        raise validation("Variant names must be unique within an endpoint configuration.")


def _check_capacity(variant: dict[str, Any]) -> None:
    name = variant["VariantName"]
    given = [form for form in _CAPACITY_FORMS if form in variant]
    if len(given) != 1:
        # assumed: the text; the reference describes the three as alternatives.
        raise validation(f"Specify one of InstanceType, InstancePools or ServerlessConfig for variant {name}.")
    managed = variant.get("ManagedInstanceScaling", {}).get("Status") == "ENABLED"
    if managed and "ModelName" in variant:
        raise validation("ManagedInstanceScaling is only supported for inference component endpoints.")
    if "ServerlessConfig" not in variant and not managed and "InitialInstanceCount" not in variant:
        # assumed: the text.
        raise validation(f"InitialInstanceCount is required for variant {name}.")
    instance_type = variant.get("InstanceType")
    if instance_type and "VolumeSizeInGB" in variant and has_local_nvme(instance_type):
        # assumed: that hosting uses the same text as training (autogluon/autogluon-cloud#50 quotes it).
        raise validation(f"VolumeSizeInGB parameter is not allowed for the selected Instance type {instance_type}.")


def _check_model(call: Call, request: Request, variant: dict[str, Any]) -> None:
    if "ModelName" in variant:
        call.region.model(variant["ModelName"], call.now)
    elif "ExecutionRoleArn" not in request:
        # assumed: the text; variants without a model take inference components, which need the role here.
        raise validation("ExecutionRoleArn is required for an endpoint configuration without models.")
