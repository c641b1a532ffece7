"""Whether the end of an old pod frees the quota that a new pod lacks."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tgi_operator.backends.incluster.seen import capacity
from tgi_operator.backends.incluster.seen.capacity import Amounts
from tgi_operator.backends.quantities import quantity

_EXCEEDED = re.compile(
    r"exceeded quota: \S+, requested: (?P<requested>\S+), used: (?P<used>\S+), limited: (?P<limited>\S+)"
)
"""Message of the API server (kubernetes apiserver pkg/admission/plugin/resourcequota/controller.go)."""

_COUNTS = frozenset({"pods", "count/pods"})


def is_exceeded(refusal: str | None) -> bool:
    """Return whether a ResourceQuota is the reason why the API server refuses a pod."""
    return refusal is not None and "exceeded quota" in refusal


def is_freed(refusal: str | None, old: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a ResourceQuota refuses a pod, and allows it once any of the pods with these specs has ended."""
    found = _EXCEEDED.search(refusal or "")
    specs = list(old)
    if found is None or not specs:
        return False
    requested, used, limited = (_amounts(found[name]) for name in ("requested", "used", "limited"))
    missing = {
        name: requested[name] + used.get(name, Decimal(0)) - limited[name] for name in requested if name in limited
    }
    return all(_share(spec, name) >= amount for spec in specs for name, amount in missing.items())


def _amounts(text: str) -> Amounts:
    """Return the amounts of a list such as `pods=3,requests.cpu=500m`."""
    pairs = (each.rpartition("=") for each in text.rstrip(",").split(","))
    return {name: quantity(value) or Decimal(0) for name, _, value in pairs}


def _share(spec: Mapping[str, Any], name: str) -> Decimal:
    """Return how much a pod counts for a resource of a ResourceQuota (core/v1 ResourceName)."""
    if name in _COUNTS:
        return Decimal(1)
    kind, _, resource = name.partition(".")
    if kind == "limits":
        return capacity.limits(spec).get(resource, Decimal(0))
    return capacity.requests(spec).get(resource if kind == "requests" else name, Decimal(0))
