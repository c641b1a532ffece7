"""Identity-based IAM policies, as far as one of an operator needs them: Allow, actions, resources, two operators.

What a policy does not allow is denied. Elements that are not known here are refused when the policy is read: none is
passed over in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ELEMENTS: Final = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})
_OPERATORS: Final = frozenset({"StringEquals", "StringLike"})

Condition = tuple[str, str, tuple[str, ...]]
"""An operator, a context key and the values it is held against."""


@dataclass(frozen=True)
class Statement:
    """One Allow statement."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...]

    def allows(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
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

    def allows(self, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
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


def hold(conditions: Sequence[Condition], context: Mapping[str, str]) -> bool:
    """Whether all conditions do; a key that the context lacks fits none."""
    return all(_holds(operator, context.get(key), values) for operator, key, values in conditions)


def listed(value: Any) -> Sequence[Any]:
    """What may be written as one thing or as a list of them, as a list."""
    return value if isinstance(value, list) else [value]


def _statement(body: Mapping[str, Any]) -> Statement:
    unknown = body.keys() - _ELEMENTS
    if unknown or body.get("Effect") != "Allow":
        raise ValueError(f"not known: {sorted(unknown) or body.get('Effect')}")
    return Statement(tuple(listed(body["Action"])), tuple(listed(body["Resource"])), conditions(body))


def _holds(operator: str, value: str | None, wanted: tuple[str, ...]) -> bool:
    if value is None:
        return False
    return value in wanted if operator == "StringEquals" else any(_fits(each, value) for each in wanted)


def _fits(pattern: str, text: str) -> bool:
    """`*` is any text and `?` any character, in every part of an ARN."""
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
