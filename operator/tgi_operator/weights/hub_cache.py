"""The cache of huggingface_hub on a volume: blobs/, snapshots/COMMIT/ and refs/ in a folder for each model."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.file_download import repo_folder_name

from tgi_operator.weights import folder
from tgi_operator.weights.record import Record


@dataclass(frozen=True)
class HubFile:
    """A file of a commit; `blob` is the name of its content in the cache."""

    name: str
    size: int
    blob: str


class HubCache:
    """One model's part of the cache."""

    def __init__(self, directory: Path, model: str) -> None:
        name = repo_folder_name(repo_id=model, repo_type="model")
        self.directory = directory
        self._storage = directory / name
        self._records = f"hub/{name}"

    def snapshot(self, commit: str) -> Path:
        """Return the folder of a commit."""
        return folder.inside(self._storage / "snapshots", commit)

    def is_complete(self, commit: str) -> bool:
        """Whether a commit was complete once and still is, by what is on the volume alone."""
        record = self._record(commit)
        names = list(record)
        return bool(names) and all(_size(self._path(commit, name)) == int(record.get(name) or 0) for name in names)

    def is_there(self, commit: str, file: HubFile) -> bool:
        """Whether a file of a commit is there as a whole."""
        return _size(self._path(commit, file.name)) == file.size

    def arrived(self, commit: str, file: HubFile) -> int:
        """Return how many bytes of a file are there."""
        if self.is_there(commit, file):
            return file.size
        blob = self._blob(file)
        return min(file.size, _size(blob) or _size(_incomplete(blob)) or 0)

    def discard(self, commit: str, file: HubFile) -> None:
        """Remove what is damaged, by a crash of the node for one: the library takes any file that exists for whole."""
        blob = self._blob(file)
        for path in (blob, self._path(commit, file.name)):
            if _size(path) not in (None, file.size):
                path.unlink(missing_ok=True)
        if (_size(_incomplete(blob)) or 0) > file.size:
            _incomplete(blob).unlink(missing_ok=True)

    def complete(self, commit: str, files: Iterable[HubFile]) -> None:
        """Write down that a commit is complete."""
        self._record(commit).put({file.name: str(file.size) for file in files})

    def name(self, revision: str, commit: str) -> None:
        """Let a revision lead to a commit.

        Also to itself: TGI's launcher and router (hf-hub, in Rust) look into refs/REVISION whatever it is, and find
        neither config.json nor the tokenizer's configuration offline where it is missing.
        """
        for name in {revision, commit}:
            path = folder.inside(self._storage / "refs", name)
            if not path.is_file() or path.read_text() != commit:
                folder.write_atomically(path, commit)

    def _blob(self, file: HubFile) -> Path:
        return folder.inside(self._storage / "blobs", file.blob)

    def _path(self, commit: str, name: str) -> Path:
        return folder.inside(self.snapshot(commit), name)

    def _record(self, commit: str) -> Record:
        return Record(self.directory, f"{self._records}/{commit}")


def _incomplete(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
