"""The image's size and speed, compared with those of the last release."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_TOLERATED_GROWTH = 1.1


@dataclass(frozen=True)
class Figures:
    """The measurements of one version; times are of one machine and are not comparable with another.

    The start lasts until the operator is ready: in wall-clock time, and in CPU time, which is more reliable on a busy
    machine.
    """

    version: str
    bases: str
    unpacked_mb: float
    pull_mb: float
    files: int
    start_seconds: float
    start_cpu_seconds: float
    memory_mib: float

    def write(self, file: Path) -> None:
        """Store the figures for later versions."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def rows(self, earlier: "Figures | None") -> Iterator[str]:
        """Return the figures as lines, beside those of an earlier version."""
        yield f"{'':<16}{self.version:>10}" + (f"{earlier.version:>10}" if earlier else "")
        for field in fields(self)[2:]:
            name = field.name.replace("_mb", ", MB").replace("_mib", ", MiB").replace("_seconds", ", s")
            yield f"{name:<16}{getattr(self, field.name):>10g}" + (
                f"{getattr(earlier, field.name):>10g}" if earlier else ""
            )

    def problems(self, earlier: "Figures | None") -> list[str]:
        """Return the figures that have grown by more than a tenth: sizes only, since times depend on the machine."""
        if earlier is None or earlier.bases != self.bases:
            return []
        grown = [
            name
            for name in ("unpacked_mb", "pull_mb", "files")
            if getattr(self, name) > _TOLERATED_GROWTH * getattr(earlier, name)
        ]
        return [f"{name} has grown by more than 10% since {earlier.version}" for name in grown]


def read(file: Path) -> Figures | None:
    """Return the stored figures, none if there are none."""
    return Figures(**json.loads(file.read_text())) if file.exists() else None
