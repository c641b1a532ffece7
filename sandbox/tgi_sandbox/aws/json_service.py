"""The front end of the JSON services: protocol, faults, validation, the operation, and the journal."""

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
from tgi_sandbox.aws.faults import NO_FAULTS, Drawn, FaultKind
from tgi_sandbox.aws.journal import CUT, HELD, OK
from tgi_sandbox.aws.operations.call import Call
from tgi_sandbox.aws.outages import Outage
from tgi_sandbox.aws.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgi_sandbox.aws.iam import Policy
    from tgi_sandbox.aws.identity import Identity
    from tgi_sandbox.aws.operations.call import Operation
    from tgi_sandbox.aws.state import Region
    from tgi_sandbox.aws.world import World

_NAMES: Final = {"EndpointName": "endpoint", "EndpointConfigName": "endpoint-config", "ModelName": "model"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, or none: `cut` closes the connection, `held` leaves the caller waiting until it gives up."""

    status: int = 200
    body: bytes = b""
    cut: bool = False
    held: bool = False


def interruption(world: World, region: str) -> tuple[Reply, str] | None:
    """Return the reply of an unavailable region, and its outcome for the journal; None while it is available."""
    outage = world.outages.of(region)
    if outage is None:
        return None
    if outage is Outage.HANG:
        return Reply(held=True), HELD
    return (Reply(cut=True), CUT) if outage is Outage.REFUSE else _refused(errors.unavailable())


class JsonService:
    """Implements the operations of one service on a world."""

    def __init__(self, world: World, service: str, operations: Mapping[str, Operation]) -> None:
        self._world = world
        self._service = service
        self._operations = operations

    async def answer(self, identity: Identity, operation: str, body: bytes) -> Reply:
        """Return the reply to one call; a latency fault that applies delays it."""
        request = _parse(body)
        name, resource = _subject(request)
        interrupted = interruption(self._world, identity.region)
        drawn = NO_FAULTS if interrupted else self._world.faults.draw(operation, name)
        if drawn.latency:
            await asyncio.sleep(drawn.latency)
        started = time.perf_counter()
        reply, outcome = interrupted or self._run_or_cut(identity, operation, request, drawn, resource)
        journal = self._world.journal
        now = self._world.clock.now()
        who = (identity.account, identity.region)
        journal.add((now, self._service, operation, *who, name, outcome, identity.access_key))
        journal.handling_seconds += time.perf_counter() - started
        return reply

    def _run_or_cut(
        self, identity: Identity, operation: str, request: dict[str, Any] | None, drawn: Drawn, resource: str
    ) -> tuple[Reply, str]:
        if drawn.has(FaultKind.CUT_BEFORE_EFFECT):
            return Reply(cut=True), CUT
        answered = self._run(identity, operation, request, drawn, resource)
        return (Reply(cut=True), CUT) if drawn.has(FaultKind.CUT_AFTER_EFFECT) else answered

    def _run(
        self, identity: Identity, operation: str, request: dict[str, Any] | None, drawn: Drawn, resource: str
    ) -> tuple[Reply, str]:
        region = self._world.region(identity.account, identity.region)
        try:
            self._refuse(identity, drawn, operation, region, resource)
            self._authorize(identity, operation, request or {}, region)
            return Reply(body=_encode(self._perform(region, operation, request))), OK
        except AwsError as error:
            return _refused(error)

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
            raise errors.internal(f"the emulator does not understand the caller's policy: {error}") from error
        if policy is None:
            return
        for need in needs(self._service, operation, request, region):
            if not policy.allows(need.action, need.resource, need.context):
                service, _, action = need.action.partition(":")
                raise errors.access_denied(self._world.user(identity), action, need.resource, service)
            self._world.allowed[identity.access_key].add(need.action)
        if operation == "DeleteEndpoint" and not _may_deregister(policy, request, region):
            raise errors.deregistration_denied()

    def _refuse(self, identity: Identity, drawn: Drawn, operation: str, region: Region, resource: str) -> None:
        if self._world.is_expired(identity.access_key):
            raise errors.expired_token()
        for fault in drawn.hits:
            if fault.kind is FaultKind.THROTTLE:
                raise errors.throttled()
            if fault.kind is FaultKind.ERROR:
                raise AwsError(fault.code, fault.message, fault.status)
            if fault.kind is FaultKind.DENY:
                named = "/" in resource and not resource.startswith("arn:")
                arn = region.arn(*resource.split("/", 1)) if named else resource
                raise errors.access_denied(self._world.user(identity), operation, arn, self._service)


def _may_deregister(policy: Policy, request: dict[str, Any], region: Region) -> bool:
    """Return whether the caller is allowed to deregister the endpoint's scalable targets, if any, by DeleteEndpoint."""
    if not region.scaling.of_endpoint(str(request.get("EndpointName", ""))):
        return True
    target = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    return all(
        policy.allows(need.action, need.resource, need.context)
        for need in needs("application-autoscaling", "DeregisterScalableTarget", target, region)
    )


def _refused(error: AwsError) -> tuple[Reply, str]:
    return Reply(error.status, _encode({"__type": error.code, "message": error.message})), error.code


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return None
    return request if isinstance(request, dict) else None


def _subject(request: dict[str, Any] | None) -> tuple[str, str]:
    """Return the name in a request, and its resource as `endpoint/name`, an ARN, or `*`."""
    for member, kind in _NAMES.items():
        name = (request or {}).get(member)
        if isinstance(name, str):
            return name, f"{kind}/{name}"
    resource_id = (request or {}).get("ResourceId")
    if isinstance(resource_id, str) and (addressed := parse(resource_id)) is not None:
        # Faults and the journal thus identify a scalable target by the name of its endpoint.
        return addressed[0], "*"
    arn = (request or {}).get("ResourceArn") or (request or {}).get("ResourceARN")
    return (arn.rpartition("/")[2], arn) if isinstance(arn, str) else ("", "*")


def _encode(value: dict[str, Any]) -> bytes:
    # Delete operations and others without output return an empty body.
    return json.dumps(value, separators=(",", ":")).encode() if value else b""
