"""Custom resource definitions on the API server of the tests."""

from functools import partial
from typing import Any

from tgi_sandbox.cluster.api import ApiServer
from waiting import is_found, wait_until

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def resources(definition: dict[str, Any], namespace: str = "") -> str:
    """Return the path of a definition's resources in its stored version, in all namespaces if none is given."""
    spec = definition["spec"]
    (version,) = (version["name"] for version in spec["versions"] if version["storage"])
    within = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{spec['group']}/{version}/{within}{spec['names']['plural']}"


def install(api: ApiServer, *definitions: dict[str, Any]) -> None:
    """Create the definitions, and wait until their resources are served."""
    for definition in definitions:
        api.request("POST", PATH, definition)
    for definition in definitions:
        path, status = resources(definition), f"{PATH}/{definition['metadata']['name']}"
        wait_until(partial(is_found, api, path), partial(api.request, "GET", status))
