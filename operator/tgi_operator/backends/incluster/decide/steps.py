"""The steps there are: each one request to the API server that may be repeated after any crash."""

from dataclasses import dataclass, field

from tgi_operator.api.names import FIELD_MANAGER
from tgi_operator.backends.incluster.kinds import Object


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a manifest; by another `manager` than our own it takes nothing from others."""

    manifest: Object = field(repr=False)
    manager: str = FIELD_MANAGER


@dataclass(frozen=True)
class Delete:
    """Deletion of a living object, if it still is that very one."""

    body: Object = field(repr=False)


Step = Apply | Delete
