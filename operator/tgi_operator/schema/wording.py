"""Errors in values, described in terms of the resource and not of the library that found them."""

import difflib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tgi_operator.api.spec import Spec
from tgi_operator.schema.crd import structural_schema

Path = tuple[str | int, ...]

_UNKNOWN = "extra_forbidden"
_MISSING = "missing"
_LONGEST_QUOTE = 80

_WORDS: Mapping[str, str] = {
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have {min_length} or more characters",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have {min_length} or more items",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "model_type": "must be a map",
    "dict_type": "must be a map",
    "tuple_type": "must be a list",
    "value_error": "{error}",
}


def in_words(error: ErrorDetails) -> str:
    """Return the requirement for a value, from one error of pydantic."""
    known = _WORDS.get(error["type"])
    return error["msg"] if known is None else known.format_map(error.get("ctx", {}))


def of_spec(error: ValidationError) -> list[str]:
    """Return a line for each error in a spec, unknown fields first: one of them may be a misspelled required field."""
    errors = error.errors(include_url=False)
    unknown = [each["loc"] for each in errors if each["type"] == _UNKNOWN]
    meant = {path: _meant(path) for path in unknown}
    misspelled = {(*path[:-1], name) for path, name in meant.items()}
    lines = [unknown_field(dotted("spec", *path), name) for path, name in meant.items()]
    for each in errors:
        if each["type"] == _MISSING and each["loc"] not in misspelled:
            lines.append(f"{dotted('spec', *each['loc'])} is required")
        elif each["type"] not in (_UNKNOWN, _MISSING):
            lines.append(f"{dotted('spec', *each['loc'])}: {in_words(each)}, not {_found(each)}")
    return lines


def unknown_field(path: str, meant: str | None) -> str:
    """Return the line about an unknown field."""
    return f'unknown field "{path}"' + (f": did you mean {meant}?" if meant else "")


def close(name: str, known: Mapping[str, object]) -> str | None:
    """Return the known name that was probably meant, regardless of capitalization."""
    folded = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.7)
    return folded[found[0]] if found else None


def dotted(*path: str | int) -> str:
    """Return a path as kubectl writes it: spec.runtime.env[0].name."""
    parts = (f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return "".join(parts).removeprefix(".")


def quoted(value: object) -> str:
    """Return a value as JSON, cut if it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def _found(error: ErrorDetails) -> str:
    value = error["input"]
    if error["type"] == "string_type" and isinstance(value, int | float):
        return f"{quoted(value)} (put the value in quotes)"
    if error["type"] in ("too_long", "too_short"):
        return str(error.get("ctx", {}).get("actual_length"))
    if isinstance(value, dict):
        return "a map"
    return "a list" if isinstance(value, list | tuple) else quoted(value)


def _meant(path: Path) -> str | None:
    schema = _spec_schema()
    for each in path[:-1]:
        schema = schema["items"] if isinstance(each, int) else schema["properties"][each]
    return close(str(path[-1]), schema["properties"])


@cache
def _spec_schema() -> dict[str, Any]:
    return structural_schema(Spec)
