"""Connections that are cut or get no answer, as a caller sees them if the network fails after its request was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope

_TRANSPORT: Final = "tgi_sandbox.transport"


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the transport passed to the application."""

    def on_message_begin(self) -> None:
        """Start a request's scope."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {_TRANSPORT: self.transport}


async def cut(scope: Scope, receive: Receive) -> None:
    """Close the request's connection without a response."""
    transport: asyncio.Transport = scope["extensions"][_TRANSPORT]
    transport.abort()
    await hold(receive)


async def hold(receive: Receive) -> None:
    """Leave a request without an answer until its caller gives up."""
    while (await receive())["type"] != "http.disconnect":
        pass
