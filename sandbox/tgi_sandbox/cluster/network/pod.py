"""The facts about a pod and its containers that the network needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tgi_sandbox.cluster.script import PREFIX

# The entrypoint of TGI's image, and the program that it starts.
_LAUNCHERS = ("tgi-entrypoint.sh", "text-generation-launcher")


@dataclass(frozen=True)
class Container:
    """A container: its part of a pod's spec and, if present, of the status."""

    spec: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name within the pod."""
        return str(self.spec["name"])

    @property
    def restarts(self) -> int:
        """Its restart count."""
        return int(self.status.get("restartCount", 0))

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return "running" in self._state

    @property
    def started(self) -> bool:
        """Whether it has run long enough that its ports are open."""
        return self.running and bool(self.status.get("started"))

    @property
    def gpus(self) -> int:
        """How many GPUs it has."""
        return int(self.spec.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0))

    @property
    def launcher_arguments(self) -> list[str] | None:
        """The arguments of the TGI launcher; none if the container runs another program."""
        command, arguments = self.spec.get("command", []), self.spec.get("args", [])
        if not command:
            return list(arguments)
        if PurePosixPath(command[0]).name in _LAUNCHERS:
            return [*command[1:], *arguments]
        return None

    def is_over(self, restarts: int) -> bool:
        """Whether the life of a container with that restart count has ended."""
        ended = "waiting" in self._state or "terminated" in self._state
        return self.restarts > restarts or (self.restarts == restarts and ended)

    @property
    def _state(self) -> Mapping[str, Any]:
        state: Mapping[str, Any] = self.status.get("state", {})
        return state


@dataclass(frozen=True)
class Pod:
    """A pod as the API server returns it."""

    data: Mapping[str, Any]

    @property
    def uid(self) -> str:
        """The uid, which distinguishes it from an earlier pod of the same name."""
        return str(self.data["metadata"]["uid"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.data["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.data["metadata"]["name"])

    @property
    def address(self) -> str | None:
        """Its IP address, once it has one."""
        address: str | None = self.data["status"].get("podIP")
        return address

    @property
    def grace_seconds(self) -> int:
        """The grace period of its containers."""
        return int(self.data["spec"]["terminationGracePeriodSeconds"])

    @property
    def containers(self) -> list[Container]:
        """Its containers, without init containers."""
        statuses = {status["name"]: status for status in self.data["status"].get("containerStatuses", [])}
        return [Container(spec, statuses.get(spec["name"], {})) for spec in self.data["spec"]["containers"]]

    def script(self, name: str) -> str | None:
        """Return the user's value of an annotation of the sandbox."""
        value: str | None = self.data["metadata"].get("annotations", {}).get(PREFIX + name)
        return value
