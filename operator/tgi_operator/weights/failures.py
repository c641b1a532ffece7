"""Reasons why weights could not be fetched: lasting and temporary failures."""

import errno
import os
import re
from pathlib import Path

from tgi_operator.exit_codes import ExitCode

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NAME = {errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR}
_QUERY = re.compile(r"\?[^\s'\")]+")


class FetchError(Exception):
    """A failure in one line for a person: the finding, and the fix."""

    exit_code = ExitCode.FAILED


class PassingError(FetchError):
    """A problem of the network, a limit or a server: another try may succeed."""


class LastingError(FetchError):
    """Fails the same way until a user has changed something."""

    exit_code = ExitCode.LASTING


def of_volume(error: OSError, directory: Path) -> LastingError | None:
    """Return the lasting failure of the volume, or None if the error is of another kind."""
    where = f"{error.filename or directory}: {error.strerror}"
    if error.errno in _FULL:
        return LastingError(f"the volume of {directory} is full; use a larger PVC")
    if error.errno in _DENIED:
        return LastingError(
            f"{where}; the volume must be writable for uid {os.getuid()} and gid {os.getgid()}: change the owner of "
            "the folder, or use a volume whose CSI driver applies fsGroup"
        )
    if error.errno in _NAME:
        return LastingError(where)
    return None


def line(error: BaseException) -> str:
    """Return an error in one line. The query of a URL may be a signature and is omitted."""
    text = _QUERY.sub("?...", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:500]}"
