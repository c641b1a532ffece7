"""The files that are checked, and the views that find their prose: the table of scope.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("scope.yaml")


@dataclass(frozen=True)
class Source:
    """A file and the view of its prose."""

    path: Path
    view: str


@dataclass(frozen=True)
class Part:
    """Files of one kind, as patterns relative to the clone."""

    name: str
    view: str
    files: tuple[str, ...]
    without: tuple[str, ...] = ()

    def sources(self, root: Path) -> list[Source]:
        """Return the files; raises LookupError for a pattern that matches none."""
        found: dict[Path, None] = {}
        for pattern in self.files:
            matching = sorted(path for path in root.glob(pattern) if path.is_file())
            if not matching:
                raise LookupError(f"{TABLE.name}: {self.name}: {pattern} matches no file")
            found |= dict.fromkeys(matching)
        excluded = {path for pattern in self.without for path in root.glob(pattern)}
        return [Source(path, self.view) for path in found if path not in excluded]


def parts() -> list[Part]:
    """Return the parts of the repository that must have no findings."""
    rows: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text())
    return [Part(row["name"], row["view"], tuple(row["files"]), tuple(row.get("without", ()))) for row in rows]
