"""Reasons why weights could not be fetched: lasting and temporary failures."""

import errno
import os
import re
from pathlib import Path

from tgi_operator.exit_codes import ExitCode

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}
_FAULTY = {errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ENODEV, errno.ENXIO, errno.EUCLEAN}
_PATH = {errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EFBIG}
_CHECK_VOLUME = "if the problem persists, check the volume and its storage driver"
_QUERY = re.compile(r"\?[^\s'\")]+")

CHECK_NETWORK = "if the problem persists, check DNS, the NetworkPolicies and the proxy variables in spec.runtime.env"


class FetchError(Exception):
    """A failure in one line for a person: the finding, and the fix."""

    exit_code = ExitCode.FAILED


class PassingError(FetchError):
    """A problem of the network, a limit or a server: another try may succeed."""


class LastingError(FetchError):
    """Fails the same way until a user has changed something."""

    exit_code = ExitCode.LASTING


def of_volume(error: OSError, directory: Path) -> FetchError | None:
    """Return the failure of the volume, or None if the error is one of the network.

    The libraries wrap the errors of their sockets, so an error number for files is an error of the volume, as is any
    error with a file name. A call for an open file, such as a write, has an error number but no file name.
    """
    where = f"{error.filename or directory}: {error.strerror}"
    if error.errno in _FULL:
        return LastingError(f"the volume that contains {directory} is full; use a larger PVC")
    # symlink(2) fails with EPERM if the file system has no links. Only links and renames have two paths.
    if error.errno in _UNSUPPORTED or (error.errno == errno.EPERM and error.filename2 is not None):
        return LastingError(
            f"{where}; the file system of the volume cannot rename, link or lock files; use a PVC with another storage "
            "class, or copy the weights to the volume yourself and use a pvc:// URI"
        )
    if error.errno in _DENIED:
        return LastingError(
            f"{where}; the volume must be writable by uid {os.getuid()} or gid {os.getgid()}; change the owner of the "
            "folder, or use a volume whose CSI driver applies fsGroup"
        )
    if error.errno in _PATH:
        return LastingError(
            f"{where}; remove any other files at this path, or use a PVC with another storage class if the file system "
            "of the volume does not support the name or the size of the file"
        )
    if (faulty := of_faulty_volume(error, directory)) is not None:
        return faulty
    return PassingError(f"{where}; {_CHECK_VOLUME}") if error.filename is not None else None


def of_faulty_volume(error: OSError, directory: Path) -> PassingError | None:
    """Return the failure of a volume whose storage does not respond correctly, or None for any other error."""
    if error.errno not in _FAULTY:
        return None
    return PassingError(
        f"{error.filename or directory}: {error.strerror}; the storage of the volume has failed; {_CHECK_VOLUME}"
    )


def of_network(error: BaseException) -> PassingError:
    """Return the failure of a connection."""
    return PassingError(f"{line(error)}; {CHECK_NETWORK}")


def line(error: BaseException) -> str:
    """Return an error in one line. The query of a URL may be a signature and is omitted."""
    text = _QUERY.sub("?...", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:500]}"
