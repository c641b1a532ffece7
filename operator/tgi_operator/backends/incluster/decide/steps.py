"""Steps: each is one request to the API server, and safe to repeat after any crash."""

from dataclasses import dataclass, field

from tgi_operator.api.identifiers import FIELD_MANAGER
from tgi_operator.backends.incluster.kinds import Object


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a manifest. With another `manager` than the operator, it takes no field from others."""

    manifest: Object = field(repr=False)
    manager: str = FIELD_MANAGER


@dataclass(frozen=True)
class Delete:
    """Deletion of a living object, unless another object has its name by now."""

    body: Object = field(repr=False)


Step = Apply | Delete
