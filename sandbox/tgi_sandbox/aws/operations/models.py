"""CreateModel, DescribeModel, DeleteModel, ListModels."""

from __future__ import annotations

import re
from typing import Any, Final

from tgi_sandbox.aws.errors import (
    already_exists,
    image_not_found,
    image_outside_ecr,
    invalid_role,
    unreadable_model_data,
    validation,
)
from tgi_sandbox.aws.operations.call import Call, Request, Response, timestamp
from tgi_sandbox.aws.operations.listing import page
from tgi_sandbox.aws.operations.tags import tags_of
from tgi_sandbox.aws.operations.usage import record_model_deletion
from tgi_sandbox.aws.state import Model

_ENVIRONMENT_BYTES: Final = 32 * 1024
_ECR: Final = re.compile(r"\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+/.+")


def create_model(call: Call, request: Request) -> Response:
    """Create a model from one container, or several."""
    name = request["ModelName"]
    arn = call.region.arn("model", name)
    tags = tags_of(request)
    if name.lower() in call.region.models:
        raise already_exists("model", arn)
    containers = _containers(request)
    for container in containers:
        _check_container(container)
    _check_role(call, request)
    for container in containers:
        _check_access(call, request, container)
    body = {key: value for key, value in request.items() if key != "Tags"}
    body["EnableNetworkIsolation"] = request.get("EnableNetworkIsolation", False)
    if "PrimaryContainer" in body:
        body["PrimaryContainer"] = {"Mode": "SingleModel", **body["PrimaryContainer"]}
    call.region.models[name.lower()] = Model(name, arn, call.now, call.visible_at, body)
    call.region.tags[arn] = tags
    return {"ModelArn": arn}


def describe_model(call: Call, request: Request) -> Response:
    """Return the model as it was created."""
    model = call.region.model(request["ModelName"])
    return {**model.body, "ModelArn": model.arn, "CreationTime": timestamp(model.created)}


def delete_model(call: Call, request: Request) -> Response:
    """Delete a model; AWS does so even if an endpoint runs it."""
    model = call.region.model(request["ModelName"])
    record_model_deletion(call, model)
    del call.region.models[model.name.lower()]
    call.region.tags.pop(model.arn, None)
    return {}


def list_models(call: Call, request: Request) -> Response:
    """Return one page of models."""
    found, token = page(call, "ListModels", call.region.models.values(), request)
    summaries = [
        {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": timestamp(model.created)} for model in found
    ]
    return {"Models": summaries, **token}


def _containers(request: Request) -> list[dict[str, Any]]:
    primary, several = request.get("PrimaryContainer"), request.get("Containers")
    if (primary is None) == (several is None):
        # assumed: the text; the reference requires exactly one of the two.
        raise validation("Specify either PrimaryContainer or Containers.")
    return [primary] if primary is not None else list(several or [])


def _check_container(container: dict[str, Any]) -> None:
    if ("Image" in container) == ("ModelPackageName" in container):
        raise validation("Specify one of either Image and Model Data URL or ModelPackageName in container definition.")
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        # assumed: the text; the reference calls the two mutually exclusive.
        raise validation("Specify either ModelDataUrl or ModelDataSource in container definition, not both.")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source and source["S3DataType"] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        # assumed: the text; the S3ModelDataSource reference requires a trailing slash for S3Prefix.
        raise validation(f'S3Uri "{source["S3Uri"]}" must end with a forward slash when S3DataType is S3Prefix.')
    environment = container.get("Environment", {})
    size = sum(len(key.encode()) + len(value.encode()) for key, value in environment.items())
    if size > _ENVIRONMENT_BYTES:
        # assumed: the text; the reference limits all keys and values together to 32 KB.
        raise validation(f"The environment variables take {size} bytes, more than the {_ENVIRONMENT_BYTES} allowed.")


def _check_role(call: Call, request: Request) -> None:
    role = request.get("ExecutionRoleArn")
    if role is not None and role.split(":")[4] != call.region.account:
        # assumed: the end of the text, which public quotes omit.
        raise validation("RoleArn: Cross-account pass role is not allowed.")
    if role is not None and not call.world.iam.may_be_assumed(role, "sagemaker.amazonaws.com"):
        raise invalid_role(role)


def _check_access(call: Call, request: Request, container: dict[str, Any]) -> None:
    """Refuse an image that SageMaker cannot pull, and data that the execution role cannot read.

    assumed: the order of the checks.
    """
    image = container.get("Image", "")
    mode = container.get("ImageConfig", {}).get("RepositoryAccessMode", "Platform")
    if image and mode == "Platform" and not _ECR.fullmatch(image):
        raise image_outside_ecr(image)
    if image.startswith(call.world.missing_images):
        raise image_not_found(image)
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    url = container.get("ModelDataUrl") or source.get("S3Uri", "")
    if url.startswith(call.world.unreadable_model_data):
        raise unreadable_model_data(url, request.get("ExecutionRoleArn", ""), call.region.region)
