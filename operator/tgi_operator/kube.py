"""The Kubernetes API in plain dicts: one source of credentials, a connection pool for requests and one for watches."""

import asyncio
import base64
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from tgi_operator import metrics
from tgi_operator.api.identifiers import API_VERSION, FIELD_MANAGER, PLURAL
from tgi_operator.intake import PAGE, Object, Reduce, parse, read_event, read_page, without_bookkeeping
from tgi_operator.watching import in_background, lines

_APPLY = "application/apply-patch+yaml"
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_MERGE_PATCH = "application/merge-patch+json"
_CONNECTIONS = 64
"""Simultaneous requests. Watches have their own pool, because each holds a connection for minutes."""

_UNLIMITED = 0
_JSON = "application/json"
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1"
_METADATA_LIST = _METADATA.format("PartialObjectMetadataList")

_WATCH_SECONDS = 300
"""Seconds after which the API server ends a watch. A new watch continues from there."""

_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=_WATCH_SECONDS + 30, sock_connect=10)
"""Timeout that ends a watch with a dead connection."""

_CHUNK = 64 * 1024
_LONGEST_ERROR = 4096


class NoClusterError(Exception):
    """There is no kubeconfig, and the process does not run in a pod."""


class APIError(Exception):
    """A request that the API server refused, with its HTTP status. `request` is its method and path, if known."""

    def __init__(self, status: int, message: str, request: str = "") -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.request = request


def describe(error: Exception) -> str:
    """Return the request and the error, cut to the length of a message. Some connection errors have no text."""
    request = f"{error.request}: " if isinstance(error, APIError) and error.request else ""
    return f"{request}{str(error) or type(error).__name__}"[:_LONGEST_ERROR]


@dataclass(frozen=True)
class Secret:
    """The labels and the data of a Secret."""

    labels: Mapping[str, str]
    data: Mapping[str, bytes] = field(repr=False)


class _Pool:
    """A session with a limited number of connections. It is created on first use and again after being closed."""

    def __init__(self, configuration: Configuration, connections: int, **options: Any) -> None:
        configuration.connection_pool_maxsize = connections
        self._rest = RESTClientObject(configuration)
        self._options = options
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session."""
        if self._session is None or self._session.closed:
            self._rest.configuration.client_session_kwargs = self._options
            self._session = self._rest._create_pool_manager()  # noqa: SLF001 - documented as the place to override
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def _unguarded() -> None:
    """Allow every write."""


class Kube:
    """A client of one API server.

    `guard` is called before each write through either session. It raises an error if the write is not allowed.
    """

    def __init__(self, configuration: Configuration, guard: Callable[[], None] = _unguarded) -> None:
        self._configuration = configuration
        self._guard = guard
        # aiohttp would look for proxies and a .netrc again for every request, which takes a tenth of its time.
        self._options = {"middlewares": (self._authorize,), "trust_env": _is_proxied(str(configuration.host))}
        self._requests = _Pool(configuration, _CONNECTIONS, **self._options)
        self._watches = _Pool(configuration, _UNLIMITED, **self._options)
        self._informers: _Pool | None = None

    @classmethod
    async def connect(
        cls, guard: Callable[[], None] = _unguarded, kubeconfig: str | None = None, context: str | None = None
    ) -> "Kube":
        """Return a client for `kubeconfig` or KUBECONFIG, else for this pod's cluster, else for ~/.kube/config.

        Raises NoClusterError if none of them exists.
        """
        configuration = Configuration()
        paths = kubeconfig or os.environ.get("KUBECONFIG")
        try:
            if paths is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                found = _existing(paths or "~/.kube/config")
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=found, context=context, client_configuration=configuration
                )
        except config.ConfigException as error:
            raise NoClusterError(f"no Kubernetes cluster: {error}: set KUBECONFIG") from None
        return cls(configuration, guard)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._configuration.host)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session for requests."""
        return self._requests.session

    @property
    def watch_session(self) -> aiohttp.ClientSession:
        """The session for watches, one connection for each."""
        return self._watches.session

    def informer_session(self, response_class: type[aiohttp.ClientResponse]) -> aiohttp.ClientSession:
        """Return the informer's session for lists and watches, which creates its responses from this class."""
        if self._informers is None:
            self._informers = _Pool(self._configuration, _UNLIMITED, **self._options, response_class=response_class)
        return self._informers.session

    async def _authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        # Read for every request, because projected tokens are renewed on disk.
        settings: Mapping[str, Any] = await self._configuration.auth_settings()
        for setting in settings.values():
            request.headers[str(setting["key"])] = str(setting["value"])
        # As late as possible, because the code before it can take time.
        if request.method != "GET":
            self._guard()
        return await handler(request)

    async def close(self) -> None:
        """Close all connections."""
        for pool in (self._requests, self._watches, self._informers):
            if pool is not None:
                await pool.close()

    async def _request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        content_type: str = _JSON,
        accept: str = _JSON,
        read: Callable[[str], Any] = parse,
    ) -> Object:
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        status, text = await self._send(method, path, headers, body)
        try:
            answer = await in_background(read if status < 400 else parse, text)
        except ValueError:
            # A proxy between the operator and the API server may answer in HTML.
            raise APIError(status, f"no JSON from {method} {path}") from None
        if status >= 400:
            raise APIError(status, str(answer.get("message", "")), f"{method} {path.partition('?')[0]}")
        found: Object = answer
        return found

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: Object | None) -> tuple[int, str]:
        url = f"{self.server}{path}"
        async with self.session.request(method, url, json=body, headers=headers, timeout=_TIMEOUT) as response:
            return response.status, await response.text()

    async def cluster_id(self) -> str:
        """Return the uid of the kube-system namespace, which identifies the cluster."""
        return str((await self._request("GET", "/api/v1/namespaces/kube-system"))["metadata"]["uid"])

    async def endpoint(self, namespace: str, name: str) -> Object | None:
        """Return a TGIEndpoint, or None if it does not exist."""
        return await self.get(_path(namespace, name))

    async def endpoint_uids(self, namespaces: Sequence[str]) -> dict[tuple[str, str], str]:
        """Return the uids of the TGIEndpoints by namespace and name, in these namespaces or in all if none is given."""
        paths = [_collection(namespace) for namespace in namespaces] or [f"/apis/{API_VERSION}/{PLURAL}"]
        uids: dict[tuple[str, str], str] = {}
        for path in paths:
            async for page in self.metadata_pages(path):
                listed = (each["metadata"] for each in page["items"])
                uids |= {(meta["namespace"], meta["name"]): meta["uid"] for meta in listed}
        return uids

    async def secret(self, namespace: str, name: str) -> Secret | None:
        """Return a Secret, or None if it does not exist."""
        # One at a time: a Secret can be 1 MB, takes several times as much memory while it is being read, and contains
        # other data too.
        async with self._one_secret:
            found = await self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            return None
        data = {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        return Secret(found["metadata"].get("labels") or {}, data)

    @cached_property
    def _one_secret(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def labels(self, path: str) -> Mapping[str, str] | None:
        """Return the labels of the object at a path, or None if it does not exist. Only its metadata is read."""
        found = await self.get(path, accept=_METADATA.format("PartialObjectMetadata"))
        if found is None:
            return None
        labels: Mapping[str, str] = found["metadata"].get("labels") or {}
        return labels

    async def get(self, path: str, *, accept: str = _JSON) -> Object | None:
        """Return the object at a path, or None if it does not exist."""
        try:
            return await self._request("GET", path, accept=accept)
        except APIError as error:
            if error.status == 404:
                return None
            raise

    async def items(self, path: str, **selectors: str) -> list[Object]:
        """Return all objects of a list, page by page. `selectors` are labelSelector and fieldSelector."""
        return [body async for body in self.reduced(path, without_bookkeeping, **selectors)]

    async def reduced(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        """Yield the result of `reduce` for each object of a list. At most one page is in memory."""
        async for page in self.pages(path, reduce, **selectors):
            for body in page["items"]:
                yield body

    def pages(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        """Yield the pages of a list, with the result of `reduce` for each object."""
        return self._pages(path, _JSON, reduce, **selectors)

    def metadata_pages(self, path: str, **selectors: str) -> AsyncIterator[Object]:
        """Yield the pages of a list whose items contain only metadata."""
        return self._pages(path, _METADATA_LIST, without_bookkeeping, **selectors)

    async def _pages(self, path: str, accept: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        query = {"limit": str(PAGE), **selectors}
        while True:
            where, read = f"{path}?{urlencode(query)}", partial(read_page, reduce=reduce)
            page = await self._request("GET", where, accept=accept, read=read)
            # An empty list of metadata has no items field.
            yield {**page, "items": page["items"] or ()}
            if not page["metadata"].get("continue"):
                return
            query["continue"] = page["metadata"]["continue"]

    def watch(self, path: str, version: str, reduce: Reduce, **selectors: str) -> AsyncGenerator[Object, None]:
        """Yield the events of a watch, starting at a resourceVersion, with the result of `reduce` for each object.

        The watch ends when the API server ends it or when its connection is dead. Raises APIError.
        """
        return self._watch(path, version, _JSON, reduce, **selectors)

    def watch_metadata(self, path: str, version: str, **selectors: str) -> AsyncGenerator[Object, None]:
        """Yield the events of a watch as `watch` does. Their objects contain only metadata."""
        return self._watch(path, version, _METADATA.format("PartialObjectMetadata"), without_bookkeeping, **selectors)

    async def _watch(
        self, path: str, version: str, accept: str, reduce: Reduce, **selectors: str
    ) -> AsyncGenerator[Object, None]:
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
        url = f"{self.server}{path}?{urlencode({**query, 'resourceVersion': version, **selectors})}"
        async with self.watch_session.get(url, headers={"Accept": accept}, timeout=_WATCH_TIMEOUT) as response:
            if response.status >= 400:
                raise APIError(response.status, (await response.text()).strip(), f"GET {path}")
            async for line in lines(response.content.iter_chunked(_CHUNK)):
                event = read_event(line, reduce)
                if event is not None:
                    yield event

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """Return the last lines of a container's log."""
        query = urlencode({"container": container, "tailLines": lines})
        status, text = await self._send("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}", {}, None)
        if status >= 400:
            raise APIError(status, f"no log of {namespace}/{pod}")
        return text

    async def exchange(self, path: str, body: str, seconds: float) -> AsyncIterator[bytes]:
        """Post JSON to a target behind the API server's proxy, and yield the answer as it arrives."""
        headers, timeout = {"Content-Type": "application/json"}, aiohttp.ClientTimeout(total=seconds, connect=10)
        url = f"{self.server}{path}"
        async with self.session.post(url, data=body, headers=headers, timeout=timeout) as response:
            if response.status >= 400:
                raise APIError(response.status, (await response.text()).strip())
            async for chunk in response.content.iter_any():
                yield chunk

    async def create(self, path: str, body: Object) -> Object:
        """Return the object created in the collection at a path. Raises APIError 409 if its name exists."""
        metrics.KUBERNETES_WRITES.labels("create").inc()
        return await self._request("POST", path, body)

    async def replace(self, path: str, body: Object) -> Object:
        """Return the object after replacing it. Raises APIError 409 if `body` has another resourceVersion."""
        metrics.KUBERNETES_WRITES.labels("replace").inc()
        return await self._request("PUT", path, body)

    async def apply(self, path: str, manifest: Object, manager: str = FIELD_MANAGER) -> Object:
        """Return the object after a server-side apply of `manifest`. Fields that others own stay theirs.

        The operator takes ownership of a field that both set. With another `manager`, such a conflict raises APIError
        409.
        """
        metrics.KUBERNETES_WRITES.labels("apply").inc()
        query = urlencode({"fieldManager": manager, "force": "true" if manager == FIELD_MANAGER else "false"})
        return await self._request("PATCH", f"{path}?{query}", manifest, content_type=_APPLY)

    async def delete(self, path: str, uid: str) -> None:
        """Delete the object with the uid and, in the background, what it owns. Does nothing if the object is gone."""
        metrics.KUBERNETES_WRITES.labels("delete").inc()
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._request("DELETE", path, options)
        except APIError as error:
            if error.status != 404:
                raise

    async def set_finalizers(self, namespace: str, name: str, version: str, finalizers: list[str]) -> Object:
        """Return the object with other finalizers. Raises APIError 409 if its resourceVersion is not `version`."""
        metrics.KUBERNETES_WRITES.labels("finalizer").inc()
        body = {"metadata": {"resourceVersion": version, "finalizers": finalizers}}
        return await self._request("PATCH", _path(namespace, name), body, content_type=_MERGE_PATCH)

    async def annotate(self, namespace: str, name: str, annotations: Mapping[str, str]) -> Object:
        """Return the TGIEndpoint after its annotations were set. Raises APIError."""
        body = {"metadata": {"annotations": dict(annotations)}}
        return await self._request("PATCH", _path(namespace, name), body, content_type=_MERGE_PATCH)

    async def set_status(self, namespace: str, name: str, change: Object) -> Object:
        """Return the object after the merge patch `change` of its status."""
        metrics.KUBERNETES_WRITES.labels("status").inc()
        path = f"{_path(namespace, name)}/status?fieldManager={FIELD_MANAGER}"
        return await self._request("PATCH", path, {"status": change}, content_type=_MERGE_PATCH)

    async def create_event(self, namespace: str, event: Object) -> None:
        """Create an events.k8s.io/v1 Event. Raises APIError 409 if its name exists."""
        metrics.KUBERNETES_WRITES.labels("event").inc()
        await self._request("POST", _events_path(namespace), event)

    async def repeat_event(self, namespace: str, name: str, change: Object) -> None:
        """Patch an Event that occurred again."""
        metrics.KUBERNETES_WRITES.labels("event").inc()
        await self._request("PATCH", f"{_events_path(namespace)}/{name}", change, content_type=_MERGE_PATCH)


def _existing(paths: str) -> str:
    """Return the existing kubeconfig files, joined. The client would log warnings about the others.

    Raises NoClusterError if there is none, because the client would instead report a missing key.
    """
    found = [path for name in paths.split(os.pathsep) if name and (path := Path(name).expanduser()).is_file()]
    if not found:
        raise NoClusterError(f"no Kubernetes cluster: there is no file {paths}: set KUBECONFIG")
    return os.pathsep.join(str(path) for path in found)


def _is_proxied(url: str) -> bool:
    """Return whether the environment requests a proxy between this process and `url`."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def _path(namespace: str, name: str) -> str:
    return f"{_collection(namespace)}/{name}"


def _collection(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"


def _events_path(namespace: str) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
