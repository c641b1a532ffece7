"""resource.Quantity, which is a number with a Kubernetes suffix."""

from decimal import Decimal, DecimalException

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(10) ** (3 * power) for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(2) ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)},
}
"""Suffixes of a resource.Quantity (k8s.io/apimachinery/pkg/api/resource)."""


def count(text: object, digits: int) -> int:
    """Return the number in an annotation, or 0 if it is not a decimal number of at most this many digits."""
    found = str(text)
    return int(found) if found.isascii() and found.isdecimal() and len(found) <= digits else 0


def quantity(text: str) -> Decimal | None:
    """Return the amount of a resource.Quantity such as 24Gi, or None if the text is not a quantity."""
    number = text.rstrip("numkMGTPEKi")
    try:
        return Decimal(number) * _SUFFIXES[text[len(number) :]]
    except (DecimalException, KeyError):
        return None
