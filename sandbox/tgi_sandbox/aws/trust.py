"""Trust policies of roles: the principals that are allowed to assume them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.iam import Condition, conditions, hold, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ELEMENTS: Final = frozenset({"Sid", "Effect", "Principal", "Action", "Condition"})


@dataclass(frozen=True)
class Principal:
    """The caller: its kind as in policies, `Service` or `Federated`, its name, and its condition keys."""

    kind: str
    name: str
    context: Mapping[str, str]


def trusts(document: Mapping[str, Any], principal: Principal, *actions: str) -> bool:
    """Whether a trust policy allows a principal all actions; raises ValueError for unknown elements."""
    allowed = {action for statement in listed(document["Statement"]) for action in _allowed(statement, principal)}
    return allowed.issuperset(actions)


def _allowed(statement: Mapping[str, Any], principal: Principal) -> Iterator[str]:
    unknown = statement.keys() - _ELEMENTS
    if unknown or statement.get("Effect") != "Allow":
        raise ValueError(f"not known: {sorted(unknown) or statement.get('Effect')}")
    found: tuple[Condition, ...] = conditions(statement)
    named = statement["Principal"]
    if principal.name in listed(named.get(principal.kind, ())) and hold(found, principal.context):
        yield from listed(statement["Action"])
