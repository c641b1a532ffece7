"""The stored data of the Hub: repositories, commits, files."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LARGE_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".msgpack", ".h5", ".model")


@dataclass(frozen=True)
class Blob:
    """The content of a file; `large` is whether the Hub keeps it apart from git and serves it from another host.

    A hostile Hub sends `forged_etag` for the file, and `forged` in place of its content.
    """

    content: bytes
    large: bool
    announced: int | None = None
    forged: bytes | None = None
    forged_etag: str | None = None

    @property
    def sent(self) -> bytes:
        """The content that is served."""
        return self.content if self.forged is None else self.forged

    @property
    def etag(self) -> str:
        """The name of the content: git's hash for a small file, the SHA-256 for a large one."""
        if self.large:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content, usedforsecurity=False).hexdigest()

    @property
    def size(self) -> int:
        """The size that the Hub reports."""
        return len(self.content) if self.announced is None else self.announced


@dataclass(frozen=True)
class Commit:
    """The files of a commit."""

    sha: str
    files: Mapping[str, Blob]

    def siblings(self) -> list[dict[str, Any]]:
        """Return the files in the format of `GET /api/models/…?blobs=true`."""
        return [_sibling(name, blob) for name, blob in self.files.items()]


@dataclass
class Repository:
    """A model. `readers` are the tokens that can read a gated one; None: it is open to everyone."""

    id: str
    readers: frozenset[str] | None = None
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(
        self, files: Mapping[str, bytes], branch: str = "main", announced: Mapping[str, int] | None = None
    ) -> Commit:
        """Commit these files to a branch; `announced` are sizes to report instead of the true ones."""
        sizes = announced or {}
        blobs = {name: Blob(data, name.endswith(_LARGE_SUFFIXES), sizes.get(name)) for name, data in files.items()}
        seed = repr((self.id, branch, len(self.commits), sorted(blobs))).encode()
        made = Commit(hashlib.sha1(seed, usedforsecurity=False).hexdigest(), blobs)
        self.commits[made.sha] = made
        self.branches[branch] = made.sha
        return made

    def at(self, revision: str) -> Commit | None:
        """Return the commit of a branch or a hash."""
        return self.commits.get(self.branches.get(revision, revision))


def _sibling(name: str, blob: Blob) -> dict[str, Any]:
    about: dict[str, Any] = {"rfilename": name, "size": blob.size, "blobId": blob.etag}
    if blob.large:
        # The pointer that git has in its place is another blob, whose name no client needs.
        about |= {"blobId": hashlib.sha1(blob.etag.encode(), usedforsecurity=False).hexdigest()}
        about["lfs"] = {"sha256": blob.etag, "size": blob.size, "pointerSize": 134}
    return about
