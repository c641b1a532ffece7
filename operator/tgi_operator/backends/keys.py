"""The key of a resource in the queue."""

from typing import NamedTuple


class Key(NamedTuple):
    """Namespace and name of a TGIEndpoint."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return namespace/name, as kubectl writes it."""
        return f"{self.namespace}/{self.name}"
