"""The site: it builds strictly, loads nothing from another host, and its search finds every page."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs_site import hook
from tgi_operator.api.reasons import Reason
from unit.docs import pages
from unit.docs.pages import ROOT

BUILT = [*hook.PAGES.values(), *(page.name for page in (ROOT / "docs").glob("*.md"))]
"""The pages of the site, as MkDocs names them."""


class _Settings(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags for Python objects matter to MkDocs only."""


_Settings.add_multi_constructor("", lambda _, suffix, node: f"{suffix} {node.value}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def index(site: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    return {entry["location"]: entry for entry in found}


def location(page: str) -> str:
    return "" if page == "index.md" else page.removesuffix(".md") + "/"


@pytest.mark.parametrize("page", BUILT)
def test_search_finds_every_page_by_its_title(index: dict[str, dict[str, Any]], page: str) -> None:
    entry = index[location(page)]
    source = next((source for source, name in hook.PAGES.items() if name == page), f"docs/{page}")
    heading = re.search(r"^# (.+)$", (ROOT / source).read_text(), re.MULTILINE)
    assert heading
    assert entry["title"] == heading[1].replace("`", "")
    found = [each for each in index.values() if each["title"] == entry["title"] and "#" not in each["location"]]
    assert found == [entry], "two pages have one title"


def test_every_page_is_in_the_navigation_once() -> None:
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader=_Settings)  # noqa: S506 - a SafeLoader
    assert sorted(_leaves(settings["nav"])) == sorted(BUILT)


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(each)


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    loading = re.compile(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?(?:https?:)?//|<link\b[^>]*\bhref="?//')
    links = re.compile(r'<link\b[^>]*\brel="?(?:stylesheet|preconnect|preload|icon)"?[^>]*\bhref="?https?://')
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert not loading.search(text), page
        assert not links.search(text), page


def test_a_page_with_a_diagram_brings_mermaid_with_it(site: Path) -> None:
    with_diagram = [name for name in BUILT if "```mermaid" in _source(name).read_text()]
    assert with_diagram
    for name in BUILT:
        page = site / location(name) / "index.html"
        script = re.search(r'<script src="([^"]*mermaid\.js)"', page.read_text())
        assert bool(script) == (name in with_diagram), name
        assert not script or (page.parent / script[1]).resolve() == site / hook.MERMAID


def _source(page: str) -> Path:
    return ROOT / next((source for source, name in hook.PAGES.items() if name == page), f"docs/{page}")


def test_files_of_the_repository_are_shown(site: Path) -> None:
    shown = site / "source" / "manifests" / "iam" / "operator-policy.json" / "index.html"
    assert "sagemaker:CreateEndpoint" in shown.read_text()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("Text:\n- a\n- b\n", "Text:\n\n- a\n- b\n", id="a list after a paragraph"),
        pytest.param("- a\n  b\n- c\n", "- a\n    b\n- c\n", id="a wrapped item"),
        pytest.param(
            "1. a\n\n   ```sh\n   b\n     c\n   ```\n2. d\n",
            "1. a\n\n    ```sh\n    b\n      c\n    ```\n2. d\n",
            id="code",
        ),
        pytest.param("- a\n  - b\n    c\n- d\n", "- a\n    - b\n        c\n- d\n", id="a list in a list"),
        pytest.param("```sh\n- a\n  b\n```\n", "```sh\n- a\n  b\n```\n", id="code that looks like a list"),
        pytest.param("10. a\n\n    b\n\nc\n", "10. a\n\n    b\n\nc\n", id="the end of a list"),
    ],
)
def test_lists_are_nested_as_python_markdown_needs_it(written: str, expected: str) -> None:
    assert hook.widened(written) == expected


def test_a_link_to_a_reason_names_it() -> None:
    linked = re.findall(r"\[`(\w+)`\]\(troubleshooting\.md#(\w+)\)", (ROOT / "docs" / "symptoms.md").read_text())
    assert len({name for name, _ in linked}) > 30
    for name, anchor in linked:
        assert Reason(name).lower() == anchor


def test_the_recording_is_of_the_example_and_runs_anywhere() -> None:
    recording = (ROOT / "docs" / "demo.svg").read_text()
    example = yaml.safe_load((ROOT / "manifests" / "examples" / "tgiendpoint.yaml").read_text())
    text = html.unescape("".join(re.findall(r">([^<>]+)</text>", recording)).replace("\xa0", " "))
    for shown in ("tgiendpoint.yaml", example["metadata"]["name"], example["spec"]["sageMaker"]["instanceType"]):
        assert shown in text, shown
    assert "InService" in text
    assert "@keyframes" in recording
    assert "<script" not in recording


def test_anchors_of_the_site_are_those_of_github(site: Path) -> None:
    for name in BUILT:
        text = (site / location(name) / "index.html").read_text()
        assert pages.anchors(_source(name)) <= set(re.findall(r'id="([^"]+)"', text)), name
