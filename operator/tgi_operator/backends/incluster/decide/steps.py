"""Steps: each is one request to the API server, and safe to repeat after any crash."""

from dataclasses import dataclass, field
from typing import Self

from tgi_operator.api.identifiers import FIELD_MANAGER
from tgi_operator.backends.incluster.desired.manifests import stamped
from tgi_operator.backends.incluster.kinds import Object


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a manifest. If `manager` is not the operator, it takes no fields from others."""

    manifest: Object = field(repr=False)
    manager: str = FIELD_MANAGER

    @classmethod
    def of(cls, manifest: Object) -> Self:
        """Return the step that applies a manifest of the operator, with its stamp."""
        return cls(stamped(manifest))


@dataclass(frozen=True)
class Delete:
    """Deletion of a live object, unless another object has taken its name."""

    body: Object = field(repr=False)


Step = Apply | Delete
