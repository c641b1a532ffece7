"""The actions and resources of a request, as the service authorization reference defines them.

Some requests need several actions: a Create with tags also needs AddTags, and one with a role needs iam:PassRole.
CreateEndpoint and UpdateEndpoint are authorized on the endpoint and on its configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tgi_sandbox.aws.iam import Context
    from tgi_sandbox.aws.state import Region

_RESOURCES: Final = {"EndpointName": "endpoint", "EndpointConfigName": "endpoint-config", "ModelName": "model"}

_MAIN: Final = {
    "CreateEndpoint": ("EndpointName", "EndpointConfigName"),
    "UpdateEndpoint": ("EndpointName", "EndpointConfigName"),
    "CreateEndpointConfig": ("EndpointConfigName",),
}
"""Members that name resources, if a request has more than one."""


@dataclass(frozen=True)
class Need:
    """An action on a resource, with the condition keys that IAM has for it."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


def needs(service: str, operation: str, request: Mapping[str, Any], region: Region) -> Iterator[Need]:
    """Every action that a request needs."""
    asked: dict[str, str | tuple[str, ...]] = {"aws:RequestedRegion": region.region}
    if service == "application-autoscaling":
        # Scalable targets have random names, so policies restrict them by condition keys.
        yield Need(
            f"{service}:{operation}", "*", asked if operation.startswith("Describe") else asked | _scaled(request)
        )
        return
    asked |= {
        f"aws:RequestTag/{tag['Key']}": str(tag["Value"])
        for tag in _dicts(request.get("Tags"))
        if {"Key", "Value"} <= tag.keys()
    }
    resources = tuple(_resources(operation, request, region))
    types = tuple(
        str(each["InstanceType"]) for each in _dicts(request.get("ProductionVariants")) if "InstanceType" in each
    )
    of_config = {"sagemaker:InstanceTypes": types} if types else {}
    for resource in resources or ("*",):
        yield Need(f"{service}:{operation}", resource, asked | of_config | _tags(region, resource))
    if operation.startswith("Create") and request.get("Tags"):
        yield Need(f"{service}:AddTags", resources[0], asked | {"sagemaker:TaggingAction": operation})
    role = request.get("ExecutionRoleArn")
    if operation == "CreateModel" and isinstance(role, str):
        yield Need("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})


def _scaled(request: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    keys = {"service-namespace": "ServiceNamespace", "scalable-dimension": "ScalableDimension"}
    return {f"application-autoscaling:{key}": str(request.get(member, "")) for key, member in keys.items()}


def _tags(region: Region, resource: str) -> dict[str, str | tuple[str, ...]]:
    """Return the tags of a resource that exists."""
    return {f"aws:ResourceTag/{key}": value for key, value in region.tags.get(resource, {}).items()}


def _dicts(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the members of a list, if it is one: requests are authorized before they are validated."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _resources(operation: str, request: Mapping[str, Any], region: Region) -> Iterator[str]:
    if operation.startswith("List") and operation != "ListTags":
        return
    arn = request.get("ResourceArn")
    if isinstance(arn, str):
        yield arn
        return
    for member in _MAIN.get(operation, tuple(_RESOURCES)):
        name = request.get(member)
        if isinstance(name, str):
            yield region.arn(_RESOURCES[member], name)
