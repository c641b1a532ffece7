"""The steps there are: each one request to the API server that may be repeated after any crash."""

from dataclasses import dataclass, field

from tgi_operator.backends.incluster.kinds import Object


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a manifest."""

    manifest: Object = field(repr=False)


@dataclass(frozen=True)
class Delete:
    """Deletion of a living object, if it still is that very one."""

    body: Object = field(repr=False)


Step = Apply | Delete
