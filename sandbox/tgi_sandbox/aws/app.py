"""The emulator as one ASGI application, which routes each request to its service."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws import federation
from tgi_sandbox.aws.admin import admin_app
from tgi_sandbox.aws.autoscaling.service import ApplicationAutoScaling
from tgi_sandbox.aws.connection import cut, hold
from tgi_sandbox.aws.eks import AGENT, Cluster, eks_app
from tgi_sandbox.aws.errors import AwsError, expired_token
from tgi_sandbox.aws.everything_else import EverythingElse
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT, Identities, Identity
from tgi_sandbox.aws.json_service import interruption
from tgi_sandbox.aws.messages import read_body, recorded, replayed, send_response
from tgi_sandbox.aws.runtime import Runtime
from tgi_sandbox.aws.sagemaker import SageMaker
from tgi_sandbox.aws.simulators import Simulators

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from tgi_sandbox.aws.json_service import JsonService, Reply
    from tgi_sandbox.aws.world import World

_SAGEMAKER: Final = b"SageMaker"
_AUTOSCALING: Final = b"AnyScaleFrontendService"
_DEFAULT_REGION: Final = "us-east-1"


class AwsApp:
    """Routes a request to SageMaker, its runtime, the control API or moto."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._others = EverythingElse()
        world.iam = self._others
        cluster = Cluster()
        self._eks = eks_app(cluster, self._others.services)
        self._identities = Identities(self._others.account_of)
        self._services: dict[bytes, JsonService] = {
            _SAGEMAKER: SageMaker(world),
            _AUTOSCALING: ApplicationAutoScaling(world),
        }
        self._runtime = Runtime(world, Simulators())
        self._admin = admin_app(world, cluster, self._others.reset)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        headers = dict(scope["headers"])
        target: bytes = headers.get(b"x-amz-target", b"")
        path: str = scope["path"]
        identity = self._identities.of(headers.get(b"authorization", b""))
        prefix, _, operation = target.partition(b".")
        service = self._services.get(prefix)
        if service is not None:
            await self._answer(service, operation.decode("latin-1"), scope, receive, send, identity)
        elif path.startswith("/_sandbox/"):
            await self._admin(scope, receive, send)
        elif identity is not None and (interrupted := interruption(self._world, identity.region)) is not None:
            # JsonService checks this on its own; this check covers the other services of the region.
            reply, outcome = interrupted
            self._record(identity, _operation(scope, target), outcome)
            await _respond(replace(reply, body=b""), scope, receive, send)
        elif self._runtime.serves(path):
            await self._runtime(scope, receive, send, identity or _anonymous())
        else:
            await self._answer_others(scope, receive, send, identity, target)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._runtime.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(
        self,
        service: JsonService,
        operation: str,
        scope: Scope,
        receive: Receive,
        send: Send,
        identity: Identity | None,
    ) -> None:
        body = await read_body(receive)
        reply = await service.answer(identity or _anonymous(), operation, body)
        await _respond(reply, scope, receive, send)

    async def _answer_others(
        self, scope: Scope, receive: Receive, send: Send, identity: Identity | None, target: bytes
    ) -> None:
        known = identity or _anonymous()
        answer = recorded(send, partial(self._record, known, _operation(scope, target)))
        if identity is not None and self._world.is_expired(identity.access_key):
            await _send_expired(answer, is_json=bool(target) or known.service == "eks")
        elif known.service == "eks" or scope["path"] == AGENT:
            await self._eks(scope, receive, answer)
        elif identity is None and scope["method"] == "POST" and scope["path"] == "/":
            await self._answer_unsigned(scope, receive, answer)
        else:
            await self._others(scope, receive, answer)

    def _record(self, identity: Identity, operation: str, outcome: str) -> None:
        now = self._world.clock.now()
        who = (identity.account, identity.region)
        self._world.journal.add((now, identity.service, operation, *who, "", outcome, identity.access_key))

    async def _answer_unsigned(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Only STS accepts requests without a signature: those that carry a token instead."""
        body = await read_body(receive)
        form = federation.asked(body)
        if form is not None:
            try:
                federation.check(form, await self._others.services())
            except AwsError as error:
                headers = {"content-type": "text/xml", "x-amzn-errortype": error.code}
                await send_response(send, error.status, headers, federation.xml(error))
                return
        await self._others(scope, replayed(body, receive), send)


def _operation(scope: Scope, target: bytes) -> str:
    return target.rpartition(b".")[2].decode("latin-1") or f"{scope['method']} {scope['path']}"


async def _respond(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    if reply.held:
        await hold(receive)
    elif reply.cut:
        await cut(scope, receive)
    else:
        headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": str(uuid.uuid4())}
        await send_response(send, reply.status, headers, reply.body)


async def _send_expired(send: Send, *, is_json: bool) -> None:
    """Refuse expired credentials in the format of the JSON services or of the query protocol."""
    error = expired_token()
    if is_json:
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
        headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": error.code}
        await send_response(send, error.status, headers, body)
    else:
        refusal = AwsError("ExpiredToken", error.message, 403)
        headers = {"content-type": "text/xml", "x-amzn-errortype": refusal.code}
        await send_response(send, refusal.status, headers, federation.xml(refusal))


def _anonymous() -> Identity:
    return Identity(DEFAULT_ACCOUNT, _DEFAULT_REGION, "unknown")
