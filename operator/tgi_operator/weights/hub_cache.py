"""The cache of huggingface_hub on a volume: blobs/, snapshots/COMMIT/ and refs/ in a folder for each model."""

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.file_download import repo_folder_name

from tgi_operator.weights import digests, folder
from tgi_operator.weights.parts import Purpose
from tgi_operator.weights.record import Record

_SUFFIXES = {Purpose.MODEL: "", Purpose.BASE: "", Purpose.ADAPTER: ".adapter", Purpose.CODE: ".code"}
"""By purpose: the end of the name of the record of a commit, because the purposes need different files."""


@dataclass(frozen=True)
class HubFile:
    """A file of a commit. `digest` is the announced one: a SHA-256 for a large file, else a git blob ID."""

    name: str
    size: int
    digest: str


class HubCache:
    """One repository's part of the cache. Which files of a commit are complete depends on the purpose."""

    def __init__(self, directory: Path, repository: str, purpose: str = Purpose.MODEL) -> None:
        self.folder = repo_folder_name(repo_id=repository, repo_type="model")
        self.directory = directory
        self._storage = directory / self.folder
        self._records = f"hub/{self.folder}"
        self._suffix = _SUFFIXES[Purpose(purpose)]
        self._verified = Record(directory, self._records)

    def snapshot(self, commit: str) -> Path:
        """Return the folder of a commit. Raises LastingError if a link leads out of the cache."""
        path = folder.inside(self._storage / "snapshots", commit)
        for each in (path, self._storage / "blobs", self._storage / "refs"):
            folder.require_contained(self.directory, each)
        return path

    def is_complete(self, commit: str) -> bool:
        """Return whether a commit was complete and verified before and has not changed since, without the Hub."""
        record = self._record(commit)
        names = tuple(record)
        return bool(names) and all(record.verified(name, self._path(commit, name)) for name in names)

    def names(self, commit: str) -> frozenset[str]:
        """Return the names of the files of a commit that was complete before."""
        return frozenset(self._record(commit))

    def digests(self, commit: str) -> tuple[str, ...]:
        """Return the digests of the files of a commit that was complete before."""
        record = self._record(commit)
        return tuple(sorted(digest for name in record if (digest := record.verified(name, self._path(commit, name)))))

    def is_verified(self, commit: str, file: HubFile) -> bool:
        """Return whether a file of a commit exists and has the announced digest. Each content is hashed once."""
        path = self._path(commit, file.name)
        if _size(path) != file.size or not folder.is_contained(self.directory, path):
            return False
        if self._verified.verified(file.digest, path) == file.digest:
            return True
        if digests.hub(path, file.digest) != file.digest:
            return False
        self._verified.put(file.digest, path, file.digest)
        return True

    def arrived(self, commit: str, file: HubFile) -> int:
        """Return the number of bytes of a file that exist."""
        blob = self._blob(file)
        sizes = (_size(path) for path in (self._path(commit, file.name), blob, _incomplete(blob)))
        return min(file.size, next((size for size in sizes if size is not None), 0))

    def discard(self, commit: str, file: HubFile) -> None:
        """Remove a file that does not match: damaged by a crash, planted by others, or unlike the Hub's announcement.

        The library treats any existing file as complete.
        """
        path, blob = self._path(commit, file.name), self._blob(file)
        target = path.resolve()
        if target.is_relative_to(self._storage.resolve() / "blobs"):
            target.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if _size(blob) is not None and digests.hub(blob, file.digest) != file.digest:
            blob.unlink()
        if (_size(_incomplete(blob)) or 0) > file.size:
            _incomplete(blob).unlink(missing_ok=True)

    def complete(self, commit: str, files: Iterable[HubFile]) -> None:
        """Record that a commit is complete."""
        found = {file.name: (self._path(commit, file.name), file.digest) for file in files}
        self._record(commit).put_all(found)

    def remove(
        self, commit: str, blobs: Iterable[str], used_commits: Collection[str], used_blobs: Collection[str]
    ) -> None:
        """Remove a commit and its blobs, except those that are used or that a reference or another snapshot needs.

        The snapshot is removed after its blobs, so that a removal that was killed can be repeated.
        """
        doomed = commit not in used_commits and commit not in self._referenced()
        needed = {*used_blobs, *self._linked(commit if doomed else None)}
        for digest in blobs:
            if digest not in needed:
                blob = folder.inside(self._storage / "blobs", digest)
                folder.require_contained(self.directory, blob.parent)
                blob.unlink(missing_ok=True)
                _incomplete(blob).unlink(missing_ok=True)
                self._verified.drop(digest)
        if doomed:
            snapshot = self.snapshot(commit)
            if snapshot.exists():
                shutil.rmtree(snapshot)
            for suffix in _SUFFIXES.values():
                Record(self.directory, f"{self._records}/{commit}{suffix}").remove()

    def name(self, revision: str, commit: str) -> None:
        """Make a revision refer to a commit.

        A commit also refers to itself. TGI's launcher and router (hf-hub, in Rust) always read refs/REVISION. If it is
        missing, they find neither config.json nor the tokenizer's configuration offline.
        """
        for name in {revision, commit}:
            write_reference(self._storage, name, commit)

    def _blob(self, file: HubFile) -> Path:
        return folder.inside(self._storage / "blobs", file.digest)

    def _path(self, commit: str, name: str) -> Path:
        path = folder.inside(self.snapshot(commit), name)
        folder.require_contained(self.directory, path.parent)
        return path

    def _record(self, commit: str) -> Record:
        return Record(self.directory, f"{self._records}/{commit}{self._suffix}")

    def _referenced(self) -> set[str]:
        """Return the commits that a branch or tag in the cache refers to."""
        refs = self._storage / "refs"
        return {_head(path) for path in refs.rglob("*") if path.is_file()} if refs.is_dir() else set()

    def _linked(self, without: str | None) -> set[str]:
        """Return the names of the blobs that snapshots use, `without` one of them."""
        snapshots = self._storage / "snapshots"
        others = [path for path in snapshots.iterdir() if path.name != without] if snapshots.is_dir() else []
        links = (path for snapshot in others for path in snapshot.rglob("*") if path.is_symlink())
        return {path.readlink().name for path in links}


def write_reference(storage: Path, revision: str, commit: str) -> None:
    """Make a revision refer to a commit in one repository's part of a cache. Nothing is written if it already does."""
    path = folder.inside(storage / "refs", revision)
    folder.require_contained(storage, path)
    if not path.is_file() or path.read_text() != commit:
        folder.write_atomically(path, commit)


def _incomplete(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _head(path: Path) -> str:
    with path.open() as file:
        return file.read(64).strip()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
