"""Whether a living object still is as it was applied, whatever others and the API server added to it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

_KEYS = ("name", "mountPath", "containerPort", "topologyKey", "uid", "port", "key")
"""Fields that tell items of a list apart, tried in this order."""

_SUFFIXES = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{letter: Decimal(10) ** (3 * power) for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(2) ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)},
}
"""Suffixes of a resource.Quantity (k8s.io/apimachinery/pkg/api/resource)."""


def covers(live: Any, wanted: Any) -> bool:
    """Return whether everything in `wanted` is in `live` with the same value; what is more in `live` is others'."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(_has(live, name, value) for name, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return isinstance(live, list) and _covers_items(live, wanted)
    return bool(live == wanted) or _same_quantity(live, wanted)


def _has(live: Mapping[str, Any], name: str, value: Any) -> bool:
    if name in live:
        return covers(live[name], value)
    # The API server stores no empty list or map.
    return value in ([], {}, None)


def _covers_items(live: Sequence[Any], wanted: Sequence[Any]) -> bool:
    key = next((key for key in _KEYS if wanted and all(_is_keyed(item, key) for item in wanted)), None)
    if key is None:
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    by_key = {item[key]: item for item in live if _is_keyed(item, key)}
    return all(item[key] in by_key and covers(by_key[item[key]], item) for item in wanted)


def _is_keyed(item: Any, key: str) -> bool:
    return isinstance(item, Mapping) and key in item


def _same_quantity(live: Any, wanted: Any) -> bool:
    """Return whether two texts are the same amount: the API server writes 1000m as 1."""
    if not isinstance(live, str | int) or not isinstance(wanted, str | int):
        return False
    amount = quantity(str(wanted))
    return amount is not None and amount == quantity(str(live))


def quantity(text: str) -> Decimal | None:
    """Return the amount that a resource.Quantity such as 24Gi is, None where the text is none."""
    number = text.rstrip("mkMGTPEKi")
    try:
        return Decimal(number) * _SUFFIXES[text[len(number) :]]
    except (InvalidOperation, KeyError):
        return None
