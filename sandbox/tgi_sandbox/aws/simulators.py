"""The containers of endpoints: TGI simulator processes, started by the first invocation."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.containers import environment
from tgi_sandbox.cluster.ports import answers, free_ports
from tgi_sandbox.processes import Process, stop_all

if TYPE_CHECKING:
    from tgi_sandbox.aws.lifecycle import Endpoint, Variant

MODULE: Final = "tgi_sandbox.tgi.sagemaker"
_START_SECONDS: Final = 60.0
_PASSED_ON: Final = ("PATH", "SANDBOX_TOKEN_DELAY")


@dataclass(frozen=True)
class Simulator:
    """A container that answers /ping on a port."""

    variant: Variant
    process: Process
    port: int

    def runs(self, variant: Variant) -> bool:
        """Whether it still is the container of this variant."""
        mine = self.variant
        return self.process.running and (mine.container, mine.instance_type) == (
            variant.container,
            variant.instance_type,
        )


class Simulators:
    """At most one simulator for each variant of an endpoint; they always end with the emulator."""

    def __init__(self, module: str = MODULE) -> None:
        self._module = module
        self._starting: dict[tuple[str, str], asyncio.Task[Simulator]] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._logs = tempfile.TemporaryDirectory(prefix="tgi-sandbox-aws-")

    async def of(self, arn: str, variant: Variant) -> Simulator:
        """Return the simulator of a variant, started if there is none.

        Raises ProcessError if it does not start.
        """
        key = (arn, variant.name)
        started = self._starting.get(key)
        if started is not None and started.done() and not _usable(started, variant):
            self._retire(key)
            started = None
        if started is None:
            started = self._starting[key] = asyncio.create_task(self._start(arn, variant))
        return await asyncio.shield(started)

    def observe(self, arn: str, endpoint: Endpoint | None) -> None:
        """Stop simulators that a changed or deleted endpoint no longer runs."""
        variants = {variant.name: variant for variant in endpoint.variants} if endpoint else {}
        for key, task in list(self._starting.items()):
            if key[0] == arn and not (key[1] in variants and (not task.done() or _usable(task, variants[key[1]]))):
                self._retire(key)

    async def close(self) -> None:
        """Stop every simulator."""
        for key in list(self._starting):
            self._retire(key)
        await asyncio.gather(*self._stopping)
        self._logs.cleanup()

    async def _start(self, arn: str, variant: Variant) -> Simulator:
        (port,) = free_ports(1)
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        name = f"{arn.rpartition('/')[2]}-{variant.name}"
        command = [sys.executable, "-m", self._module, "--port", str(port), "--parent-pid", str(os.getpid())]
        process = Process(
            f"the container of {name}", command, Path(self._logs.name, f"{name}.log"), passed_on | environment(variant)
        )
        try:
            await asyncio.to_thread(process.start)
            await asyncio.to_thread(process.wait_ready, lambda: _pings(port), _START_SECONDS)
        except BaseException:
            await asyncio.to_thread(process.stop)
            raise
        return Simulator(variant, process, port)

    def _retire(self, key: tuple[str, str]) -> None:
        stopping = asyncio.create_task(_stop(self._starting.pop(key)))
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)


async def _stop(started: asyncio.Task[Simulator]) -> None:
    (simulator,) = await asyncio.gather(started, return_exceptions=True)
    if isinstance(simulator, Simulator):
        await asyncio.to_thread(stop_all, [simulator.process], 1.0)


def _usable(started: asyncio.Task[Simulator], variant: Variant) -> bool:
    return started.exception() is None and started.result().runs(variant)


def _pings(port: int) -> bool:
    try:
        return answers(port, "/ping")
    except OSError:
        return False
