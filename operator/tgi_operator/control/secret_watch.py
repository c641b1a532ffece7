"""Watches the metadata of Secrets. kopf has no setting for that, and would store the data of every Secret."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import aiohttp

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.control.reconciler import describe
from tgi_operator.control.worker import backoff
from tgi_operator.kube import APIError

logger = logging.getLogger(__name__)

LABELLED = {"labelSelector": f"{LABEL_ALLOW_USE}=true"}
OPAQUE = {"fieldSelector": "type=Opaque"}
"""Tokens are in Opaque Secrets. Secrets of Helm releases and service account tokens are large or irrelevant."""

_GONE = 410
_CALM_SECONDS = 60
"""Seconds after which a failure no longer counts as a repetition of the last one."""

_REMINDER = 16
"""Number of repeated failures between two log entries, which is about 10 minutes."""

_FAILURES = (APIError, aiohttp.ClientError, TimeoutError, ValueError, LookupError)

SecretName = tuple[str, str]
"""Namespace and name."""


class SecretsAPI(Protocol):
    """The interface of the watch to the API server."""

    def metadata_pages(self, path: str, **selectors: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the pages of a list whose items contain only metadata."""

    def watch_metadata(self, path: str, version: str, **selectors: str) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yield the events of a watch until it ends."""


class SecretWatch:
    """Follows the Secrets of some namespaces, or of all if none is named.

    `seen` is called with namespace, name and resourceVersion of each Secret, and without a version if it is gone.
    `referenced` returns the Secrets whose absence from a list matters. This class stores no Secrets.
    """

    def __init__(
        self,
        kube: SecretsAPI,
        namespaces: Collection[str],
        selectors: Mapping[str, str],
        seen: Callable[[str, str, str], None],
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
                group.create_task(self._follow(namespace))

    async def _follow(self, namespace: str) -> None:
        """List and watch, and list again if the watch cannot continue."""
        failures, clock = 0, asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                version = await self._list(namespace)
                while version:
                    version = await self._watch(namespace, version)
            except _FAILURES as error:
                failures = 1 if clock() - began > _CALM_SECONDS else failures + 1
                if failures % _REMINDER == 1:
                    logger.warning(
                        "Cannot watch Secrets %s: %s; check the operator's Role. Until then, the operator detects a "
                        "changed Hub token with a delay.",
                        f"in {namespace}" if namespace else "in all namespaces",
                        describe(error),
                    )
                await asyncio.sleep(backoff(failures))

    async def _list(self, namespace: str) -> str:
        """Report all Secrets, and missing ones that are referenced. Return the version to watch from."""
        missing = {each for each in self._referenced() if not namespace or each[0] == namespace}
        version = ""
        async for page in self._kube.metadata_pages(_path(namespace), **self._selectors):
            version = page["metadata"]["resourceVersion"]
            for each in page["items"]:
                meta = each["metadata"]
                missing.discard((meta["namespace"], meta["name"]))
                self._seen(meta["namespace"], meta["name"], meta["resourceVersion"])
        for gone in missing:
            self._seen(*gone, "")
        return version

    async def _watch(self, namespace: str, version: str) -> str:
        """Report changes until a watch ends. Return the version to continue from, or an empty one if it is too old."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with aclosing(self._kube.watch_metadata(_path(namespace), version, **self._selectors)) as events:
                async for event in events:
                    version = self._handled(event)
                    if not version:
                        break
        except TimeoutError:
            # The connection was dead, or the API server did not end the watch in time.
            logger.debug("A watch of Secrets timed out and is being restarted")
        except APIError as error:
            if error.status != _GONE:
                raise
            version = ""
        # A watch that ends as soon as it begins must not be restarted as fast as the network allows.
        await asyncio.sleep(max(0.0, random.uniform(0.5, 1.5) - (clock() - began)))  # noqa: S311
        return version

    def _handled(self, event: Mapping[str, Any]) -> str:
        """Report an event. Return its version, or an empty one if the watch cannot continue from there."""
        change, body = event["type"], event["object"]
        if change == "ERROR":
            logger.debug("A watch of Secrets ended: %s", body.get("message"))
            return ""
        meta = body["metadata"]
        version = str(meta["resourceVersion"])
        if change != "BOOKMARK":
            self._seen(meta["namespace"], meta["name"], "" if change == "DELETED" else version)
        return version


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets" if namespace else "/api/v1/secrets"
