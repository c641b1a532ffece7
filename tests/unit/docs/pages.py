"""The documents as data: their code blocks, links and headings."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
PAGES = tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]))


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: Path
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, each on one line, without comments, outputs and prompts."""
        if self.language not in ("sh", "console"):
            return []
        lines = [line.strip() for line in re.sub(r"\s*\\\n\s*", " ", self.text).splitlines()]
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if line and not line.startswith("#")]


def blocks(page: Path, heading: str = "") -> list[Block]:
    """Return the fenced blocks of a page, or those under one of its headings of second level."""
    text = page.read_text()
    if heading:
        _, _, text = text.partition(f"\n## {heading}\n")
        text, _, _ = text.partition("\n## ")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(page, language, text) for language, text in found]


def objects(page: Path) -> list[dict[str, Any]]:
    """Return the objects of Kubernetes in the YAML of a page; other YAML, such as values, is skipped."""
    documents = (yaml.safe_load_all(block.text) for block in blocks(page) if block.language == "yaml")
    return [item for found in documents for item in found if {"apiVersion", "metadata"} <= set(item or ())]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def code(page: Path) -> list[str]:
    """Return the inline code of a page."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def commands(page: Path) -> list[str]:
    """Return every command that a page names, in blocks and inline."""
    return [*(command for block in blocks(page) for command in block.commands), *code(page)]


def links(page: Path) -> list[str]:
    """Return the targets of a page's links that are not on the web."""
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", prose(page)))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are derived from the text."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def table(page: Path, first: str) -> list[tuple[str, ...]]:
    """Return the rows of the table whose first column is headed `first`, without backticks."""
    match = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    assert match, f"{page.name} has no table of {first}"
    lines = match[1].splitlines()
    return [tuple(cell.strip().replace("`", "") for cell in line.strip("|").split("|")) for line in lines]
