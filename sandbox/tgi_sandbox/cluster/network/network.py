"""The destination of each address, and the log of each container."""

import asyncio

from tgi_sandbox.cluster.api import ApiServer
from tgi_sandbox.cluster.layout import Layout
from tgi_sandbox.cluster.network.attendant import Attendant
from tgi_sandbox.cluster.network.containers import Containers
from tgi_sandbox.cluster.network.files import PodFiles
from tgi_sandbox.cluster.network.pod import Pod
from tgi_sandbox.cluster.network.pods import Pods, named, with_address
from tgi_sandbox.cluster.network.tunnels import UnreachableError
from tgi_sandbox.cluster.nodes import KUBELET_PORT
from tgi_sandbox.cluster.ports import LOCALHOST


class Network:
    """Knows all pods and their processes."""

    def __init__(self, api: ApiServer, layout: Layout, kubelet_port: int, aws: str | None) -> None:
        self._api = api
        self._kubelet_port = kubelet_port
        self._pods = Pods()
        self._containers = Containers(PodFiles(api, layout, aws), layout.containers)
        # Without AWS, the operator runs outside the cluster, if at all.
        self._attendant = Attendant(api, self._containers) if aws else None

    async def route(self, host: str, port: int) -> int:
        """Return the loopback port for a port of a pod or a node; other loopback ports are returned unchanged."""
        if host == LOCALHOST:
            # An API server or a webhook outside the cluster, which a service of type ExternalName points to.
            return port
        if port == KUBELET_PORT:
            return self._kubelet_port
        pod = self._pods.at(host)
        if pod is None or not all(container.started for container in pod.containers):
            # The watch can lag behind the caller's information.
            pod = await asyncio.to_thread(with_address, self._api, host)
        if pod is None:
            raise UnreachableError(f"no route to host: no pod has the address {host}")
        return await self._containers.port(pod, port)

    def log(self, namespace: str, name: str, container: str, previous: bool) -> str:
        """Return the log of a container, or the text that the user has set for it."""
        pod = named(self._api, namespace, name)
        printed = (self._containers.log(pod, one, previous) for one in pod.containers if one.name == container)
        return next(printed, None) or pod.script("logs") or pod.script("message") or ""

    def listed(self, pods: list[Pod]) -> None:
        """Process the list of all pods."""
        self._pods.replace(pods)
        self._containers.retain(self._pods.uids)
        for pod in pods:
            self._attend(pod)

    def changed(self, pod: Pod) -> None:
        """Process a pod that is new or has changed."""
        self._pods.add(pod)
        self._containers.observe(pod)
        self._attend(pod)

    def deleted(self, pod: Pod) -> None:
        """Process the deletion of a pod."""
        self._pods.remove(pod)
        self._containers.retain(self._pods.uids)

    def _attend(self, pod: Pod) -> None:
        if self._attendant is not None:
            self._attendant.observe(pod)
