"""Whether a living object still is as it was applied, whatever others and the API server added to it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tgi_operator.backends.quantities import quantity

_AMOUNTS = frozenset(
    {"requests", "limits", "sizeLimit", "cpu", "memory", "storage", "ephemeral-storage", "averageValue"}
)
"""Fields that are, or hold, a resource.Quantity: there 1000m is 1, and the API server writes it so."""


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
        return covers(live[name], value, amount=amount)
    # The API server leaves out what is empty, false or 0.
    return not value


def _covers_items(live: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Return whether each item is there: maps in any order and among others', anything else in its place."""
    if not all(isinstance(item, Mapping) for item in wanted):
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    left = list(live)
    # Items with more fields first: what covers them may cover others too.
    for item in sorted(wanted, key=len, reverse=True):
        found = next((index for index, other in enumerate(left) if covers(other, item)), None)
        if found is None:
            return False
        del left[found]
    return True


def _is_same_amount(live: Any, wanted: Any) -> bool:
    amount = quantity(str(wanted))
    return amount is not None and amount == quantity(str(live))
