"""Watches the metadata of Secrets. kopf has no setting for this and would store the data of every Secret."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from typing import Any, Protocol

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.following import Body, Follower, Source

LABELLED = {"labelSelector": f"{LABEL_ALLOW_USE}=true"}
OPAQUE = {"fieldSelector": "type=Opaque"}
"""Tokens are in Opaque Secrets. Secrets of Helm releases and service account tokens are large or irrelevant."""

SecretName = tuple[str, str]
"""Namespace and name."""

Seen = Callable[[str, str, str], None]
"""Takes the namespace, name and resourceVersion of a Secret. The version is empty if the Secret is gone."""


class SecretsAPI(Protocol):
    """The interface of the watch to the API server."""

    def metadata_pages(self, path: str, **selectors: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the pages of a list whose items contain only metadata."""

    def watch_metadata(self, path: str, version: str, **selectors: str) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yield the events of a watch until it ends."""


class SecretWatch:
    """Follows the Secrets of some namespaces, or of all if none is named.

    `seen` is called for each Secret. `referenced` returns the Secrets whose absence from a list matters. This class
    stores no Secrets.
    """

    def __init__(
        self,
        kube: SecretsAPI,
        namespaces: Collection[str],
        selectors: Mapping[str, str],
        seen: Seen,
        referenced: Callable[[], Collection[SecretName]],
    ) -> None:
        self._kube = kube
        self._namespaces = namespaces
        self._selectors = dict(selectors)
        self._seen = seen
        self._referenced = referenced

    async def run(self) -> None:
        """Follow the Secrets until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces or ("",):
                group.create_task(self._follower(namespace).run())

    def _follower(self, namespace: str) -> Follower:
        path = f"/api/v1/namespaces/{namespace}/secrets" if namespace else "/api/v1/secrets"
        source = Source(
            lambda: self._kube.metadata_pages(path, **self._selectors),
            lambda version: self._kube.watch_metadata(path, version, **self._selectors),
        )
        where = f"in {namespace}" if namespace else "in all namespaces"
        failed = (
            f"Cannot watch Secrets {where}: %s; check the operator's Role. Until the problem is fixed, the operator "
            "detects a changed Hub token only after a delay."
        )
        return Follower(source, _Secrets(namespace, self._seen, self._referenced), failed)


class _Secrets:
    """Reports the Secrets of a namespace, or of all if it is empty. Implements following.Sink."""

    def __init__(self, namespace: str, seen: Seen, referenced: Callable[[], Collection[SecretName]]) -> None:
        self._namespace = namespace
        self._report = seen
        self._referenced = referenced
        self._missing: set[SecretName] = set()

    def begin(self) -> None:
        """Expect the Secrets that are referenced."""
        self._missing = {each for each in self._referenced() if not self._namespace or each[0] == self._namespace}

    def seen(self, body: Body) -> None:
        """Report a Secret with its version."""
        meta = body["metadata"]
        self._missing.discard((meta["namespace"], meta["name"]))
        self._report(meta["namespace"], meta["name"], str(meta["resourceVersion"]))

    def gone(self, body: Body) -> None:
        """Report a Secret that is gone."""
        self._report(body["metadata"]["namespace"], body["metadata"]["name"], "")

    def end(self) -> None:
        """Report the referenced Secrets that were not listed."""
        for gone in self._missing:
            self._report(*gone, "")
        self._missing = set()
