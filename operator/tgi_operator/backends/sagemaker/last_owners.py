"""The last owners of endpoints for which other resources wait. A name stays reserved for its owner for a while."""

import asyncio

from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.sagemaker.desired.places import Place

RESERVED_SECONDS = 120
"""Seconds for which a name stays reserved after its owner is gone: the owner may return, or be in another cluster."""


class LastOwners:
    """The owners that tags named, by place, while they matter."""

    def __init__(self) -> None:
        self._owners: dict[Place, tuple[Owner, float]] = {}

    def saw(self, resource: Resource, place: Place, owner: Owner | None) -> None:
        """Remember the owner in the tags that a resource has read, if it is another resource."""
        now = asyncio.get_running_loop().time()
        self._owners = {where: kept for where, kept in self._owners.items() if now - kept[1] < RESERVED_SECONDS}
        if owner is not None and _named(owner) != _named(resource.owner):
            self._owners[place] = (owner, now)

    def of(self, resource: Resource, place: Place) -> Owner | None:
        """Return the owner that takes precedence: one that still exists, or existed a moment ago."""
        owner, seen = self._owners.get(place, (None, 0.0))
        if owner is None:
            return None
        present = [resource.key, *(rival.key for rival in resource.rivals or ())]
        now = asyncio.get_running_loop().time()
        if owner.cluster == resource.owner.cluster and Key(owner.namespace, owner.name) in present:
            self._owners[place] = (owner, now)
            return owner
        return owner if now - seen < RESERVED_SECONDS else None


def _named(owner: Owner) -> tuple[str, str, str]:
    return owner.cluster, owner.namespace, owner.name
