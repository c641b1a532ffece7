"""Whether a living object still is as it was applied, whatever others and the API server added to it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, DecimalException
from typing import Any

_AMOUNTS = frozenset({"requests", "limits", "sizeLimit", "cpu", "memory", "storage", "ephemeral-storage"})
"""Fields that are, or hold, a resource.Quantity: there 1000m is 1, and the API server writes it so."""

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(10) ** (3 * power) for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(2) ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)},
}
"""Suffixes of a resource.Quantity (k8s.io/apimachinery/pkg/api/resource)."""


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
    # One that says more first: what covers it may cover others too.
    for item in sorted(wanted, key=len, reverse=True):
        found = next((index for index, other in enumerate(left) if covers(other, item)), None)
        if found is None:
            return False
        del left[found]
    return True


def _is_same_amount(live: Any, wanted: Any) -> bool:
    amount = quantity(str(wanted))
    return amount is not None and amount == quantity(str(live))


def quantity(text: str) -> Decimal | None:
    """Return the amount that a resource.Quantity such as 24Gi is, None where the text is none."""
    number = text.rstrip("numkMGTPEKi")
    try:
        return Decimal(number) * _SUFFIXES[text[len(number) :]]
    except (DecimalException, KeyError):
        return None
