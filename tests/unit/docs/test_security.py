"""SECURITY.md: every promise names tests, and they exist."""

import ast
import re
from pathlib import Path

import pytest

from unit.docs.pages import ROOT, prose

PAGE = ROOT / "SECURITY.md"
PROMISES = prose(PAGE).partition("\n## Security promises\n")[2].partition("\n## ")[0]
ROWS = [line for line in PROMISES.splitlines() if line.startswith("| ") and not line.startswith("| promise ")]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PROMISES)))


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_promise_is_tested(row: str) -> None:
    promise, enforced, tested = (cell.strip() for cell in row.strip("|").split("|"))
    assert promise
    assert enforced
    assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`(, `tests/[\w/]+\.py::test_\w+`)*", tested)


@pytest.mark.parametrize("name", NAMED)
def test_every_named_test_exists(name: str) -> None:
    file, _, test = name.partition("::")
    path = ROOT / file
    assert path.is_file(), f"{file} does not exist"
    assert test in functions(path), f"{file} has no {test}"


FINDINGS = [*(f"H{n}" for n in range(1, 7)), *(f"M{n}" for n in range(1, 6)), *(f"L{n}" for n in range(1, 9))]


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_of_the_security_review_is_promised_to_be_over_or_said_to_be_open(finding: str) -> None:
    assert re.search(rf"\([^)]*\b{finding}\b[^)]*\)", prose(PAGE))
