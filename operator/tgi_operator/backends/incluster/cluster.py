"""The backend's interface to the API server."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Protocol

from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.intake import Reduce
from tgi_operator.kube import Secret


class Cluster(Protocol):
    """The API server."""

    async def secret(self, namespace: str, name: str) -> Secret | None:
        """Return a Secret, or None if it does not exist."""

    async def labels(self, path: str) -> Mapping[str, str] | None:
        """Return the labels of an object, or None if it does not exist."""

    async def get(self, path: str) -> Object | None:
        """Return an object, or None if it does not exist."""

    async def items(self, path: str, **selectors: str) -> list[Object]:
        """Return the objects of a list."""

    def reduced(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        """Yield the result of `reduce` for each object of a list."""

    def pages(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        """Yield the pages of a list, with the result of `reduce` for each object."""

    def watch(self, path: str, version: str, reduce: Reduce, **selectors: str) -> AsyncGenerator[Object, None]:
        """Yield the events of a watch that starts at a version, with the result of `reduce` for each object."""

    async def apply(self, path: str, manifest: Object, manager: str) -> Object:
        """Return the object after a server-side apply of `manifest` by `manager`."""

    async def delete(self, path: str, uid: str) -> None:
        """Delete the object with the uid. Does nothing if it is gone."""

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """Return the last lines of the log of a container."""
