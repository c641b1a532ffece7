"""Findings of Vale, and of the limit of line lengths."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tgi_sandbox.cluster import build
from tgi_sandbox.prose.scope import Source
from tgi_sandbox.prose.views import VIEWS, Line

STYLES = Path(__file__).parent / "styles"
ERROR = "error"

_CONFIGURATION = Path(__file__).with_name("vale.ini")
_LONGEST_LINE = 120
# Tables cannot be wrapped, and wrapping would break headings and links.
_UNWRAPPABLE = re.compile(r"\||#+ |\s*(?:[-*] )?!?\[[^]]*\]\([^)]*\)[.,:]?$")


class ValeError(RuntimeError):
    """Vale failed; the message is Vale's output."""


@dataclass(frozen=True)
class Finding:
    """A problem in one place."""

    path: Path
    line: int
    rule: str
    severity: str
    message: str

    def __str__(self) -> str:
        """Return the finding as compilers write theirs."""
        return f"{self.path}:{self.line}: {self.message} ({self.rule})"


def findings(root: Path, sources: Iterable[Source]) -> list[Finding]:
    """Return the findings in files below `root`, by path and line."""
    with tempfile.TemporaryDirectory() as folder:
        pages = list(_written(Path(folder), sources))
        reports = _vale(Path(folder)) if pages else {}
    found = [
        Finding(source.path.relative_to(root), lines[int(report["Line"]) - 1].number, *_what(report))
        for page, source, lines in pages
        for report in reports.get(page, ())
    ]
    found += [finding for _, source, lines in pages for finding in _long_lines(root, source, lines)]
    return sorted(set(found), key=lambda finding: (finding.path, finding.line, finding.message))


def _written(folder: Path, sources: Iterable[Source]) -> Iterator[tuple[str, Source, list[Line]]]:
    """Write the prose of each file as a separate page."""
    for number, source in enumerate(sources):
        lines = VIEWS[source.view](source.path.read_text())
        page = f"{number}.md"
        (folder / page).write_text("".join(f"{line.text}\n" for line in lines))
        yield page, source, lines


def _vale(folder: Path) -> dict[str, list[dict[str, str]]]:
    vale = build.ensure(["vale"])["vale"]
    command = [str(vale), f"--config={_CONFIGURATION}", "--output=JSON", "--no-exit", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603
    if done.returncode != 0:
        raise ValeError(done.stdout + done.stderr)
    reports: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return reports


def _what(report: dict[str, str]) -> tuple[str, str, str]:
    return report["Check"].partition(".")[2], report["Severity"], report["Message"]


def _long_lines(root: Path, source: Source, lines: list[Line]) -> Iterator[Finding]:
    """Return the lines of a page that are too long, without code and tables."""
    fence = False
    for line in lines if source.view == "markdown" else ():
        if re.match(r"\s*```", line.text):
            fence = not fence
        elif len(line.text) > _LONGEST_LINE and not fence and not _UNWRAPPABLE.match(line.text):
            message = f"A line has at most {_LONGEST_LINE} characters, not {len(line.text)}."
            yield Finding(source.path.relative_to(root), line.number, "LineLength", ERROR, message)
