"""Identity-based IAM policies, limited to the needs of an operator: Allow, actions, resources, a few operators.

A policy denies everything that it does not allow. Unknown elements are refused when the policy is read: none is
silently ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_ELEMENTS: Final = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})
_OF_TEXT: Final = ("StringEquals", "StringLike")
_FOR_ALL: Final = "ForAllValues:"
_OPERATORS: Final = frozenset({"Null", *_OF_TEXT, *(f"{_FOR_ALL}{each}" for each in _OF_TEXT)})

Context = Mapping[str, str | tuple[str, ...]]
"""Condition keys of a request: one value, or several for some keys."""

Condition = tuple[str, str, tuple[str, ...]]
"""An operator, a context key and the values to compare with."""


@dataclass(frozen=True)
class Statement:
    """One Allow statement."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...]

    def allows(self, action: str, resource: str, context: Context) -> bool:
        """Whether the statement allows an action on a resource; a key missing in the context matches no condition."""
        return (
            any(_fits(pattern.lower(), action.lower()) for pattern in self.actions)
            and any(_fits(pattern, resource) for pattern in self.resources)
            and hold(self.conditions, context)
        )


@dataclass(frozen=True)
class Policy:
    """The statements of a policy."""

    statements: tuple[Statement, ...]

    def allows(self, action: str, resource: str, context: Context | None = None) -> bool:
        """Whether any statement allows the action."""
        return any(statement.allows(action, resource, context or {}) for statement in self.statements)


def read(*documents: Mapping[str, Any]) -> Policy:
    """Combine policy documents into one policy; raises ValueError for unknown elements."""
    return Policy(tuple(_statement(each) for document in documents for each in listed(document["Statement"])))


def conditions(statement: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Return the conditions of a statement; raises ValueError for an unknown operator."""
    found = []
    for operator, keys in statement.get("Condition", {}).items():
        if operator not in _OPERATORS:
            raise ValueError(f"not known: {operator}")
        found += [(operator, key, tuple(listed(values))) for key, values in keys.items()]
    return tuple(found)


def hold(conditions: Sequence[Condition], context: Context) -> bool:
    """Whether all conditions match; a key missing in the context matches only `Null` and `ForAllValues`."""
    return all(_holds(operator, context.get(key), values) for operator, key, values in conditions)


def listed(value: Any) -> Sequence[Any]:
    """Return a value that can be one item or a list of items, as a list."""
    return value if isinstance(value, list) else [value]


def _statement(body: Mapping[str, Any]) -> Statement:
    unknown = body.keys() - _ELEMENTS
    if unknown or body.get("Effect") != "Allow":
        raise ValueError(f"not known: {sorted(unknown) or body.get('Effect')}")
    return Statement(tuple(listed(body["Action"])), tuple(listed(body["Resource"])), conditions(body))


def _holds(operator: str, value: str | tuple[str, ...] | None, wanted: tuple[str, ...]) -> bool:
    if operator == "Null":
        return (value is None) == (wanted == ("true",))
    of_all = operator.startswith(_FOR_ALL)
    values = (value,) if isinstance(value, str) else value or ()
    if not of_all and len(values) != 1:
        # A missing key matches nothing; nor does one with several values, which needs ForAllValues.
        return False
    plain = operator.removeprefix(_FOR_ALL)
    return all(
        each in wanted if plain == "StringEquals" else any(_fits(one, each) for one in wanted) for each in values
    )


def _fits(pattern: str, text: str) -> bool:
    """`*` matches any text and `?` any character, in every part of an ARN."""
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
