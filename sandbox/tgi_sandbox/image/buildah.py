"""buildah with a separate store, without the other images of this machine."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tgi_sandbox.processes import PidFile, tail

_HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class ImageError(RuntimeError):
    """The image could not be built or run; the message ends with the program's output."""


@dataclass(frozen=True)
class ImageConfig:
    """The configuration in an image for container runtimes."""

    user: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: tuple[str, ...]
    folder: str
    labels: Mapping[str, str]

    @property
    def ids(self) -> tuple[int, int]:
        """The numeric user and group; raises ImageError if the image has names, which Kubernetes cannot check."""
        user, _, group = self.user.partition(":")
        if not (user.isdecimal() and group.isdecimal()):
            raise ImageError(f"the image's USER is {self.user!r}; it must be a numeric user and group")
        return int(user), int(group)


class Buildah:
    """Builds images, and inspects them."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "build.log"
        self._command = ["buildah", "--root", str(folder / "store"), "--runroot", str(folder / "run")]
        self._owner = PidFile(folder / "pid")

    @contextmanager
    def alone(self, *, empty: bool = False) -> Iterator[None]:
        """Use the store exclusively, `empty` if requested, and leave no container in it."""
        if not self._owner.acquire():
            raise ImageError(f"process {self._owner.owner()} is already using the image store")
        self.log.unlink(missing_ok=True)
        try:
            if empty:
                self._run("rmi", "--all", "--force")
            yield
        finally:
            # buildah leaves a mounted container for each stage of a Dockerfile that has no steps.
            self._run("rm", "--all")
            self._owner.release()

    def has(self, tag: str) -> bool:
        """Whether an image of that name is in the store."""
        command = [*self._command, "inspect", "--type", "image", tag]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603

    def build(self, file: Path, context: Path, tag: str, arguments: Mapping[str, str], *, pull: bool = False) -> None:
        """Build an image from a Dockerfile; its base images are already in the store, unless `pull` is set."""
        with tempfile.TemporaryDirectory() as folder:
            options = [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]
            options += _trust(Path(folder)) + ([] if pull else ["--pull-never"])
            # chroot: the only isolation that requires nothing but root.
            self._run("bud", "--layers", "--isolation", "chroot", *options, "-f", str(file), "-t", tag, str(context))

    def config(self, tag: str) -> ImageConfig:
        """Return the configuration of an image."""
        config = json.loads(self._run("inspect", "--type", "image", tag))["OCIv1"]["config"]
        return ImageConfig(
            user=config.get("User", ""),
            entrypoint=tuple(config.get("Entrypoint", ())),
            command=tuple(config.get("Cmd", ())),
            environment=tuple(config.get("Env", ())),
            folder=config.get("WorkingDir") or "/",
            labels=config.get("Labels", {}),
        )

    def pull_bytes(self, tag: str) -> int:
        """Return the size of the image's compressed layers: the download of a node."""
        with tempfile.TemporaryDirectory() as folder:
            self._run("push", "--quiet", tag, f"oci:{folder}:image")
            return sum(file.stat().st_size for file in Path(folder, "blobs").rglob("*") if file.is_file())

    @contextmanager
    def rootfs(self, tag: str) -> Iterator[Path]:
        """Yield a folder with all the image's files; it ends with the block."""
        container = self._run("from", "--pull-never", tag).strip()
        try:
            yield Path(self._run("mount", container).strip())
        finally:
            self._run("rm", container)

    def _run(self, *words: str) -> str:
        with self.log.open("ab") as log:
            done = subprocess.run([*self._command, *words], stdout=subprocess.PIPE, stderr=log, check=False)  # noqa: S603
            log.write(done.stdout)
        if done.returncode != 0:
            raise ImageError(f"buildah {words[0]} failed; the end of {self.log}:\n{tail(self.log)}")
        return done.stdout.decode()


def _trust(folder: Path) -> list[str]:
    """Return the options for uv in the build to trust the CAs of this machine, which may be behind a proxy."""
    if not _HOST_CERTIFICATES.exists():
        return []
    settings = folder / "uv.toml"
    settings.write_text("system-certs = true\n")
    mounts = {_HOST_CERTIFICATES: _HOST_CERTIFICATES, settings: Path("/etc/uv/uv.toml")}
    return [option for source, target in mounts.items() for option in ("-v", f"{source}:{target}:ro")]
