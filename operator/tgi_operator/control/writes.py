"""Writes to TGIEndpoints: status and finalizer. The store gets the objects that the API server returns."""

from collections.abc import Callable
from typing import Any, Protocol

from tgi_operator.api.identifiers import FINALIZER
from tgi_operator.api.status import Status
from tgi_operator.control.store import Item, Store, item
from tgi_operator.kube import APIError

_REFUSALS = frozenset({400, 403, 422})


class WritesAPI(Protocol):
    """The interface of these writes to the API server."""

    async def set_finalizers(self, namespace: str, name: str, version: str, finalizers: list[str]) -> dict[str, Any]:
        """Return the object with other finalizers. Raises APIError 409 if it has another resourceVersion."""

    async def set_status(self, namespace: str, name: str, change: dict[str, Any]) -> dict[str, Any]:
        """Return the object after the merge patch `change` of its status."""


class GoneError(Exception):
    """The TGIEndpoint no longer exists."""


class StatusRefusedError(Exception):
    """The API server refused a status, because of the CRD's schema, an admission webhook, or RBAC."""


class Writes:
    """Writes finalizers and statuses.

    `vanished` is called with an item that the API server no longer has: the watch may have missed its deletion.
    """

    def __init__(self, kube: WritesAPI, store: Store, vanished: Callable[[Item], None]) -> None:
        self._kube = kube
        self._store = store
        self._vanished = vanished
        self._released: set[str] = set()

    async def hold(self, known: Item) -> Item:
        """Return the item with the operator's finalizer."""
        return await self._set_finalizers(known, [*known.finalizers, FINALIZER])

    async def release(self, known: Item) -> None:
        """Remove the operator's finalizer, because nothing of the resource is left."""
        # Before the request: the watch may report the deletion of the object before the response arrives.
        self._released.add(known.uid)
        try:
            await self._set_finalizers(known, [name for name in known.finalizers if name != FINALIZER])
        except GoneError:
            return

    def was_released(self, known: Item) -> bool:
        """Return whether the operator has removed its finalizer from an object that is gone. True only once."""
        released = known.uid in self._released
        self._released.discard(known.uid)
        return released

    async def status(self, known: Item, status: Status) -> Item:
        """Write the status if it differs, and remove the fields that it no longer has. Return the updated item.

        Raises StatusRefusedError, GoneError.
        """
        new = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        change = merge_patch(known.status, new)
        if not change:
            return known
        self._store.expect(known.key, new)
        try:
            return self._keep(await self._kube.set_status(*known.key, change))
        except APIError as error:
            if error.status in _REFUSALS:
                raise StatusRefusedError(f"status of TGIEndpoint {known.key}: {error}") from None
            self._raise_if_gone(known, error)
            raise

    async def _set_finalizers(self, known: Item, finalizers: list[str]) -> Item:
        try:
            return self._keep(await self._kube.set_finalizers(*known.key, known.version, finalizers))
        except APIError as error:
            self._raise_if_gone(known, error)
            raise

    def _raise_if_gone(self, known: Item, error: APIError) -> None:
        if error.status == 404:
            self._vanished(known)
            raise GoneError(f"TGIEndpoint {known.key} no longer exists") from None

    def _keep(self, body: dict[str, Any]) -> Item:
        new = item(body)
        self._store.refresh(new)
        return new


def merge_patch(old: Any, new: Any) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) from the object `old` to `new`, which is empty if they are equal."""
    change: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if before == value:
            continue
        change[key] = merge_patch(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return change
