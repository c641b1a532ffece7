"""The operator in its image, as a kubelet runs it: its user, no capabilities, a read-only root, a /tmp.

Unlike a pod, it uses this machine's network, where the sandbox listens on loopback only.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgi_sandbox.image.buildah import ImageConfig, ImageError
from tgi_sandbox.processes import Process

_STOP_SECONDS = 40.0


@dataclass(frozen=True)
class Volume:
    """A file or folder of this machine that is mounted in the container."""

    source: Path
    target: str
    writable: bool = False


def specification(
    rootfs: Path,
    image: ImageConfig,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *volumes: Volume,
    memory: int,
) -> dict[str, Any]:
    """Return the container's config.json for an OCI runtime; `memory` is its limit in bytes."""
    user, group = image.ids
    nothing = ["nosuid", "noexec", "nodev"]
    mounts: list[dict[str, Any]] = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*nothing, "mode=1777", "size=64m"]},  # noqa: S108
    ]
    for volume in volumes:
        options = ["bind", "nosuid", "nodev", "rw" if volume.writable else "ro"]
        mounts.append({"destination": volume.target, "type": "none", "source": str(volume.source), "options": options})
    return {
        "ociVersion": "1.0.2",
        "hostname": "tgi-operator",
        "root": {"path": str(rootfs), "readonly": True},
        "process": {
            "user": {"uid": user, "gid": group},
            "args": [*image.entrypoint, *(arguments or image.command)],
            "env": [*image.environment, *(f"{name}={value}" for name, value in environment.items())],
            "cwd": image.folder,
            "noNewPrivileges": True,
            "capabilities": {},
        },
        "mounts": mounts,
        "linux": {
            # All but the network.
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "resources": {"devices": [{"allow": False, "access": "rwm"}], "memory": {"limit": memory}},
        },
    }


class Container:
    """A container of runc."""

    def __init__(self, folder: Path, name: str, spec: Mapping[str, Any], log: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(spec))
        self._runc = ["runc", "--root", str(folder / "state")]
        self._id = f"{name}-{os.getpid()}"
        self.process = Process(name, [*self._runc, "run", "--bundle", str(folder), self._id], log)

    def pid(self) -> int:
        """Return the process id on the host of the first process in it."""
        state = subprocess.run([*self._runc, "state", self._id], capture_output=True, text=True, check=False)  # noqa: S603
        if state.returncode != 0:
            raise ImageError(f"the container is not running: {state.stderr}")
        return int(json.loads(state.stdout)["pid"])

    def stop(self) -> None:
        """Stop it as the kubelet does."""
        self.process.stop(_STOP_SECONDS)
        subprocess.run([*self._runc, "delete", "--force", self._id], capture_output=True, check=False)  # noqa: S603


@dataclass(frozen=True)
class Seen:
    """The kernel's information about a process."""

    users: frozenset[str]
    capabilities: frozenset[str]
    no_new_privileges: bool
    root_read_only: bool
    peak_mib: float
    cpu_seconds: float

    def problems(self, user: int) -> list[str]:
        """Return the violations of the requirements."""
        wrong = {
            f"it runs as {sorted(self.users)}, not as {user}": self.users != {str(user)},
            "it has capabilities": self.capabilities != {"0" * 16},
            "it can get new privileges": not self.no_new_privileges,
            "its root is writable": not self.root_read_only,
        }
        return [text for text, holds in wrong.items() if holds]


def look(pid: int) -> Seen:
    """Return the kernel's information about a process."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    # The fields after the name, which can contain any character.
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return Seen(
        users=frozenset((status["Uid"] + "\t" + status["Gid"]).split()),
        capabilities=frozenset(status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")),
        no_new_privileges=status["NoNewPrivs"].strip() == "1",
        root_read_only=[fields[5].split(",")[0] for fields in mounts if fields[4] == "/"] == ["ro"],
        peak_mib=int(status["VmHWM"].split()[0]) / 1024,
        cpu_seconds=sum(int(ticks) for ticks in times) / os.sysconf("SC_CLK_TCK"),
    )
