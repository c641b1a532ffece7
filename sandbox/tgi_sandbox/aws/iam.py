"""Identity-based IAM policies, as far as one of an operator needs them: Allow, actions, resources, a few operators.

What a policy does not allow is denied. Elements that are not known here are refused when the policy is read: none is
passed over in silence.
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
"""Condition keys of a request: a value, or for some keys several of them."""

Condition = tuple[str, str, tuple[str, ...]]
"""An operator, a context key and the values it is held against."""


@dataclass(frozen=True)
class Statement:
    """One Allow statement."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...]

    def allows(self, action: str, resource: str, context: Context) -> bool:
        """Whether the statement allows an action on a resource; a key that the context lacks fits no condition."""
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
        """Whether any statement allows it."""
        return any(statement.allows(action, resource, context or {}) for statement in self.statements)


def read(*documents: Mapping[str, Any]) -> Policy:
    """The policy that policy documents are together; raises ValueError for what is not known here."""
    return Policy(tuple(_statement(each) for document in documents for each in listed(document["Statement"])))


def conditions(statement: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a statement; raises ValueError for an operator that is not known here."""
    found = []
    for operator, keys in statement.get("Condition", {}).items():
        if operator not in _OPERATORS:
            raise ValueError(f"not known: {operator}")
        found += [(operator, key, tuple(listed(values))) for key, values in keys.items()]
    return tuple(found)


def hold(conditions: Sequence[Condition], context: Context) -> bool:
    """Whether all conditions do; a key that the context lacks fits none but `Null` and `ForAllValues`."""
    return all(_holds(operator, context.get(key), values) for operator, key, values in conditions)


def listed(value: Any) -> Sequence[Any]:
    """What may be written as one thing or as a list of them, as a list."""
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
        # A key that is not there fits nothing; nor does one with several values, which needs ForAllValues.
        return False
    plain = operator.removeprefix(_FOR_ALL)
    return all(
        each in wanted if plain == "StringEquals" else any(_fits(one, each) for one in wanted) for each in values
    )


def _fits(pattern: str, text: str) -> bool:
    """`*` is any text and `?` any character, in every part of an ARN."""
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
