"""Objects that are read besides a resource: its Events and its pods."""

from tgi_operator.api.identifiers import GROUP
from tgi_operator.cli import resource_fields as fields
from tgi_operator.cli.explanation import Surroundings
from tgi_operator.intake import Object
from tgi_operator.kube import APIError, Kube

_POD_LABEL = f"{GROUP}/name"


async def surroundings(kube: Kube, resource: Object) -> Surroundings:
    """Return Events and pods. Objects that the user is not allowed to read are named and left out."""
    unreadable: list[str] = []
    read = {"Events": events, "pods": pods}
    found: dict[str, tuple[Object, ...]] = {}
    for kind, function in read.items():
        try:
            found[kind] = await function(kube, resource)
        except APIError as error:
            found[kind] = ()
            unreadable.append(f"{kind}: {error}")
    return Surroundings(found["Events"], found["pods"], tuple(unreadable))


async def events(kube: Kube, resource: Object) -> tuple[Object, ...]:
    """Return the Events about the resource, and about its pods if it has any. Raises APIError."""
    meta = resource["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/events"
    about = await kube.items(path, fieldSelector=f"involvedObject.uid={meta['uid']}")
    if not fields.is_in_cluster(resource):
        return tuple(about)
    names = {each["metadata"]["name"] for each in await pods(kube, resource)}
    of_pods = await kube.items(path, fieldSelector="involvedObject.kind=Pod")
    return (*about, *(each for each in of_pods if each["involvedObject"]["name"] in names))


async def pods(kube: Kube, resource: Object) -> tuple[Object, ...]:
    """Return the serving pods, or those that fetch the weights. Raises APIError."""
    if not fields.is_in_cluster(resource):
        return ()
    meta = resource["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods"
    return tuple(await kube.items(path, labelSelector=f"{_POD_LABEL}={meta['name']}"))
