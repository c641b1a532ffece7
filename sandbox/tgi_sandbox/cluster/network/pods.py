"""All pods: an index of them, and the requests to the API server about them."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from urllib.parse import urlencode

from tgi_sandbox.cluster.api import ApiServer
from tgi_sandbox.cluster.network.pod import Pod

_PODS = "/api/v1/pods"


class Pods:
    """The known pods, by uid and by address."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Pod] = {}
        self._by_address: dict[str, Pod] = {}

    def replace(self, pods: Iterable[Pod]) -> None:
        """Replace the index by these pods."""
        self._by_uid.clear()
        self._by_address.clear()
        for pod in pods:
            self.add(pod)

    def add(self, pod: Pod) -> None:
        """Add or update a pod."""
        self._by_uid[pod.uid] = pod
        if pod.address is not None:
            self._by_address[pod.address] = pod

    def remove(self, pod: Pod) -> None:
        """Remove a pod; its address can already belong to another pod."""
        self._by_uid.pop(pod.uid, None)
        if pod.address is not None and self._by_address.get(pod.address, pod).uid == pod.uid:
            self._by_address.pop(pod.address, None)

    @property
    def uids(self) -> AbstractSet[str]:
        """The uids of all pods."""
        return self._by_uid.keys()

    def at(self, address: str) -> Pod | None:
        """Return the pod that has an address."""
        return self._by_address.get(address)


def listing(api: ApiServer) -> tuple[list[Pod], str]:
    """Return all pods from the API server, and the version from which a watch continues."""
    answer = api.request("GET", _PODS)
    return [Pod(item) for item in answer["items"]], answer["metadata"]["resourceVersion"]


def changes(api: ApiServer, version: str) -> Iterator[tuple[str, Pod]]:
    """Yield each change since a version, `ADDED`, `MODIFIED` or `DELETED`, until the API server ends the watch."""
    for event in api.watch(f"{_PODS}?{urlencode({'watch': 1, 'resourceVersion': version})}"):
        if event["type"] == "ERROR":
            return
        yield event["type"], Pod(event["object"])


def with_address(api: ApiServer, address: str) -> Pod | None:
    """Return the pod that has an address now, from the API server."""
    query = urlencode({"fieldSelector": f"status.podIP={address}"})
    pods = [Pod(item) for item in api.request("GET", f"{_PODS}?{query}")["items"]]
    return pods[0] if pods else None


def named(api: ApiServer, namespace: str, name: str) -> Pod:
    """Return a pod from the API server."""
    return Pod(api.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}"))


def annotate(api: ApiServer, pod: Pod, annotations: dict[str, str]) -> None:
    """Set annotations of a pod."""
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
    api.request("PATCH", path, {"metadata": {"uid": pod.uid, "annotations": annotations}})
