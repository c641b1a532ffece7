"""MkDocs' hook: the repository as a site, without a second copy of any page.

The pages at the root of the repository become pages of the site. A link to any other file of the repository leads to a
page that shows the file. Lists are indented as Python-Markdown needs it, where GitHub needs less.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Pages outside docs/: where they are in the repository, and where on the site."""

SOURCE = "source/"
"""Folder of the site for files of the repository that pages link to."""

MERMAID = "assets/mermaid.js"
"""Where the site has Mermaid: Material would load it from another host."""

_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\A<!--.*?-->\s*", re.DOTALL)
_ITEM = re.compile(r"(?:[-*+]|\d+\.) +")
_LANGUAGES = {".json": "json", ".lua": "lua", ".py": "python", ".yaml": "yaml", ".yml": "yaml"}


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, the files that pages link to, and Mermaid."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    linked = {path for file in list(files.documentation_pages()) for path in _linked(file)}
    for path in sorted(linked):
        if (page := _page_of(path)).startswith(SOURCE):
            files.append(File.generated(config, page, content=_shown(path)))
    script = (resources.files("mermaidx") / "assets" / "mermaid.js").read_text()
    files.append(File.generated(config, MERMAID, content=script))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page with links and lists as the site needs them."""
    del config, files
    if page.file.src_uri.startswith(SOURCE):
        return markdown
    here = _path_of(page.file)

    def resolved(match: re.Match[str]) -> str:
        target, hash_sign, anchor = match[2].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        page_uri = _page_of(_target(here, target))
        relative = posixpath.relpath(page_uri, posixpath.dirname(page.file.src_uri) or ".")
        return f"{match[1]}{relative}{hash_sign}{anchor}{match[3]}"

    # MkDocs finds the title in a page that begins with it.
    return _outside_code(widened(_COMMENT.sub("", markdown)), lambda text: _LINK.sub(resolved, text))


def on_post_page(output: str, /, *, page: Page, config: MkDocsConfig) -> str:
    """Return a page that loads Mermaid from the site if it has a diagram."""
    del config
    if '<pre class="mermaid">' not in output:
        return output
    source = posixpath.relpath(MERMAID, page.url or ".")
    return output.replace("</head>", f'<script src="{source}"></script></head>', 1)


def widened(markdown: str) -> str:
    """Return a page whose lists are nested by four spaces and begin after a blank line.

    GitHub nests by the width of the marker and lets a list interrupt a paragraph.
    """
    lines: list[str] = []
    indents: list[int] = []
    fenced = False
    for line in markdown.splitlines():
        text = line.lstrip()
        if not text:
            lines.append("")
            continue
        if not fenced:
            indent = len(line) - len(text)
            while indents and indent < indents[-1]:
                indents.pop()
        base = indents[-1] if indents else 0
        item = None if fenced else _ITEM.match(line, base)
        if item and lines and _is_paragraph(lines[-1]):
            lines.append("")
        lines.append("    " * len(indents) + line[min(base, len(line) - len(text)) :])
        if item:
            indents.append(item.end())
        fenced ^= text.startswith("```")
    return "\n".join(lines) + "\n"


def _is_paragraph(line: str) -> bool:
    return bool(line) and not line.startswith(" ") and not _ITEM.match(line)


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    # Every second piece is code: `split` keeps what its group matches.
    pieces = _CODE.split(markdown)
    return "".join(piece if position % 2 else change(piece) for position, piece in enumerate(pieces))


def _linked(file: File) -> Iterator[Path]:
    here = _path_of(file)
    text = "".join(_CODE.split(file.content_string)[::2])
    for _, link, _ in _LINK.findall(text):
        target = link.partition("#")[0]
        if target and not re.match(r"[a-z]+:", target):
            yield _target(here, target)


def _path_of(file: File) -> Path:
    """Return where a page of the site is in the repository."""
    sources = {page: source for source, page in PAGES.items()}
    return ROOT / sources.get(file.src_uri, f"docs/{file.src_uri}")


def _target(page: Path, link: str) -> Path:
    path = Path(os.path.normpath(page.parent / link))
    if not path.exists():
        raise PluginError(f"{page.relative_to(ROOT)} links to {link}, which does not exist")
    return path.relative_to(ROOT)


def _page_of(path: Path) -> str:
    """Return where the site has a file of the repository."""
    if path.as_posix() in PAGES:
        return PAGES[path.as_posix()]
    if path.parts[0] == "docs":
        return path.relative_to("docs").as_posix()
    return f"{SOURCE}{path.as_posix()}.md"


def _shown(path: Path) -> str:
    """Return a page that shows a file, or all files of a folder."""
    full = ROOT / path
    files = [full] if full.is_file() else sorted(file for file in full.rglob("*") if file.is_file())
    blocks = (
        f"\n`{file.relative_to(ROOT)}`\n\n````{_LANGUAGES.get(file.suffix, 'text')}\n{file.read_text()}````\n"
        for file in files
    )
    return f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n{''.join(blocks)}"
