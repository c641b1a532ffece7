"""The environment of tests of the controller: an API server in memory and a backend that follows a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tgi_operator.api.identifiers import FINALIZER
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.api.summary import with_summary
from tgi_operator.backends.base import Remedy
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import Verdict, progressing, serving, stalled, with_verdict
from tgi_operator.backends.resource import Resource
from tgi_operator.kube import APIError

KEY = Key("ml", "falcon")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SPEC: dict[str, Any] = {
    "model": {"uri": "hf://tiiuae/falcon-7b"},
    "sageMaker": {
        "region": "us-east-1",
        "instanceType": "ml.g5.2xlarge",
        "executionRoleARN": "arn:aws:iam::111122223333:role/tgi",
    },
}

SERVES = serving(Reason.IN_SERVICE, "Serves.")
CREATING = progressing(Reason.CREATING, "Creating.", available=False)
DENIED = stalled(Reason.ACCESS_DENIED, "Denied.", available=False)


def status(verdict: Verdict, before: Status | None = None, **fields: Any) -> Status:
    """Return a status with a verdict of generation 1, as the operator writes it."""
    shown = with_verdict(before or Status(), 1, verdict, "2026-01-31T12:00:00Z", **fields)
    return with_summary(shown, Spec.model_validate(SPEC))


def as_json(shown: Status) -> dict[str, Any]:
    """Return a status as the API server has it."""
    return shown.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass
class ApiServer:
    """TGIEndpoints and Events in memory; `failures` are raised instead of an answer, by method and until removed."""

    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    version: int = 0

    def put(self, key: Key = KEY, **changes: Any) -> dict[str, Any]:
        """Create or change an object as a user would; `meta` are changes of its metadata. Returns it."""
        self.version += 1
        meta = {"namespace": key.namespace, "name": key.name, "uid": f"uid-{key.name}", "generation": 1}
        before = self.objects.get(key, {"metadata": meta, "spec": SPEC})
        meta = before["metadata"] | {"resourceVersion": str(self.version)} | changes.pop("meta", {})
        self.objects[key] = {**before, **changes, "metadata": meta}
        return self.objects[key]

    async def set_finalizers(self, namespace: str, name: str, version: str, finalizers: list[str]) -> dict[str, Any]:
        body = self._known("set_finalizers", namespace, name)
        if body["metadata"]["resourceVersion"] != version:
            raise APIError(409, "the object has been modified")
        self.writes.append("finalizers")
        self.put(Key(namespace, name), meta={"finalizers": finalizers})
        if "deletionTimestamp" in body["metadata"] and not finalizers:
            return self.objects.pop(Key(namespace, name))
        return self.objects[Key(namespace, name)]

    async def set_status(self, namespace: str, name: str, change: dict[str, Any]) -> dict[str, Any]:
        body = self._known("set_status", namespace, name)
        self.writes.append("status")
        return self.put(Key(namespace, name), status=patched(body.get("status", {}), change))

    async def create_event(self, namespace: str, event: dict[str, Any]) -> None:
        if "create_event" in self.failures:
            raise self.failures["create_event"]
        assert event["metadata"]["namespace"] == namespace
        self.events.append(event)

    async def repeat_event(self, namespace: str, name: str, change: dict[str, Any]) -> None:
        raise AssertionError("every Event here is new")

    async def endpoint_uids(self, namespaces: Sequence[str]) -> dict[tuple[str, str], str]:
        if "endpoint_uids" in self.failures:
            raise self.failures["endpoint_uids"]
        return {
            (key.namespace, key.name): body["metadata"]["uid"]
            for key, body in self.objects.items()
            if not namespaces or key.namespace in namespaces
        }

    def shown(self, key: Key = KEY) -> Status:
        """Return the status of an object."""
        return Status.model_validate(self.objects[key].get("status", {}))

    def reasons(self) -> list[tuple[str, str]]:
        """Return type and reason of each Event."""
        return [(event["type"], event["reason"]) for event in self.events]

    def _known(self, method: str, namespace: str, name: str) -> dict[str, Any]:
        if method in self.failures:
            raise self.failures[method]
        if Key(namespace, name) not in self.objects:
            raise APIError(404, f'tgiendpoints.tgi-operator.dev "{name}" not found')
        return self.objects[Key(namespace, name)]


def patched(old: Any, change: Any) -> Any:
    """Return `old` after a JSON merge patch, as RFC 7386 has it."""
    if not isinstance(change, dict):
        return change
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = patched(new.get(key), value)
    return new


class BackendError(Exception):
    """An error that the backend has a remedy for."""


@dataclass
class ScriptedBackend:
    """Implements backends.base.Backend: one plan or error for each observation, the last one repeatedly."""

    script: list[Plan[str] | Exception | None] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    remedies: Remedy = field(default_factory=lambda: Remedy(None, 5))
    name: str = ""
    log: list[str] = field(default_factory=list)
    seen: list[Resource] = field(default_factory=list)
    asked: list[tuple[Resource, Plan[str] | None, int]] = field(default_factory=list)
    forgotten: list[Key] = field(default_factory=list)
    closed: int = 0

    def lane(self, fields: Mapping[str, Any]) -> str:
        return str(fields.get("sageMaker", {}).get("region", "pods"))

    async def observe(self, key: Key, resource: Resource) -> Plan[str] | None:
        self.seen.append(resource)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def plan(self, situation: Plan[str]) -> Plan[str]:
        return situation

    async def apply(self, situation: Plan[str], step: str) -> None:
        self.log.append(step)
        if step in self.failing:
            raise self.failing[step]

    def remedy(self, resource: Resource, situation: Plan[str] | None, error: Exception, failures: int) -> Remedy | None:
        self.asked.append((resource, situation, failures))
        return self.remedies if isinstance(error, BackendError) else None

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)

    async def close(self) -> None:
        self.closed += 1


def held(**meta: Any) -> dict[str, Any]:
    """Return metadata with the operator's finalizer."""
    return {"finalizers": [FINALIZER], **meta}


def deleting() -> dict[str, Any]:
    """Return metadata of an object that is being deleted."""
    return held(deletionTimestamp="2026-01-31T12:00:00Z")
