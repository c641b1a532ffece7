"""The fields of a TGIEndpoint that commands read."""

from typing import Any

from tgi_operator.api.identifiers import REQUEST_ANNOTATION

Object = dict[str, Any]


def named(resource: Object) -> str:
    """Return the name of a resource in messages: NAMESPACE/NAME."""
    meta = resource["metadata"]
    return f"{meta['namespace']}/{meta['name']}"


def condition(resource: Object, kind: str) -> Object | None:
    """Return a condition of the status, or None if it does not exist."""
    found: Object | None = next((each for each in conditions(resource) if each["type"] == kind), None)
    return found


def conditions(resource: Object) -> list[Object]:
    """Return the conditions of the status."""
    return list(status(resource).get("conditions") or ())


def status(resource: Object) -> Object:
    """Return the status, which is empty before the operator wrote one."""
    found: Object = resource.get("status") or {}
    return found


def endpoint_name(resource: Object) -> str | None:
    """Return the endpoint's name on SageMaker, or None before the endpoint exists."""
    found: str | None = (status(resource).get("sageMaker") or {}).get("endpointName")
    return found


def region(resource: Object) -> str:
    """Return the AWS region of a resource that runs on SageMaker."""
    return str(resource["spec"]["sageMaker"]["region"])


def is_in_cluster(resource: Object) -> bool:
    """Return whether the resource is served by pods."""
    return "inCluster" in resource["spec"]


def is_true(resource: Object, kind: str) -> bool:
    """Return whether the resource has the condition with status True."""
    found = condition(resource, kind)
    return found is not None and found["status"] == "True"


def is_current(resource: Object) -> bool:
    """Return whether the status reports on the latest spec."""
    generation: int = resource["metadata"].get("generation", 0)
    return bool(status(resource).get("observedGeneration", -1) >= generation)


def is_request_pending(resource: Object) -> bool:
    """Return whether the annotation requests an attempt that the operator has not acted on."""
    requested = (resource["metadata"].get("annotations") or {}).get(REQUEST_ANNOTATION)
    return requested not in (None, "", status(resource).get("lastHandledRequest"))
