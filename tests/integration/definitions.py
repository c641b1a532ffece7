"""Custom resource definitions on the API server of the tests."""

import time
from typing import Any

from tgi_sandbox.cluster.api import ApiError, ApiServer

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_WAIT_SECONDS = 30.0


def resources(definition: dict[str, Any], namespace: str = "") -> str:
    """Return the path of a definition's resources in its stored version, in all namespaces where none is given."""
    spec = definition["spec"]
    (version,) = (version["name"] for version in spec["versions"] if version["storage"])
    within = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{spec['group']}/{version}/{within}{spec['names']['plural']}"


def install(api: ApiServer, *definitions: dict[str, Any]) -> None:
    """Create the definitions, and wait until their resources are served."""
    for definition in definitions:
        api.request("POST", PATH, definition)
    deadline = time.monotonic() + _WAIT_SECONDS
    for definition in definitions:
        while not _is_served(api, resources(definition)):
            assert time.monotonic() < deadline, api.request("GET", f"{PATH}/{definition['metadata']['name']}")["status"]
            time.sleep(0.05)


def _is_served(api: ApiServer, path: str) -> bool:
    try:
        api.request("GET", path)
    except ApiError as error:
        if error.code in (404, 429):  # 429: the storage of a new resource is being set up
            return False
        raise
    return True
