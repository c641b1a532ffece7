"""The resource of a command, and the connection to its cluster."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp

from tgi_operator.api.identifiers import API_VERSION, GROUP, PLURAL
from tgi_operator.cli import kubeconfig
from tgi_operator.cli.command_line import Access, Failure
from tgi_operator.intake import Object
from tgi_operator.kube import APIError, Kube, NoClusterError

_T = TypeVar("_T")

NO_CRD = (
    f"the cluster has no {PLURAL}.{GROUP} CustomResourceDefinition; install the operator, "
    "or run kubectl apply --server-side -f crds/tgiendpoints.yaml"
)


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Return the result of `work`. Raises Failure if the cluster cannot be reached or refuses a request."""
    try:
        return asyncio.run(work)
    except (APIError, NoClusterError, aiohttp.ClientError, TimeoutError) as error:
        raise Failure(str(error) or type(error).__name__) from None


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[Kube]:
    """Connect to the cluster that kubectl would use. Raises NoClusterError."""
    kube = await Kube.connect(kubeconfig=access.kubeconfig, context=access.context)
    try:
        yield kube
    finally:
        await kube.close()


async def resource(kube: Kube, access: Access, name: str) -> Object:
    """Return the TGIEndpoint. Raises Failure if it does not exist."""
    namespace = kubeconfig.namespace(access)
    found = await kube.endpoint(namespace, name)
    if found is not None:
        return found
    if await kube.get(f"/apis/{API_VERSION}") is None:
        raise Failure(NO_CRD)
    raise Failure(
        f"TGIEndpoint {namespace}/{name} does not exist; to list all TGIEndpoints, run kubectl get tgi --all-namespaces"
    )
