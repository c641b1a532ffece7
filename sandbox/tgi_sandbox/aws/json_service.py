"""The front door of the JSON services: protocol, faults, validation, the operation, and the journal."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws import errors
from tgi_sandbox.aws.authorization import needs
from tgi_sandbox.aws.autoscaling.targets import parse
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.faults import Drawn, FaultKind
from tgi_sandbox.aws.journal import CUT, OK
from tgi_sandbox.aws.operations.call import Call
from tgi_sandbox.aws.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgi_sandbox.aws.identity import Identity
    from tgi_sandbox.aws.operations.call import Operation
    from tgi_sandbox.aws.state import Region
    from tgi_sandbox.aws.world import World

_NAMES: Final = {"EndpointName": "endpoint", "EndpointConfigName": "endpoint-config", "ModelName": "model"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, or, when `cut`, a connection to close without one."""

    status: int = 200
    body: bytes = b""
    cut: bool = False


class JsonService:
    """Answers the operations of one service out of a world."""

    def __init__(self, world: World, service: str, operations: Mapping[str, Operation]) -> None:
        self._world = world
        self._service = service
        self._operations = operations

    async def answer(self, identity: Identity, operation: str, body: bytes) -> Reply:
        """The reply to one call; waits first when a latency fault hits it."""
        request = _parse(body)
        name, resource = _subject(request)
        drawn = self._world.faults.draw(operation, name)
        if drawn.latency:
            await asyncio.sleep(drawn.latency)
        started = time.perf_counter()
        if drawn.has(FaultKind.CUT_BEFORE_EFFECT):
            reply, outcome = Reply(cut=True), CUT
        else:
            reply, outcome = self._run(identity, operation, request, drawn, resource)
            if drawn.has(FaultKind.CUT_AFTER_EFFECT):
                reply, outcome = Reply(cut=True), CUT
        journal = self._world.journal
        now = self._world.clock.now()
        who = (identity.account, identity.region)
        journal.add((now, self._service, operation, *who, name, outcome, identity.access_key))
        journal.handling_seconds += time.perf_counter() - started
        return reply

    def _run(
        self, identity: Identity, operation: str, request: dict[str, Any] | None, drawn: Drawn, resource: str
    ) -> tuple[Reply, str]:
        region = self._world.region(identity.account, identity.region)
        try:
            self._refuse(identity, drawn, operation, region, resource)
            self._authorize(identity, operation, request or {}, region)
            return Reply(body=_encode(self._perform(region, operation, request))), OK
        except AwsError as error:
            body = _encode({"__type": error.code, "message": error.message})
            return Reply(error.status, body), error.code

    def _perform(self, region: Region, operation: str, request: dict[str, Any] | None) -> dict[str, Any]:
        perform = self._operations.get(operation)
        if perform is None:
            raise errors.unknown_operation(operation, self._service)
        if request is None:
            raise errors.malformed_body()
        validate(operation, request)
        return perform(Call(self._world, region, self._world.clock.now()), request)

    def _authorize(self, identity: Identity, operation: str, request: dict[str, Any], region: Region) -> None:
        try:
            policy = self._world.policy(identity.access_key)
        except ValueError as error:
            raise errors.internal(f"the double does not understand the caller's policy: {error}") from error
        if policy is None:
            return
        for need in needs(self._service, operation, request, region):
            if not policy.allows(need.action, need.resource, need.context):
                service, _, action = need.action.partition(":")
                raise errors.access_denied(self._world.user(identity), action, need.resource, service)
            self._world.allowed[identity.access_key].add(need.action)

    def _refuse(self, identity: Identity, drawn: Drawn, operation: str, region: Region, resource: str) -> None:
        for fault in drawn.hits:
            if fault.kind is FaultKind.THROTTLE:
                raise errors.throttled()
            if fault.kind is FaultKind.ERROR:
                raise AwsError(fault.code, fault.message, fault.status)
            if fault.kind is FaultKind.DENY:
                named = "/" in resource and not resource.startswith("arn:")
                arn = region.arn(*resource.split("/", 1)) if named else resource
                raise errors.access_denied(self._world.user(identity), operation, arn, self._service)


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return None
    return request if isinstance(request, dict) else None


def _subject(request: dict[str, Any] | None) -> tuple[str, str]:
    """The name a request is about, and its resource as `endpoint/name`, an ARN, or `*`."""
    for member, kind in _NAMES.items():
        name = (request or {}).get(member)
        if isinstance(name, str):
            return name, f"{kind}/{name}"
    resource_id = (request or {}).get("ResourceId")
    if isinstance(resource_id, str) and (addressed := parse(resource_id)) is not None:
        # So faults and the journal know a scalable target by the name of its endpoint.
        return addressed[0], "*"
    arn = (request or {}).get("ResourceArn") or (request or {}).get("ResourceARN")
    return (arn.rpartition("/")[2], arn) if isinstance(arn, str) else ("", "*")


def _encode(value: dict[str, Any]) -> bytes:
    # Delete operations and others without output answer an empty body.
    return json.dumps(value, separators=(",", ":")).encode() if value else b""
