"""The contents of an image, and checks of what it must not contain."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

_TOOLS = re.compile(
    r"(.+-)?(cc|c\+\+|gcc|g\+\+|cpp|clang|ld|as|make|cmake|rustc|cargo|go)(-[\d.]+)?"
    r"|pip[\d.]*|uvx?|easy_install|wheel|apt(-.+)?|dpkg(-.+)?|rpm|apk"
    r"|sh|dash|bash|busybox|perl[\d.]*|curl|wget|git|su|sudo|mount"
)
_DISTRIBUTIONS = {"pip", "setuptools", "wheel", "uv", "sagemaker", "tgi-sandbox"}

FileState = tuple[int, int, int]


@dataclass(frozen=True)
class Contents:
    """The files of an image, by their paths in it, and the installed Python distributions."""

    files: Mapping[str, FileState]
    distributions: AbstractSet[str]

    @property
    def bytes(self) -> int:
        """The size of all files in bytes."""
        return sum(size for mode, size, _ in self.files.values() if stat.S_ISREG(mode))

    def problems(self, listed: AbstractSet[str]) -> Iterator[str]:
        """Return the problems; `listed` are the distributions in the list of materials."""
        for path, (mode, _, _) in self.files.items():
            if not stat.S_ISDIR(mode) and Path(path).parent.name in ("bin", "sbin") and _is_tool(path):
                yield f"{path} is a build tool, an installer or a shell"
            if mode & (stat.S_ISUID | stat.S_ISGID):
                yield f"{path} is setuid or setgid"
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX and not stat.S_ISLNK(mode):
                yield f"{path} is world-writable"
        if "/etc/ssl/certs/ca-certificates.crt" not in self.files:
            yield "there are no CA certificates"
        for name in sorted(self.distributions & _DISTRIBUTIONS):
            yield f"the image contains the Python distribution {name}"
        for name in sorted(self.distributions - listed):
            yield f"the Python distribution {name} is not in the SBOM"

    def changes(self, later: "Contents") -> list[str]:
        """Return the paths that are changed, new or missing in `later`."""
        return sorted(path for path, _ in self.files.items() ^ later.files.items())


def contents(rootfs: Path) -> Contents:
    """Return the contents of an image whose files are in a folder."""
    infos = rootfs.glob("opt/venv/lib/python3*/site-packages/*.dist-info")
    names = {re.sub(r"[-_.]+", "-", info.name.split("-")[0]).lower() for info in infos}
    return Contents(dict(_files(rootfs)), names)


def _files(rootfs: Path) -> Iterator[tuple[str, FileState]]:
    for folder, folders, files in os.walk(rootfs):
        for name in (*folders, *files):
            path = Path(folder, name)
            state = path.lstat()
            # The time of a folder only reflects changes of its entries.
            time = 0 if stat.S_ISDIR(state.st_mode) else state.st_mtime_ns
            yield f"/{path.relative_to(rootfs)}", (state.st_mode, state.st_size, time)


def _is_tool(path: str) -> bool:
    return _TOOLS.fullmatch(Path(path).name) is not None
