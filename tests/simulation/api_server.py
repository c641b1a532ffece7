"""A Kubernetes API server in memory: it answers the requests of the operator's client like the real one.

Status writes of TGIEndpoints are checked against the limits of the generated CRD, and refused with 422.
"""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from simulation import crd_schema
from simulation.applying import apply, without_fields
from simulation.clock import LoopClock
from simulation.copying import copied
from tgi_operator.api.identifiers import API_VERSION, KIND, LABEL_ALLOW_USE, PLURAL
from tgi_operator.backends.incluster.kinds import KINDS, Object
from tgi_operator.schema.crd import crd

ENDPOINT_SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]

SECONDS_PER_REQUEST = 0.02

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))(?:/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"(?:/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?)?)?"
)
OPTIONAL_GROUPS = frozenset({"custom.metrics.k8s.io", "monitoring.coreos.com", "keda.sh"})
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SERVED = {kind.plural: (kind.api_version, kind.name) for kind in KINDS.values()} | {
    PLURAL: (API_VERSION, KIND),
    "secrets": ("v1", "Secret"),
    "events": ("events.k8s.io/v1", "Event"),
    "nodes": ("v1", "Node"),
    "replicasets": ("apps/v1", "ReplicaSet"),
    "serviceaccounts": ("v1", "ServiceAccount"),
}

Name = tuple[str, str]
"""Namespace and name."""

Listener = Callable[[str, str, Object], None]
"""Called with the plural, ADDED, MODIFIED or DELETED, and the object at that time."""


class RefusedError(Exception):
    """An answer with an HTTP status of 400 or more."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class Request:
    """One request, parsed."""

    method: str
    plural: str
    namespace: str
    name: str
    sub: str
    query: Mapping[str, str]
    content_type: str
    body: Object

    @property
    def resource(self) -> str:
        """The resource in the notation of roles."""
        return f"{self.plural}/{self.sub}" if self.sub else self.plural

    @property
    def verb(self) -> str:
        """The verb in the notation of roles."""
        return "list" if self.method == "GET" and not self.name else _VERBS[self.method]

    @property
    def key(self) -> Name:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass
class ApiServer:
    """Objects by plural and name, and the current faults.

    `denied` are pairs of verb and resource in the notation of roles; `outage` is the HTTP status of every answer, or 0
    for connections that fail. `installed` are the optional API groups that are served.

    A stored object is never modified: another one replaces it.
    """

    loop: asyncio.AbstractEventLoop
    clock: LoopClock
    objects: dict[str, dict[Name, Object]] = field(default_factory=lambda: {plural: {} for plural in _SERVED})
    logs: dict[tuple[str, str], str] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    status_checks: list[Callable[[Object, Object], Iterator[str]]] = field(default_factory=list)
    denied: set[tuple[str, str]] = field(default_factory=set)
    outage: int | None = None
    installed: set[str] = field(default_factory=set)
    requests: list[tuple[float, str, str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    _version: int = 0
    _uids: int = 0

    # Requests of the operator's client

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: Object | None) -> tuple[int, str]:
        """Return HTTP status and text. Raises aiohttp.ClientConnectionError while connections fail."""
        await asyncio.sleep(SECONDS_PER_REQUEST / 2)
        if self.outage == 0:
            raise aiohttp.ClientConnectionError("Connection refused")
        status, answer = self._answer(method, path, headers, body)
        await asyncio.sleep(SECONDS_PER_REQUEST / 2)
        return status, answer if isinstance(answer, str) else json.dumps(answer)

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: Object | None
    ) -> tuple[int, Object | str]:
        try:
            return 200, self._permitted(method, path, headers, body)
        except RefusedError as error:
            return error.status, {"kind": "Status", "code": error.status, "message": str(error)}

    def _permitted(self, method: str, path: str, headers: Mapping[str, str], body: Object | None) -> Object | str:
        request = read(method, path, headers, body)
        if self.outage is not None:
            raise RefusedError(self.outage, "the API server is not available")
        if request is None:
            return self._discovery(urlsplit(path).path)
        self.requests.append((self.clock.now(), request.verb, request.resource, request.name))
        if {(request.verb, request.resource), ("*", request.resource), ("*", "*")} & self.denied:
            raise RefusedError(403, f"{request.resource} is forbidden: the operator cannot {request.verb} it")
        return self._handle(request)

    def _discovery(self, path: str) -> Object:
        if path == "/api/v1/namespaces/kube-system":
            return {"metadata": {"uid": "cluster-1"}}
        if any(group in path for group in OPTIONAL_GROUPS - self.installed):
            raise RefusedError(404, "the server could not find the requested resource")
        return {"resources": [{"name": plural} for plural in _SERVED]}

    def _handle(self, request: Request) -> Object | str:
        if request.sub == "log":
            return self._log(request)
        if request.verb == "list":
            return self._list(request)
        if request.method == "POST":
            return self.create(request.plural, request.namespace, request.body)
        if request.method == "PATCH" and "apply-patch" in request.content_type:
            return self._server_side_apply(request)
        present = self._found(request.plural, request.key)
        if request.method == "GET":
            return present
        if request.method == "DELETE":
            return self._delete(request, present)
        if request.method == "PUT":
            return self._replace(request, present)
        return self._merge(request, present)

    def _log(self, request: Request) -> str:
        self._found("pods", request.key)
        return self.logs.get(request.key, "")

    def _list(self, request: Request) -> Object:
        api_version, kind = _SERVED[request.plural]
        found = [
            {name: value for name, value in each.items() if name not in ("apiVersion", "kind")}
            for (namespace, _), each in self.objects[request.plural].items()
            if request.namespace in ("", namespace) and _selected(each, request.query)
        ]
        return {"apiVersion": api_version, "kind": f"{kind}List", "metadata": {}, "items": found}

    def _merge(self, request: Request, present: Object) -> Object:
        meta = dict(request.body.get("metadata", {}))
        version = meta.pop("resourceVersion", None)
        if version not in (None, present["metadata"]["resourceVersion"]):
            raise RefusedError(
                409, "the object has been modified; apply your changes to the latest version and try again"
            )
        return self._store(request, present, merged(present, {**request.body, "metadata": meta}))

    def _replace(self, request: Request, present: Object) -> Object:
        version = request.body.get("metadata", {}).get("resourceVersion")
        if version not in (None, present["metadata"]["resourceVersion"]):
            raise RefusedError(409, "the object has been modified")
        return self._store(request, present, request.body | {"metadata": present["metadata"]})

    def _store(self, request: Request, present: Object, wanted: Object) -> Object:
        """Store the part that the request can change: the status or everything else."""
        if request.plural != PLURAL:
            return self._put(request.plural, request.key, wanted)
        changed = dict(present)
        if request.sub == "status":
            changed["status"] = self._checked_status(present, wanted["status"])
        else:
            changed |= {name: value for name, value in wanted.items() if name != "status"}
        return self._put(request.plural, request.key, changed)

    def _checked_status(self, present: Object, status: Object) -> Object:
        found = list(crd_schema.errors(status, ENDPOINT_SCHEMA["status"], "status"))
        if found:
            name = present["metadata"]["name"]
            self.violations.append(f"{name}: the status exceeds the CRD: {'; '.join(found)}")
            raise RefusedError(422, f"{KIND} {name} is invalid: {'; '.join(found)}")
        kept: Object = crd_schema.pruned(status, ENDPOINT_SCHEMA["status"])
        after = {**present, "status": kept}
        for check in self.status_checks:
            self.violations += check(present, after)
        return kept

    def _server_side_apply(self, request: Request) -> Object:
        manager, force = request.query["fieldManager"], request.query.get("force") == "true"
        present = self.objects[request.plural].get(request.key)
        before = present or self._new(request.plural, request.namespace, request.body)
        result, conflicts = apply(before, request.body, manager, force=force)
        if conflicts:
            raise RefusedError(409, f"Apply failed with conflicts: {', '.join(conflicts)}")
        return self._put(request.plural, request.key, _defaulted(result))

    def _delete(self, request: Request, present: Object) -> Object:
        uid = request.body.get("preconditions", {}).get("uid")
        if uid not in (None, present["metadata"]["uid"]):
            raise RefusedError(409, "the UID in the precondition does not match")
        self.delete(request.plural, *request.key)
        return {"kind": "Status", "status": "Success"}

    # Actions of users and controllers, which never fail

    def create(self, plural: str, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object. Raises RefusedError if one of that name exists."""
        key = (namespace, str(body["metadata"]["name"]))
        if key in self.objects[plural]:
            raise RefusedError(409, f"{plural} {key[1]!r} already exists")
        return self._put(plural, key, _defaulted(self._new(plural, namespace, body)))

    def edit(self, plural: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        """Merge `patch` into an object as a user; the fields it changes are no longer the operator's."""
        present = self._found(plural, (namespace, name))
        return self._put(plural, (namespace, name), without_fields(merged(present, patch), present, patch))

    def set_spec(self, plural: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Object:
        """Replace an object's spec as a user."""
        present = self._found(plural, (namespace, name))
        return self._put(plural, (namespace, name), {**present, "spec": copied(dict(spec))})

    def set_status(self, plural: str, namespace: str, name: str, status: Mapping[str, Any]) -> Object:
        """Replace an object's status."""
        present = self._found(plural, (namespace, name))
        return self._put(plural, (namespace, name), {**present, "status": copied(dict(status))})

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        """Return an object as it is stored, None if it is missing."""
        return self.objects[plural].get((namespace, name))

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object: with finalizers, it stays until they are removed."""
        key = (namespace, name)
        present = self.objects[plural].get(key)
        if present is None:
            return
        if present["metadata"].get("finalizers"):
            if "deletionTimestamp" not in present["metadata"]:
                meta = {**present["metadata"], "deletionTimestamp": self.clock.rfc3339()}
                self._put(plural, key, {**present, "metadata": meta})
            return
        del self.objects[plural][key]
        self._version += 1
        meta = {**present["metadata"], "resourceVersion": str(self._version)}
        self._notify(plural, "DELETED", {**present, "metadata": meta})
        self.loop.call_later(0.1, self._collect, present["metadata"]["uid"], context=Context())

    def label(self, plural: str, namespace: str, name: str, value: str | None = "true") -> None:
        """Allow TGIEndpoints to use an object, as `kubectl label` does; None removes the label."""
        self.edit(plural, namespace, name, {"metadata": {"labels": {LABEL_ALLOW_USE: value}}})

    def put_secret(self, namespace: str, name: str, **data: str) -> None:
        """Create or replace a Secret that TGIEndpoints are allowed to use."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        if (namespace, name) in self.objects["secrets"]:
            present = self.objects["secrets"][namespace, name]
            self._put("secrets", (namespace, name), {**present, "data": encoded})
        else:
            meta = {"name": name, "labels": {LABEL_ALLOW_USE: "true"}}
            self.create("secrets", namespace, {"metadata": meta, "type": "Opaque", "data": encoded})

    # Storage

    def _new(self, plural: str, namespace: str, body: Mapping[str, Any]) -> Object:
        self._uids += 1
        api_version, kind = _SERVED[plural]
        meta = {
            **body.get("metadata", {}),
            "namespace": namespace,
            "uid": f"uid-{self._uids}",
            "generation": 1,
            "creationTimestamp": self.clock.rfc3339(),
        }
        made = {"apiVersion": api_version, "kind": kind, **copied(dict(body)), "metadata": meta}
        if plural == PLURAL:
            made["status"] = copied(ENDPOINT_SCHEMA["status"]["default"])
        return made

    def _put(self, plural: str, key: Name, body: Object) -> Object:
        """Store an object; an equal one is no change. A deleted object ends with its last finalizer."""
        present = self.objects[plural].get(key)
        new: Object = copied(body)
        if present == new:
            return present
        if present is not None and present.get("spec") != new.get("spec"):
            new["metadata"]["generation"] = present["metadata"]["generation"] + 1
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        self.objects[plural][key] = new
        self._notify(plural, "ADDED" if present is None else "MODIFIED", new)
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            self.delete(plural, *key)
        return new

    def _found(self, plural: str, key: Name) -> Object:
        found = self.objects[plural].get(key)
        if found is None:
            raise RefusedError(404, f'{plural} "{key[1]}" not found')
        return found

    def _notify(self, plural: str, change: str, body: Object) -> None:
        for listener in self.listeners:
            listener(plural, change, body)

    def _collect(self, uid: str) -> None:
        """Delete the dependents of the object with this uid."""
        for plural, objects in self.objects.items():
            owned = [key for key, each in objects.items() if uid in _owners(each)]
            for key in owned:
                self.delete(plural, *key)


def read(method: str, url: str, headers: Mapping[str, str], body: Object | None) -> Request | None:
    """Return a parsed request; None if it is about the served APIs instead of an object."""
    parts = urlsplit(url)
    found = _PATH.fullmatch(parts.path)
    plural = found["plural"] if found else None
    if found is None or plural is None or found["group"] in OPTIONAL_GROUPS:
        return None
    return Request(
        method,
        plural,
        found["namespace"] or "",
        found["name"] or "",
        found["sub"] or "",
        dict(parse_qsl(parts.query)),
        headers.get("Content-Type", ""),
        body or {},
    )


def _selected(body: Object, query: Mapping[str, str]) -> bool:
    """Return whether an object matches labelSelector and fieldSelector, which are lists of `name=value` or of names."""
    labels = body["metadata"].get("labels", {})
    for term in filter(None, query.get("labelSelector", "").split(",")):
        name, is_compared, value = term.partition("=")
        if name not in labels or (is_compared and labels[name] != value):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        name, _, value = term.partition("=")
        at: Any = body
        for part in name.split("."):
            at = at.get(part, {})
        if (at or "") != value:
            return False
    return True


def _defaulted(body: Object) -> Object:
    """Return an object with the defaults that are relevant to the operator."""
    if body["kind"] == "Deployment":
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
        body["spec"] = {"replicas": 1, "strategy": rolling, **body["spec"]}
    return body


def _owners(body: Object) -> list[str]:
    return [owner["uid"] for owner in body["metadata"].get("ownerReferences", ())]


def merged(old: Mapping[str, Any], change: Mapping[str, Any]) -> Object:
    """Return `old` after the JSON merge patch `change` (RFC 7386)."""
    result: Object = copied(dict(old))
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = copied(value)
    return result
