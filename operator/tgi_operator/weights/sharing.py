"""Whether TGI, which runs as another user, can use what was fetched.

TGI runs as root without any capability, so the permissions of a file apply to it as to any other user. The operator
makes it a member of this process's group if it must convert weights, which it writes next to the originals.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from tgi_operator.weights.failures import LastingError

_READ = stat.S_IROTH
_SEARCH = stat.S_IROTH | stat.S_IXOTH


def share(directory: Path, root: Path, *, writable: bool) -> None:
    """Let TGI read a folder below `root` and, if `writable`, create files in it. Raises LastingError.

    A volume that shows the files of this process as another user's decides about access on its own.
    """
    for path, needed in _needed(directory, root):
        _allow(path, needed)
    if writable:
        _allow_group(directory)


def _needed(directory: Path, root: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folders and files that TGI opens, with the permission bits that other users need."""
    found = {path.resolve() for path in directory.iterdir()}
    files = {path for path in found if path.is_file()}
    folders = {parent for path in (directory.resolve(), *files) for parent in (path, *path.parents) if parent.is_dir()}
    top = root.resolve()
    yield from ((path, _SEARCH) for path in sorted(folders) if path.is_relative_to(top))
    yield from ((path, _READ) for path in sorted(files))


def _allow(path: Path, needed: int) -> None:
    found = path.stat()
    if found.st_mode & needed == needed or not _is_ours(found):
        return
    path.chmod(stat.S_IMODE(found.st_mode) | needed)
    if path.stat().st_mode & needed != needed:
        raise LastingError(
            f"{path}: the volume does not allow mode {stat.S_IMODE(found.st_mode):o} to be changed, so TGI cannot read "
            "this path; mount the volume with modes that let other users read its files"
        )


def _allow_group(directory: Path) -> None:
    group = os.getegid()
    if _is_ours(directory.stat()):
        with suppress(PermissionError):
            os.chown(directory, -1, group)
            directory.chmod(stat.S_IMODE(directory.stat().st_mode) | stat.S_IRWXG)
    elif _is_mapped(directory):
        return
    found = directory.stat()
    if not (found.st_mode & stat.S_IWOTH or (found.st_gid == group and found.st_mode & stat.S_IWGRP)):
        raise LastingError(
            f"{directory}: group {group} is not allowed to write, but TGI must convert the .bin weights there; use "
            f"safetensors weights, or set the group of this folder to {group} and its mode to 775"
        )


def _is_mapped(directory: Path) -> bool:
    """Return whether the volume shows new files of this process as another user's."""
    with NamedTemporaryFile(dir=directory) as file:
        return not _is_ours(os.fstat(file.fileno()))


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid()
