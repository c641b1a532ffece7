"""sagemaker-runtime: InvokeEndpoint and InvokeEndpointWithResponseStream, answered by an endpoint's container."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws import eventstream
from tgi_sandbox.aws.arns import partition
from tgi_sandbox.aws.connection import cut
from tgi_sandbox.aws.containers import runs_tgi
from tgi_sandbox.aws.errors import AwsError, access_denied, expired_token, throttled
from tgi_sandbox.aws.faults import Drawn, FaultKind
from tgi_sandbox.aws.journal import CUT
from tgi_sandbox.aws.lifecycle import Endpoint, Status, Variant
from tgi_sandbox.aws.messages import read_body, recorded, send_head, send_response
from tgi_sandbox.aws.upstream import BrokenResponse, ContainerResponse, post
from tgi_sandbox.processes import ProcessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message, Receive, Scope, Send

    from tgi_sandbox.aws.identity import Identity
    from tgi_sandbox.aws.simulators import Simulators
    from tgi_sandbox.aws.world import World

_PATH: Final = re.compile(r"/endpoints/(?P<name>[^/]+)/(?P<operation>invocations|invocations-response-stream)")
_OPERATIONS: Final = {
    "invocations": "InvokeEndpoint",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_SERVING: Final = frozenset(
    {
        Status.IN_SERVICE,
        Status.UPDATING,
        Status.SYSTEM_UPDATING,
        Status.ROLLING_BACK,
        Status.UPDATE_ROLLBACK_FAILED,
    }
)
_RESPONSE_SECONDS: Final = 60.0
_STREAM_SECONDS: Final = 8 * 60.0
_TIMED_OUT: Final = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


@dataclass
class ModelError(Exception):
    """The container has returned an error, or no response (status 0)."""

    original_status: int
    original_message: str


class Runtime:
    """The data plane of the endpoints in a world."""

    def __init__(self, world: World, simulators: Simulators) -> None:
        self._world = world
        self._simulators = simulators
        world.observers.append(simulators.observe)

    def serves(self, path: str) -> bool:
        """Whether a path belongs to sagemaker-runtime."""
        return _PATH.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send, identity: Identity) -> None:
        """Answer one invocation."""
        match = _PATH.fullmatch(scope["path"])
        if match is None:
            raise ValueError(f"not an invocation: {scope['path']}")
        invocation = _Invocation(
            name=match["name"],
            operation=_OPERATIONS[match["operation"]],
            identity=identity,
            headers={key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]},
            body=await read_body(receive),
        )
        drawn = self._world.faults.draw(invocation.operation, invocation.name)
        await asyncio.sleep(drawn.latency)
        if drawn.has(FaultKind.CUT_BEFORE_EFFECT):
            self._record(invocation, CUT)
            await cut(scope, receive)
        elif drawn.has(FaultKind.CUT_AFTER_EFFECT):
            await self._answer(invocation, drawn, _discard)
            self._record(invocation, CUT)
            await cut(scope, receive)
        else:
            await self._answer(invocation, drawn, recorded(send, partial(self._record, invocation)))

    async def close(self) -> None:
        """Stop the containers."""
        await self._simulators.close()

    def _record(self, invocation: _Invocation, outcome: str) -> None:
        account, region = invocation.identity.account, invocation.identity.region
        entry = (self._world.clock.now(), "sagemaker-runtime", invocation.operation, account, region)
        self._world.journal.add((*entry, invocation.name, outcome, invocation.identity.access_key))

    async def _answer(self, invocation: _Invocation, drawn: Drawn, send: Send) -> None:
        try:
            _refuse(self._world, drawn, invocation)
            endpoint, variant = self._target(invocation)
            await self._invoke(invocation, endpoint, variant, send)
        except AwsError as error:
            await _send_json(send, error.status, error.code, {"Message": error.message})
        except ModelError as error:
            await _send_json(send, 424, "ModelError", _model_error(invocation, error))

    def _target(self, invocation: _Invocation) -> tuple[Endpoint, Variant]:
        region = self._world.region(invocation.identity.account, invocation.identity.region)
        endpoint = region.endpoints.get(invocation.name.lower())
        # assumed: that an endpoint that is not in service is `not found` like one that does not exist. The case of the
        # name has to match here (CreateEndpoint reference), unlike in the control plane.
        if endpoint is None or endpoint.name != invocation.name or endpoint.status not in _SERVING:
            account = invocation.identity.account
            raise AwsError("ValidationError", f"Endpoint {invocation.name} of account {account} not found.")
        wanted = invocation.headers.get("x-amzn-sagemaker-target-variant")
        weighted = [variant for variant in endpoint.variants if variant.current_weight > 0] or endpoint.variants
        if wanted is None:
            return endpoint, weighted[0]
        named = next((variant for variant in endpoint.variants if variant.name == wanted), None)
        if named is None:
            # assumed: the text.
            raise AwsError("ValidationError", f"Variant {wanted} of endpoint {invocation.name} not found.")
        return endpoint, named

    async def _invoke(self, invocation: _Invocation, endpoint: Endpoint, variant: Variant, send: Send) -> None:
        if not runs_tgi(variant):
            raise AwsError("ServiceUnavailable", "The emulator can only run images of TGI.", 503)
        region = self._world.region(invocation.identity.account, invocation.identity.region)
        traffic = region.scaling.metrics.traffic[endpoint.name.lower()]
        traffic.begin(self._world.clock.now())
        try:
            await self._ask(invocation, endpoint, variant, send)
        finally:
            traffic.end(self._world.clock.now())

    async def _ask(self, invocation: _Invocation, endpoint: Endpoint, variant: Variant, send: Send) -> None:
        try:
            simulator = await self._simulators.of(endpoint.arn, variant)
        except ProcessError as error:
            raise ModelError(0, str(error)) from error
        try:
            async with (
                asyncio.timeout(_RESPONSE_SECONDS) as limit,
                post(simulator.port, "/invocations", invocation.forwarded(), invocation.body) as response,
            ):
                if not _is_success(response.status):
                    raise ModelError(response.status, (await response.body()).decode(errors="replace"))
                if invocation.streams:
                    limit.reschedule(None)
                    await _stream(response, variant, send)
                else:
                    await _respond(response, variant, send)
        except TimeoutError as error:
            raise ModelError(0, _TIMED_OUT) from error
        except (OSError, BrokenResponse) as error:
            raise ModelError(0, str(error)) from error


@dataclass(frozen=True)
class _Invocation:
    name: str
    operation: str
    identity: Identity
    headers: Mapping[str, str]
    body: bytes

    @property
    def streams(self) -> bool:
        return self.operation == "InvokeEndpointWithResponseStream"

    def forwarded(self) -> dict[str, str]:
        """Return the headers that a container receives."""
        accept = self.headers.get("x-amzn-sagemaker-accept" if self.streams else "accept")
        passed = {
            "Content-Type": self.headers.get("content-type", "application/json"),
            "Accept": accept,
            "X-Amzn-SageMaker-Custom-Attributes": self.headers.get("x-amzn-sagemaker-custom-attributes"),
        }
        return {name: value for name, value in passed.items() if value}


def _refuse(world: World, drawn: Drawn, invocation: _Invocation) -> None:
    identity = invocation.identity
    if world.is_expired(identity.access_key):
        raise expired_token()
    for fault in drawn.hits:
        if fault.kind is FaultKind.THROTTLE:
            raise throttled()
        if fault.kind is FaultKind.ERROR:
            raise AwsError(fault.code, fault.message, fault.status)
        if fault.kind is FaultKind.DENY:
            of = partition(identity.region)
            arn = f"arn:{of}:sagemaker:{identity.region}:{identity.account}:endpoint/{invocation.name.lower()}"
            raise access_denied(world.user(identity), "InvokeEndpoint", arn)


async def _respond(response: ContainerResponse, variant: Variant, send: Send) -> None:
    body = await response.body()
    headers = {
        "content-type": response.headers.get("content-type", "application/octet-stream"),
        "x-amzn-invoked-production-variant": variant.name,
    }
    await send_response(send, 200, headers, body)


async def _stream(response: ContainerResponse, variant: Variant, send: Send) -> None:
    headers = {
        "content-type": eventstream.CONTENT_TYPE,
        "x-amzn-sagemaker-content-type": response.headers.get("content-type", "application/octet-stream"),
        "x-amzn-invoked-production-variant": variant.name,
    }
    await send_head(send, 200, headers)
    try:
        async with asyncio.timeout(_STREAM_SECONDS):
            async for chunk in response.chunks():
                await _send_part(send, eventstream.event("PayloadPart", chunk))
    except TimeoutError:
        await _send_part(send, _stream_error("ModelInvocationTimeExceeded"))
    except (OSError, BrokenResponse):
        await _send_part(send, _stream_error("StreamBroken"))
    await send({"type": "http.response.body", "body": b""})


async def _discard(message: Message) -> None:
    """Send nothing."""


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


def _stream_error(code: str) -> bytes:
    # assumed: the message; the codes are in the ModelStreamError reference.
    return eventstream.exception("ModelStreamError", Message="The response stream has ended early.", ErrorCode=code)


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _model_error(invocation: _Invocation, error: ModelError) -> dict[str, str | int]:
    region, account = invocation.identity.region, invocation.identity.account
    group = f"/aws/sagemaker/Endpoints/{invocation.name}"
    by_client = 400 <= error.original_status < 500
    kind = "client" if by_client else "server"
    message = (
        f'Received {kind} error ({error.original_status}) from primary with message "{error.original_message}". '
        f"See https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group} "
        f"in account {account} for more information."
    )
    return {
        "ErrorCode": "CLIENT_ERROR_FROM_MODEL" if by_client else "INTERNAL_FAILURE_FROM_MODEL",
        "LogStreamArn": f"arn:{partition(region)}:logs:{region}:{account}:log-group:{group}",
        "Message": message,
        "OriginalMessage": error.original_message,
        "OriginalStatusCode": error.original_status,
    }


async def _send_json(send: Send, status: int, code: str, content: Mapping[str, str | int]) -> None:
    headers = {"content-type": "application/json", "x-amzn-errortype": code}
    await send_response(send, status, headers, json.dumps(content).encode())
