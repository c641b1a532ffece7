"""The PVC with the weights, and whether its pods must run on one node."""

from collections.abc import Collection
from dataclasses import dataclass

from tgi_operator.api.incluster import AccessMode, InCluster
from tgi_operator.api.spec import Model
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.resource import Owner

_MANY = frozenset({AccessMode.READ_WRITE_MANY, "ReadOnlyMany"})
"""Access modes of a volume that several nodes can attach (core/v1 PersistentVolumeAccessMode)."""


@dataclass(frozen=True)
class Volume:
    """A PVC by its `name`. `own` means that the operator creates it. `modes` are its access modes, empty if unknown."""

    name: str
    own: bool
    modes: frozenset[str] = frozenset()

    @property
    def of_one_node(self) -> bool:
        """Whether only one node at a time can attach the volume."""
        return bool(self.modes) and not self.modes & _MANY


def volume(owner: Owner, model: Model, target: InCluster, modes: Collection[str] = ()) -> Volume | None:
    """Return the PVC with the weights, or None if pods download them. `modes` are those of a PVC of another owner."""
    if model.claim is not None:
        return Volume(model.claim[0], own=False, modes=frozenset(modes))
    if target.cache is None:
        return None
    if target.cache.claim_name is not None:
        return Volume(target.cache.claim_name, own=False, modes=frozenset(modes))
    mode = target.cache.access_mode or AccessMode.READ_WRITE_MANY
    return Volume(names.claim_name(owner), own=True, modes=frozenset({str(mode)}))
