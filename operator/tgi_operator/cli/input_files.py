"""The TGIEndpoints of a file, of a folder as `kubectl apply -f` reads it, or of standard input."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tgi_operator.api.identifiers import API_VERSION, GROUP, KIND

Document = dict[str, Any]
_T = TypeVar("_T")

_MOST_CHARACTERS = 4 * 2**20
"""The API server accepts requests of up to 3 MiB. A List of several TGIEndpoints is still read."""

_SUFFIXES = (".yaml", ".yml", ".json")
_WANTED = f"{API_VERSION} {KIND}"


class UnreadableError(ValueError):
    """The named input cannot be read, or has no TGIEndpoints. The text begins with its name."""


@dataclass(frozen=True)
class Text:
    """The text of one file, and its name in messages."""

    name: str
    text: str


def texts(file: str) -> list[Text]:
    """Return the text of `file` (- for standard input), or the texts in a folder. Raises UnreadableError."""
    if file == "-":
        return [Text("standard input", _read("standard input", sys.stdin.read))]
    path = Path(file)
    if not path.is_dir():
        return [_text(path)]
    inside = _read(file, lambda: sorted(path.iterdir()))
    found = [each for each in inside if each.suffix in _SUFFIXES and each.is_file()]
    if not found:
        raise UnreadableError(f"{file}: the folder contains no .yaml, .yml or .json files")
    return [_text(each) for each in found]


def _text(path: Path) -> Text:
    return Text(str(path), _read(str(path), lambda: path.read_text(encoding="utf-8")))


def _read(name: str, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except FileNotFoundError:
        raise UnreadableError(f"{name}: no such file") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{name}: not UTF-8 text") from None
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror}") from None


def of(file: str) -> list[tuple[str, Document]]:
    """Return the TGIEndpoints in `file`, each with the name of its file. Other kinds are skipped.

    Raises UnreadableError.
    """
    read = texts(file)
    everything = [(each.name, document) for each in read for document in objects(each)]
    ours = []
    for name, document in everything:
        if is_ours(document):
            ours.append((name, document))
        elif _is_nearly_ours(document):
            raise UnreadableError(f"{name}: {_kind(document)} is not supported; use {_WANTED}")
    if not ours:
        seen = ", ".join(dict.fromkeys(_kind(document) for _, document in everything))
        name = read[0].name if len(read) == 1 else file
        reason = f"; found only {seen}" if seen else " because it is empty"
        raise UnreadableError(f"{name}: contains no {_WANTED}{reason}")
    return ours


def resources(text: str) -> Iterator[Document]:
    """Yield the TGIEndpoints of a YAML text. Raises UnreadableError."""
    return (document for document in objects(Text("(text)", text)) if is_ours(document))


def objects(source: Text) -> Iterator[Document]:
    """Yield the objects of a YAML text, with the items of Lists. Raises UnreadableError."""
    try:
        documents = list(yaml.load_all(source.text, _Loader))
    except yaml.YAMLError as error:
        raise UnreadableError(f"{source.name}: invalid YAML: {_on_one_line(error)}") from None
    except RecursionError:
        raise UnreadableError(f"{source.name}: a value contains itself or is nested too deeply") from None
    except ValueError as error:
        raise UnreadableError(f"{source.name}: cannot be converted to JSON: {error}") from None
    for document in documents:
        if document is None:
            continue
        for item in _unrolled(document):
            if not isinstance(item, dict):
                raise UnreadableError(f"{source.name}: each document must be a Kubernetes object, not {item!r:.40}")
            yield item


class _Loader(yaml.SafeLoader):
    """Reads YAML as kubectl does: a date is text. Refuses a document that aliases make too large."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_document(self, node: yaml.Node) -> Any:
        """Return the value of a document. Raises MarkedYAMLError."""
        if _expanded_size(node, {}) > _MOST_CHARACTERS:
            raise yaml.MarkedYAMLError(
                problem=f"the document has more than {_MOST_CHARACTERS:,} characters after all aliases are expanded",
                problem_mark=node.start_mark,
            )
        return super().construct_document(node)


def _expanded_size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Return the characters of a document in which each alias is replaced by the node that it refers to.

    `known` has the sizes of nodes measured before. Raises RecursionError for a node that contains itself.
    """
    if node not in known:
        if isinstance(node, yaml.ScalarNode):
            parts: Iterable[yaml.Node] = ()
        elif isinstance(node, yaml.MappingNode):
            parts = (each for pair in node.value for each in pair)
        else:
            parts = node.value
        own = len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        known[node] = 1 + own + sum(_expanded_size(each, known) for each in parts)
    return known[node]


def is_ours(document: Document) -> bool:
    """Return whether the object is a TGIEndpoint in the API version that this operator knows."""
    return (document.get("apiVersion"), document.get("kind")) == (API_VERSION, KIND)


def _is_nearly_ours(document: Document) -> bool:
    group, _, _ = str(document.get("apiVersion")).partition("/")
    return group == GROUP or str(document.get("kind")).casefold() == KIND.casefold()


def _unrolled(document: Any) -> Iterable[Any]:
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        return list(document["items"])
    return [document]


def _kind(document: Document) -> str:
    kind, version = document.get("kind"), document.get("apiVersion")
    return f"{version or '(no apiVersion)'} {kind or '(no kind)'}"


def _on_one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return re.sub(r"\s+", " ", str(error))
