"""Whether a living object still is as it was applied, whatever others and the API server added to it.

Each value is compared at most once with each value that can be its counterpart, so that the work grows with the size
of the objects and not faster.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tgi_operator.backends.quantities import quantity

_AMOUNTS = frozenset(
    {"requests", "limits", "sizeLimit", "cpu", "memory", "storage", "ephemeral-storage", "averageValue"}
)
"""Fields that are, or hold, a resource.Quantity: there 1000m is 1, and the API server writes it so."""

_IDENTITIES = ("name", "mountPath", "containerPort", "port", "topologyKey", "ip", "key", "type")
"""Fields that identify the items of a list; an item may share its identity with others."""

_WHOLE = frozenset({"podSelector", "ingress"})
"""Fields of a NetworkPolicy that are compared as a whole: what others add there selects fewer pods or lets more in."""


def covers(live: Any, wanted: Any, *, amount: bool = False) -> bool:
    """Return whether everything in `wanted` is in `live` with the same value; what is more in `live` is others'.

    With `amount` two texts are the same where they are the same resource.Quantity.
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
    # The API server leaves out what is empty, false or 0.
    return not value


def _covers_items(live: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Return whether each item is there: maps among others' and in any order, anything else in its place.

    Items of the same identity keep their order: the API server does not move them.
    """
    if not all(isinstance(item, Mapping) for item in wanted):
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    field = next((name for name in _IDENTITIES if all(name in item for item in wanted)), None)
    alike: dict[str, list[Any]] = {}
    for item in live:
        if isinstance(item, Mapping):
            alike.setdefault(_identity(item, field), []).append(item)
    left: dict[str, Iterator[Any]] = {identity: iter(items) for identity, items in alike.items()}
    # An item that was passed over covers no later one of its identity, or it would be out of order.
    return all(any(covers(other, item) for other in left.get(_identity(item, field), ())) for item in wanted)


def _identity(item: Mapping[str, Any], field: str | None) -> str:
    return str(item.get(field)) if field is not None else ""


def _is_same_amount(live: Any, wanted: Any) -> bool:
    amount = quantity(str(wanted))
    return amount is not None and amount == quantity(str(live))
