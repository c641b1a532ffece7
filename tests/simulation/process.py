"""One process of the operator: its tasks, its clients, its watches and its sudden end."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from simulation.amazon import Amazon
from simulation.api_server import ApiServer, read
from simulation.copying import copied
from tgi_operator.api.identifiers import PLURAL
from tgi_operator.backends.incluster.desired.names import LABEL_NAME
from tgi_operator.backends.incluster.kinds import Kind, Object
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.control.controller import Controller
from tgi_operator.kube import Kube

T = TypeVar("T")

WATCH_SECONDS = 0.05
"""The delivery time of an event of a watch."""

_running: ContextVar["Process | None"] = ContextVar("_running", default=None)


class Killed(BaseException):
    """The process has been killed: none of its code runs any longer."""


@dataclass
class Fuse:
    """Triggers at the `calls`th request from now on, before or after that has its effect; None: never.

    With an `operation`, only requests of that name count: an AWS operation, or verb and resource as in "patch pods".
    """

    calls: int | None = None
    operation: str | None = None
    after_effect: bool = False

    def burn(self, operation: str) -> bool:
        """Count a request; return whether it is the last one."""
        if self.calls is None or self.operation not in (None, operation):
            return False
        self.calls -= 1
        return self.calls == 0


class Process:
    """The tasks of one process, and its connections to AWS and to the API server while it lives."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fuse: Fuse, on_death: Callable[[], None]) -> None:
        self.alive = True
        self.tasks: set[asyncio.Task[Any]] = set()
        self._loop = loop
        self._fuse = fuse
        self._on_death = on_death
        self._context = copy_context()
        self._context.run(_running.set, self)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the process: all tasks that it starts end with the process."""
        self._loop.create_task(coroutine, context=self._context)

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back within the process, if it still lives then."""
        self._loop.call_later(seconds, lambda: callback() if self.alive else None, context=self._context)

    async def call(self, operation: str, request: Callable[[], Awaitable[T]]) -> T:
        """Send a request out of the process. Raises Killed if it is the process's last one."""
        if not self.alive:
            raise Killed
        last = self._fuse.burn(operation)
        if last and not self._fuse.after_effect:
            self.kill()
            raise Killed
        try:
            return await request()
        finally:
            if last:
                self.kill()
            if not self.alive:
                raise Killed

    def kill(self) -> None:
        """End the process immediately."""
        if not self.alive:
            return
        self.alive = False
        for task in self.tasks:
            task.cancel()
        self._loop.call_soon(self._on_death, context=Context())


def track_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let every process keep track of its tasks."""

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        context: Context | None = options.get("context")
        process = context.get(_running) if context is not None else _running.get()
        if process is not None:
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
        return task

    loop.set_task_factory(factory)  # type: ignore[arg-type]


class AWSClient:
    """Implements aws.API for one process."""

    def __init__(self, process: Process, amazon: Amazon) -> None:
        self._process = process
        self._amazon = amazon

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call. Raises AWSError."""
        return await self._process.call(operation, lambda: self._amazon.call(scope, operation, request))

    def drop(self, scope: Scope) -> None:
        """The client keeps nothing for a scope."""

    async def close(self) -> None:
        """The client has nothing open."""


class KubeClient(Kube):
    """The operator's own client of the API server, without the network."""

    def __init__(self, process: Process, server: ApiServer) -> None:
        self._process = process
        self._api = server

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: Object | None) -> tuple[int, str]:
        request = read(method, path, headers, body)
        operation = f"{request.verb} {request.resource}" if request is not None else path
        return await self._process.call(operation, lambda: self._api.send(method, path, headers, body))


class Informer:
    """Passes the events of all watches to a controller in order, as kopf does; watches can be cut for a while."""

    def __init__(self, process: Process, server: ApiServer, controller: Controller, kinds: tuple[Kind, ...]) -> None:
        self._process = process
        self._server = server
        self._controller = controller
        self._children = {kind.plural for kind in kinds}
        self._watched = (PLURAL, "secrets", *self._children)
        self._events: deque[tuple[str, str, Object]] = deque()
        self._connected = False
        server.listeners.append(self._heard)

    def connect(self) -> None:
        """List every kind, and watch from there."""
        self._connected = True
        for plural in self._watched:
            for body in list(self._server.objects[plural].values()):
                self._heard(plural, "", body)

    def cut(self) -> None:
        """Cut the watches: later events are not delivered."""
        self._connected = False

    def close(self) -> None:
        """Stop watching."""
        self.cut()
        self._server.listeners.remove(self._heard)

    def _heard(self, plural: str, change: str, body: Object) -> None:
        if not self._connected or plural not in self._watched:
            return
        if plural in self._children and LABEL_NAME not in body["metadata"].get("labels", {}):
            return
        self._events.append((plural, change, copied(body)))
        # One delivery for each event: timers of the same time can run in any order, the queue keeps the order.
        self._process.later(WATCH_SECONDS, self._deliver)

    def _deliver(self) -> None:
        plural, change, body = self._events.popleft()
        meta, gone = body["metadata"], change == "DELETED"
        if plural == "secrets":
            version = "" if gone else meta["resourceVersion"]
            self._controller.secret_seen(meta["namespace"], meta["name"], version)
        elif plural == PLURAL and gone:
            self._controller.removed(meta["namespace"], meta["name"], meta["uid"])
        elif plural == PLURAL:
            self._controller.seen(body)
        elif gone:
            self._controller.child_removed(body)
        else:
            self._controller.child_seen(body)
