"""Whether a live object still has everything that was applied, regardless of additions by others and the API server.

Each value is compared at most once with each possible counterpart, so that the work grows linearly with the size of the
objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tgi_operator.backends.quantities import quantity

_AMOUNTS = frozenset(
    {"requests", "limits", "sizeLimit", "cpu", "memory", "storage", "ephemeral-storage", "averageValue"}
)
"""Fields that are, or contain, a resource.Quantity, for which the API server writes 1000m as 1."""

_IDENTITIES = ("name", "mountPath", "containerPort", "port", "topologyKey", "ip", "key", "type")
"""Fields that identify the items of a list. Several items can have the same identity."""

_WHOLE = frozenset({"podSelector", "ingress"})
"""Fields of a NetworkPolicy that are compared as a whole, because additions there select fewer pods or allow more."""


def covers(live: Any, wanted: Any, *, amount: bool = False) -> bool:
    """Return whether everything in `wanted` is in `live` with the same value. Additional values belong to others.

    With `amount`, two texts are equal if they are the same resource.Quantity.
    """
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            _has(live, name, value, amount=amount or name in _AMOUNTS) for name, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return isinstance(live, list) and _covers_items(live, wanted)
    if isinstance(live, bool) is not isinstance(wanted, bool):
        return False
    return bool(live == wanted) or (amount and _is_same_amount(live, wanted))


def _has(live: Mapping[str, Any], name: str, value: Any, *, amount: bool) -> bool:
    if name in live:
        if name in _WHOLE:
            return bool(live[name] == value)
        return covers(live[name], value, amount=amount)
    # The API server omits values that are empty, false or 0.
    return not value


def _covers_items(live: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Return whether each item is in the list: maps among others and in any order, anything else in its position.

    Items with the same identity keep their order, because the API server does not move them.
    """
    if not all(isinstance(item, Mapping) for item in wanted):
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    field = next((name for name in _IDENTITIES if all(name in item for item in wanted)), None)
    alike: dict[str, list[Any]] = {}
    for item in live:
        if isinstance(item, Mapping):
            alike.setdefault(_identity(item, field), []).append(item)
    left: dict[str, Iterator[Any]] = {identity: iter(items) for identity, items in alike.items()}
    # A skipped item matches no later one with its identity, because that would change their order.
    return all(any(covers(other, item) for other in left.get(_identity(item, field), ())) for item in wanted)


def _identity(item: Mapping[str, Any], field: str | None) -> str:
    return str(item.get(field)) if field is not None else ""


def _is_same_amount(live: Any, wanted: Any) -> bool:
    amount = quantity(str(wanted))
    return amount is not None and amount == quantity(str(live))
