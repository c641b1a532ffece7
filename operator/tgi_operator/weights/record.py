"""A record of verified files, stored with them: the digest, size and modification time of each file.

Hashing hundreds of gigabytes takes as long as downloading them, so a file that has not changed since is not hashed
again. An entry counts only while record and file belong to this user and no other user can write to them. A pod of
another user can neither forge an entry nor replace a file and set its time. If a volume shows every file as another
user's, each run hashes again.
"""

import json
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tgi_operator.weights.folder import STATE, write_atomically


class Record:
    """A table of verified files that survives the process. It is empty if it is lost, damaged or written by others."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / STATE / f"{name}.json"
        self._entries = self._read()
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._entries))

    def verified(self, name: str, path: Path) -> str | None:
        """Return the digest of a verified file that has not changed since, or None for any other file."""
        entry = self._entries.get(name)
        if entry is None or entry != _entry(path, str(entry.get("digest"))):
            return None
        return str(entry["digest"])

    def put(self, name: str, path: Path, digest: str) -> None:
        """Add a file whose content has this digest."""
        self.put_all({name: (path, digest)})

    def put_all(self, files: Mapping[str, tuple[Path, str]]) -> None:
        """Add files by name, with path and digest of each."""
        found = {name: _entry(path, digest) for name, (path, digest) in files.items()}
        with self._lock:
            self._entries |= {name: entry for name, entry in found.items() if entry is not None}
            self._write()

    def drop(self, name: str) -> None:
        """Remove a file."""
        with self._lock:
            if self._entries.pop(name, None) is not None:
                self._write()

    def remove(self) -> None:
        """Remove the table."""
        with self._lock:
            self._entries.clear()
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        write_atomically(self._path, json.dumps(self._entries, indent=1))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            if not _is_private(os.lstat(self._path)):
                return {}
            entries = json.loads(self._path.read_text()).items()
            # Records of earlier versions have text in place of an entry. Those files were never hashed.
            return {str(name): entry if isinstance(entry, dict) else {} for name, entry in entries}
        except (OSError, ValueError, AttributeError):
            return {}


def _entry(path: Path, digest: str) -> dict[str, Any] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    if not _is_private(found):
        return None
    return {"digest": digest, "size": found.st_size, "modified": found.st_mtime_ns}


def _is_private(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & stat.S_IWOTH
