"""The prose of a file as Markdown paragraphs, each line with the number of the line in the file that it comes from."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from textwrap import dedent

import yaml

_FEWEST_WORDS = 3
"""Strings with fewer words are names, keys and formats."""


@dataclass(frozen=True)
class Line:
    """A line of prose; blank lines separate paragraphs."""

    number: int
    text: str


def markdown(text: str) -> list[Line]:
    """Return a page of Markdown unchanged."""
    return [Line(number, line) for number, line in enumerate(text.splitlines(), start=1)]


def comments(text: str) -> list[Line]:
    """Return the comments of a file whose comments begin with `#`, such as YAML or a Makefile."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        comment = re.search(r"^\s*#+ ?(.*)$|^[^'\"#]*(?:'[^']*'[^'\"#]*|\"[^\"]*\"[^'\"#]*)*\s#+ (.*)$", line)
        alone = comment is not None and comment[1] is not None
        found += [Line(number, "")] if not alone else []
        found += [Line(number, comment[1] if alone else comment[2])] if comment else []
    return found


def template(text: str) -> list[Line]:
    """Return a text with Go's template actions, each action as a code span."""
    return [Line(line.number, re.sub(r"{{.*?}}", "`action`", line.text)) for line in markdown(text)]


def python(text: str) -> list[Line]:
    """Return the docstrings and comments of a Python module."""
    return [*_docstrings(text), *_python_comments(text)]


def messages(text: str) -> list[Line]:
    """Return the other strings of a Python module that read as text: messages, reasons and help."""
    tree = ast.parse(text)
    within = {id(part) for node in ast.walk(tree) for part in _parts(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in within:
            said = _text(node)
            if len(re.findall(r"[A-Za-z]{2,}", said)) >= _FEWEST_WORDS:
                found += [Line(node.lineno, said), Line(node.lineno, "")]
    return found


def descriptions(text: str) -> list[Line]:
    """Return the values of the keys `description` and `summary` of a YAML file, such as a CRD or rules for alerts."""
    lines = text.splitlines()
    return [
        line
        for key, value in _pairs(yaml.compose(text, Loader=yaml.SafeLoader))
        if key in ("description", "summary") and isinstance(value, yaml.ScalarNode)
        for line in _scalar(lines, value)
    ]


VIEWS: Mapping[str, Callable[[str], list[Line]]] = {
    view.__name__: view for view in (markdown, comments, template, python, messages, descriptions)
}


def _docstrings(text: str) -> Iterator[Line]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first, _, rest = node.value.value.partition("\n")
            for offset, line in enumerate([first, *dedent(rest).splitlines()]):
                yield Line(node.lineno + offset, line)
            yield Line(node.lineno, "")


def _python_comments(text: str) -> Iterator[Line]:
    before = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"# *(?:noqa|type:)", token.string):
            number = token.start[0]
            if number != before + 1:
                yield Line(number, "")
            yield Line(number, token.string.lstrip("# ").partition("  # noqa")[0])
            before = number


def _parts(node: ast.AST) -> list[ast.expr]:
    """Return the docstring in a statement, and the pieces of an f-string."""
    if isinstance(node, ast.Expr):
        return [node.value]
    return node.values if isinstance(node, ast.JoinedStr) else []


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return " ".join(node.value.split()) if isinstance(node.value, str) else ""
    pieces = (str(part.value) if isinstance(part, ast.Constant) else "`value`" for part in node.values)
    return " ".join("".join(pieces).split())


def _scalar(lines: list[str], node: yaml.ScalarNode) -> Iterator[Line]:
    first, last = node.start_mark, node.end_mark
    for number in range(first.line + (1 if node.style in ("|", ">") else 0), last.line + (1 if last.column else 0)):
        yield Line(number + 1, lines[number][first.column if number == first.line else 0 :].strip(" '\""))
    yield Line(last.line + 1, "")


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value
            yield from _pairs(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _pairs(item)
