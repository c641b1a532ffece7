"""The size limits of a resource: the rule that bounds the texts of a spec, and the size that the schema implies.

Bounds of single fields would add up to megabytes, although no user needs all of them at once. Therefore all texts of a
spec share one budget of characters, which a rule of the CRD enforces. The schema alone bounds everything that is not a
text (field names, numbers, enumerations).
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

MOST_CHARACTERS = 15_000
"""Characters of all texts of a spec together. A typical spec has about 1,000."""

_BYTES_OF_A_CHARACTER = 6
"""The API server writes `<` as \\u003c."""

_LEAST_INTEGER = -(2**63)
_RESERVED = frozenset({"namespace"})
"""Names of fields that CEL has to escape (the Kubernetes documentation lists all such words)."""


def rule_of_texts(schema: Schema) -> str:
    """Return the CEL rule that the texts in an object of the schema have at most MOST_CHARACTERS together."""
    return f"{_characters(schema, 'self', 0)} <= {MOST_CHARACTERS}"


def most_bytes_of_a_spec(schema: Schema) -> int:
    """Return the size of the largest spec as JSON, in bytes."""
    return _bytes(schema, 0) + MOST_CHARACTERS * _BYTES_OF_A_CHARACTER


def most_bytes_of_a_status(schema: Schema) -> int:
    """Return the size of the largest status as JSON, in bytes. Each text has its own bound."""
    return _bytes(schema, _BYTES_OF_A_CHARACTER)


def is_text(schema: Schema) -> bool:
    """Return whether the values count as texts: they are neither enumerations nor numbers."""
    return schema.get("type") == "string" and "enum" not in schema


def _characters(schema: Schema, value: str, depth: int) -> str:
    """Return the CEL expression for the number of characters in `value`, or an empty one if it contains no text."""
    if is_text(schema):
        return f"size({value})"
    if "properties" in schema:
        required = schema.get("required", ())
        counts = []
        for name, child in schema["properties"].items():
            path = f"{value}.__{name}__" if name in _RESERVED else f"{value}.{name}"
            if count := _characters(child, path, depth):
                counts.append(count if name in required else f"(has({path}) ? {count} : 0)")
        return f"({' + '.join(counts)})" if len(counts) > 1 else "".join(counts)
    if is_text(schema.get("items", {})):
        # The API server checks the types of a rule in time that grows with the square of the number of its `map` calls.
        return f"size({value}.join())"
    variable = f"v{depth}"
    if "items" in schema:
        count = _characters(schema["items"], variable, depth + 1)
    elif "additionalProperties" in schema:
        of_value = _characters(schema["additionalProperties"], f"{value}[{variable}]", depth + 1)
        count = f"size({variable})" + (f" + {of_value}" if of_value else "")
    else:
        return ""
    return f"{value}.map({variable}, {count}).sum()" if count else ""


def _bytes(schema: Schema, of_a_character: int) -> int:
    """Return the largest size of a value as JSON in bytes, if each text character takes `of_a_character` bytes."""
    if "x-kubernetes-int-or-string" in schema:
        return int(schema["maxLength"]) + len('""')
    if "enum" in schema:
        return max(map(len, schema["enum"])) + len('""')
    if "properties" in schema:
        fields = {
            name: len(f'"{name}":,') + _bytes(each, of_a_character) for name, each in schema["properties"].items()
        }
        needed = schema.get("required", ())
        others = sorted((size for name, size in fields.items() if name not in needed), reverse=True)
        room = int(schema.get("maxProperties", len(fields))) - len(needed)
        return len("{}") + sum(fields[name] for name in needed) + sum(others[:room])
    if "additionalProperties" in schema:
        return len("{}") + int(schema["maxProperties"]) * (
            len('"":,') + _bytes(schema["additionalProperties"], of_a_character)
        )
    if "items" in schema:
        return len("[]") + int(schema["maxItems"]) * (len(",") + _bytes(schema["items"], of_a_character))
    if schema["type"] == "string":
        return len('""') + int(schema["maxLength"]) * of_a_character
    if schema["type"] == "boolean":
        return len("false")
    return max(len(str(schema.get(bound, _LEAST_INTEGER))) for bound in ("minimum", "maximum"))
