"""Keeps the operator running in its pods, as a kubelet does, and updates the status of the pods.

For a TGI pod, the script decides its status, and a process starts on the first connection. For the operator's pods,
it is the reverse: the process comes first, and the pod follows it by the same annotations.
"""

import asyncio
from contextlib import suppress
from functools import partial

from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.network.containers import Containers
from tgi_sandbox.cluster.network.operators import is_operator
from tgi_sandbox.cluster.network.pod import Container, Pod
from tgi_sandbox.cluster.network.pods import annotate
from tgi_sandbox.cluster.network.tunnels import UnreachableError
from tgi_sandbox.cluster.script import Outcome, annotations

_POLL_SECONDS = 0.2
_FAILED = 1

# Runs, but is not ready.
_STARTING = Outcome.PROBE_FAILURE


class Attendant:
    """Starts the operator once for each life of its containers."""

    def __init__(self, api: ApiServer, containers: Containers) -> None:
        self._api = api
        self._containers = containers
        self._lives: set[tuple[str, str, int]] = set()
        self._attending: set[asyncio.Task[None]] = set()

    def observe(self, pod: Pod) -> None:
        """Process a pod that is new or has changed."""
        for container in filter(is_operator, pod.containers):
            life = (pod.uid, container.name, container.restarts)
            if container.running and life not in self._lives:
                self._lives.add(life)
                attending = asyncio.create_task(self._attend(pod, container))
                self._attending.add(attending)
                attending.add_done_callback(self._attending.discard)

    async def _attend(self, pod: Pod, container: Container) -> None:
        of_this_life = partial(annotations, life=container.restarts)
        await self._tell(pod, of_this_life(_STARTING))
        try:
            process = await self._containers.run(pod, container)
        except UnreachableError as error:
            await self._tell(pod, of_this_life(Outcome.CRASH_LOOP, exit_code=_FAILED, message=str(error)))
            return
        await self._tell(pod, of_this_life(Outcome.OK))
        # No thread waits for it: there are few.
        while not process.wait(0):  # noqa: ASYNC110 (nothing tells when a child has ended)
            await asyncio.sleep(_POLL_SECONDS)
        await self._tell(pod, of_this_life(Outcome.CRASH_LOOP, exit_code=process.returncode))

    async def _tell(self, pod: Pod, script: dict[str, str]) -> None:
        with suppress(ApiError, OSError):  # the pod is gone, or the API server is
            await asyncio.to_thread(annotate, self._api, pod, script)
