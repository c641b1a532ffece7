"""Complete HTTP messages over ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgi_sandbox.aws.journal import OK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message, Receive, Send


async def read_body(receive: Receive) -> bytes:
    """Return the complete body of a request."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was already read, and then the messages after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


async def send_response(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return a response with a known body."""
    await send_head(send, status, {**headers, "content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body})


async def send_head(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Return the start of a response whose body follows."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


def recorded(send: Send, record: Callable[[str], None]) -> Send:
    """Send as before, but first report to `record` how the request ends: `OK`, an error code or an HTTP status."""

    async def watched(message: Message) -> None:
        if message["type"] == "http.response.start":
            record(_outcome(message))
        await send(message)

    return watched


def _outcome(start: Message) -> str:
    status: int = start["status"]
    if status < 400:
        return OK
    headers: dict[bytes, bytes] = dict(start["headers"])
    return headers.get(b"x-amzn-errortype", str(status).encode()).decode("latin-1")
