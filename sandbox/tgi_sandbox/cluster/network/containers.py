"""Processes of this machine that stand in for the containers of pods, started on demand."""

import asyncio
import signal
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tgi_sandbox.cluster.network.files import PodFiles
from tgi_sandbox.cluster.network.pod import Container, Pod
from tgi_sandbox.cluster.network.stand_ins import port_of, stand_in
from tgi_sandbox.cluster.network.tunnels import UnreachableError
from tgi_sandbox.cluster.ports import answers, free_ports
from tgi_sandbox.processes import Process, ProcessError

_START_SECONDS = 60.0
_POLL_SECONDS = 0.05

# One life of a container: the pod's uid, the container's name, its restart count.
_Life = tuple[str, str, int]


@dataclass(frozen=True)
class _Running:
    process: Process
    port: int
    grace_seconds: int


class Containers:
    """At most one process for each life of a container; it ends when that life does."""

    def __init__(self, files: PodFiles, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._starting: dict[_Life, asyncio.Task[_Running]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def port(self, pod: Pod, port: int) -> int:
        """Return the port on loopback of the process behind a port of a pod, starting the process if there is none."""
        container = next((one for one in pod.containers if port_of(one) == port), None)
        if container is None:
            raise UnreachableError(f"connection refused: nothing in pod {pod.name} is listening on port {port}")
        if not container.started:
            raise UnreachableError(f"connection refused: container {container.name} of pod {pod.name} has not started")
        return (await self._running(pod, container)).port

    async def run(self, pod: Pod, container: Container) -> Process:
        """Return the process of a container, starting it if there is none; raises UnreachableError."""
        return (await self._running(pod, container)).process

    def log(self, pod: Pod, container: Container, previous: bool) -> str | None:
        """Return the log of a container in this life, or in the previous one in which it was started."""
        lives = {int(log.stem): log for log in self._logs(pod, container.name).glob("*.log")}
        wanted = [life for life in lives if (life < container.restarts if previous else life == container.restarts)]
        return lives[max(wanted)].read_text(errors="replace") if wanted else None

    def retain(self, uids: AbstractSet[str]) -> None:
        """End the processes of all but these pods."""
        for life in [life for life in self._starting if life[0] not in uids]:
            self._retire(life)

    def observe(self, pod: Pod) -> None:
        """End the processes that a pod no longer runs."""
        for container in pod.containers:
            for life in [life for life in self._starting if life[:2] == (pod.uid, container.name)]:
                if container.is_over(life[2]):
                    self._retire(life)

    async def _running(self, pod: Pod, container: Container) -> _Running:
        life = (pod.uid, container.name, container.restarts)
        starting = self._starting.get(life)
        if starting is None or (starting.done() and not _is_usable(starting)):
            starting = self._starting[life] = asyncio.create_task(self._start(pod, container))
        return await asyncio.shield(starting)

    async def _start(self, pod: Pod, container: Container) -> _Running:
        (port,) = free_ports(1)
        runs = await asyncio.to_thread(stand_in, pod, container, self._files, port)
        log = self._logs(pod, container.name) / f"{container.restarts}.log"
        process = Process(f"{container.name} of pod {pod.name}", runs.command, log, runs.environment)
        try:
            await asyncio.to_thread(process.start)
            await asyncio.to_thread(process.wait_ready, lambda: answers(port, runs.ready), _START_SECONDS)
        except ProcessError as error:
            await asyncio.to_thread(process.stop)
            raise UnreachableError(str(error)) from error
        return _Running(process, port, pod.grace_seconds)

    def _logs(self, pod: Pod, container: str) -> Path:
        # As under /var/log/pods on a node.
        return self._folder / f"{pod.namespace}_{pod.name}_{pod.uid}" / container

    def _retire(self, life: _Life) -> None:
        ending = asyncio.create_task(_end(self._starting.pop(life)))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _is_usable(started: asyncio.Task[_Running]) -> bool:
    return started.exception() is None and started.result().process.running


async def _end(started: asyncio.Task[_Running]) -> None:
    """End a process as a kubelet does, with a grace period."""
    (running,) = await asyncio.gather(started, return_exceptions=True)
    if isinstance(running, _Running):
        running.process.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(running.grace_seconds):
                # No thread waits for it: there are few, and the grace period can be minutes.
                while not running.process.wait(0):  # noqa: ASYNC110 (nothing tells when a child has ended)
                    await asyncio.sleep(_POLL_SECONDS)
        running.process.signal(signal.SIGKILL)
