"""Why weights could not be fetched: what will fail again, and what may pass."""

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
    """A failure in one line for a person: what was found, and what to do."""

    exit_code = ExitCode.FAILED


class PassingError(FetchError):
    """The network, a limit, a server in trouble: another try may do."""


class LastingError(FetchError):
    """Fails the same way until a person has changed something."""

    exit_code = ExitCode.LASTING


def of_volume(error: OSError, directory: Path) -> LastingError | None:
    """Return what the volume refuses for good, None where the error is of another kind."""
    where = f"{error.filename or directory}: {error.strerror}"
    if error.errno in _FULL:
        return LastingError(f"the volume of {directory} is full: use a larger PVC")
    if error.errno in _DENIED:
        return LastingError(f"{where}: the volume must be writable for uid {os.getuid()} and gid {os.getgid()}")
    if error.errno in _NAME:
        return LastingError(where)
    return None


def line(error: BaseException) -> str:
    """Return an error in one line; the query of a URL may be a signature and is left out."""
    text = _QUERY.sub("?...", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:500]}"
