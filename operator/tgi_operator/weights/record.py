"""What was fetched, written down beside it: name and mark of every complete file."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from tgi_operator.weights.folder import STATE, write_atomically


class Record:
    """A table of names and marks that survives the process; lost or damaged, it is empty."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / STATE / f"{name}.json"
        self._marks = self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._marks))

    def get(self, name: str) -> str | None:
        """Return the mark of a file, None where it was not fetched."""
        return self._marks.get(name)

    def put(self, marks: Mapping[str, str]) -> None:
        """Add files that are complete."""
        self._marks |= marks
        self._write()

    def drop(self, name: str) -> None:
        """Forget a file."""
        self._marks.pop(name, None)
        self._write()

    def _write(self) -> None:
        write_atomically(self._path, json.dumps(self._marks, indent=1))

    def _read(self) -> dict[str, str]:
        try:
            return {str(name): str(mark) for name, mark in json.loads(self._path.read_text()).items()}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}
