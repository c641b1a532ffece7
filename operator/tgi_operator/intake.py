"""Intake of objects from the API server: bounded in depth and in size, and read one object at a time."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

from tgi_operator.api.identifiers import GROUP

Object = dict[str, Any]
Reduce = Callable[[Object], Object | None]
"""Returns the needed part of an object, or None if none is needed. It runs in a thread and reads only its argument."""

logger = logging.getLogger(__name__)


LARGEST_SPEC = 256 * 1024
"""Bytes of the largest accepted spec. An object that is older than the CRD's bounds can have a larger one."""

PAGE = 25
"""Objects in a page of a list. A page of the largest TGIEndpoints has 6.4 MiB."""

MOST_LEVELS = 200
"""Levels of nesting that are read. Python fails at about 1,000 levels, and the API server allows 10,000."""

TOO_DEEP = f"nested deeper than {MOST_LEVELS} levels"
"""Replacement for an object or a list that is nested deeper. It is a string, which the types reject there."""

CHANGES = ("ADDED", "MODIFIED", "DELETED")
"""Types of the watch events that are about one object."""

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_BETWEEN = re.compile(r"[\s,:]*")
_DECODER = json.JSONDecoder()


def parse(text: str) -> Any:
    """Return the value of a JSON text, with TOO_DEEP in place of values that are nested too deep. Raises ValueError."""
    return json.loads(_flat(text) if _may_be_deep(text, 0, len(text)) else text)


def read_page(text: str, reduce: Reduce) -> Object:
    """Return a list in JSON with reduced items, each reduced before the next one is read. Raises ValueError."""
    try:
        return _page(text, reduce)
    except RecursionError:
        return _page(_flat(text), reduce)


def read_event(line: bytes, reduce: Reduce) -> Object | None:
    """Return a watch event with its object reduced, or None if no part of it is needed. Raises ValueError."""
    event: Object = parse(line.decode())
    if event["type"] not in CHANGES:
        return event
    reduced = _reduced(event["object"], reduce)
    return None if reduced is None else {**event, "object": reduced}


def without_bookkeeping(body: Object) -> Object:
    """Return an object without managedFields and without the annotations of other controllers."""
    meta = {name: value for name, value in body["metadata"].items() if name not in ("managedFields", "annotations")}
    ours = our_annotations(body["metadata"])
    return {**body, "metadata": {**meta, "annotations": ours} if ours else meta}


def our_annotations(metadata: Object) -> dict[str, str]:
    """Return the annotations that have a meaning for the operator."""
    found: dict[str, str] = metadata.get("annotations") or {}
    return {name: value for name, value in found.items() if name.startswith(f"{GROUP}/")}


def _page(text: str, reduce: Reduce) -> Object:
    """Return a list. The decoder reads one member at a time, and one item at a time."""
    page: Object = {}
    position = _skip(text, 0)
    if not text.startswith("{", position):
        raise ValueError("no JSON object")
    position = _skip(text, position + 1)
    while not text.startswith("}", position):
        name, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
        if name == "items" and text.startswith("[", position):
            page[name], position = _items(text, position, page, reduce)
        else:
            page[name], position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
    return page


def _items(text: str, position: int, page: Object, reduce: Reduce) -> tuple[list[Object], int]:
    """Return the reduced items of a list that begins at a position, and the position after the list."""
    # Items of built-in kinds have no kind field. The list names the kind before its items.
    named = {"apiVersion": page.get("apiVersion", ""), "kind": str(page.get("kind", "")).removesuffix("List")}
    items: list[Object] = []
    position = _skip(text, position + 1)
    while not text.startswith("]", position):
        body, end = _DECODER.raw_decode(text, position)
        if _may_be_deep(text, position, end):
            body = parse(text[position:end])
        reduced = _reduced({**named, **body}, reduce)
        if reduced is not None:
            items.append(reduced)
        position = _skip(text, end)
    return items, position + 1


def _reduced(body: Object, reduce: Reduce) -> Object | None:
    """Return the reduced object, or None if it does not match its kind. Such an object does not affect the others."""
    try:
        return reduce(body)
    except (LookupError, TypeError, AttributeError) as error:
        meta = body.get("metadata") or {}
        name = f"{meta.get('namespace')}/{meta.get('name')}"
        logger.error("%s %s: cannot be read and is skipped: %r", body.get("kind"), name, error)  # noqa: TRY400
        return None


def _skip(text: str, position: int) -> int:
    found = _BETWEEN.match(text, position)
    return found.end() if found is not None else position


def _may_be_deep(text: str, start: int, end: int) -> bool:
    return text.count("{", start, end) + text.count("[", start, end) > MOST_LEVELS


def _flat(text: str) -> str:
    """Return a JSON text with TOO_DEEP in place of each object and list that is nested too deep."""
    kept: list[str] = []
    level = start = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            level += 1
            if level == MOST_LEVELS + 1:
                kept += (text[start : token.start()], json.dumps(TOO_DEEP))
        elif token[0] in "}]":
            if level == MOST_LEVELS + 1:
                start = token.end()
            level -= 1
    return "".join((*kept, text[start:]))
