"""Which actions on which resources a request is, as the service authorization reference has them.

Some requests are several: a Create with tags is AddTags too, and with a role it is iam:PassRole. CreateEndpoint and
UpdateEndpoint are authorized on the endpoint and on its configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tgi_sandbox.aws.state import Region

_RESOURCES: Final = {"EndpointName": "endpoint", "EndpointConfigName": "endpoint-config", "ModelName": "model"}

_MAIN: Final = {
    "CreateEndpoint": ("EndpointName", "EndpointConfigName"),
    "UpdateEndpoint": ("EndpointName", "EndpointConfigName"),
    "CreateEndpointConfig": ("EndpointConfigName",),
}
"""Members that name resources, where it is not simply the only one."""


@dataclass(frozen=True)
class Need:
    """An action on a resource, with the condition keys that IAM knows of it."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def needs(service: str, operation: str, request: Mapping[str, Any], region: Region) -> Iterator[Need]:
    """Everything that has to be allowed for a request."""
    if service == "application-autoscaling":
        # Scalable targets have random names; policies are scoped by condition keys.
        context = {"application-autoscaling:service-namespace": str(request.get("ServiceNamespace", ""))}
        yield Need(f"{service}:{operation}", "*", context if not operation.startswith("Describe") else {})
        return
    resources = tuple(_resources(operation, request, region))
    for resource in resources or ("*",):
        yield Need(f"{service}:{operation}", resource)
    if operation.startswith("Create") and request.get("Tags"):
        yield Need(f"{service}:AddTags", resources[0])
    role = request.get("ExecutionRoleArn")
    if operation == "CreateModel" and isinstance(role, str):
        yield Need("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})


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
