"""The work of axum around the router's handlers: JSON request bodies, plain-text refusals, errors and event streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from tgi_sandbox.tgi import replies
from tgi_sandbox.tgi.bodies import DeserializationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

DONE: Final = "data: [DONE]\n\n"

_Body = TypeVar("_Body")
_STREAM_HEADERS: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class ApiError(Exception):
    """An error of the router's API: a status and, if it has a type, a JSON body."""

    def __init__(self, status: int, message: str, error_type: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_type = error_type

    def body(self) -> dict[str, str | None]:
        """The JSON body."""
        return {"error": self.message, "error_type": self.error_type}

    def response(self) -> Response:
        """The HTTP response."""
        if self.error_type is None:
            return PlainTextResponse(self.message, self.status)
        return JSONResponse(self.body(), self.status)


async def read_json(request: Request, limit: int, read: Callable[[object], _Body]) -> _Body:
    """Read a JSON body as axum's `Json` extractor does."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise ApiError(415, "Expected request with `Content-Type: application/json`")
    return await read_body(request, limit, read)


async def read_body(request: Request, limit: int, read: Callable[[object], _Body]) -> _Body:
    """Read a JSON body of any content type: `kubectl create --raw` sends none."""
    payload = b""
    async for chunk in request.stream():
        # An oversized body is read to its end, so that the client can read the answer.
        payload = (payload + chunk)[: limit + 1]
    if len(payload) > limit:
        raise ApiError(413, "Failed to buffer the request body: length limit exceeded")
    try:
        body = _parsed(payload)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"Failed to parse the request body as JSON: {error}") from error
    try:
        return read(body)
    except DeserializationError as error:
        message = f"Failed to deserialize the JSON body into the target type: {error}{_position(payload)}"
        raise ApiError(422, message) from error


def event(body: object) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"


def openai_error(error: ApiError) -> str:
    """An error inside a stream of an OpenAI route; its status is always 422 (`into_openai_event`)."""
    return event({"error": {"message": error.message, "http_status_code": 422}})


def event_stream(events: AsyncIterator[str], characters: int) -> Response:
    """A stream of server-sent events for a prompt of so many characters."""
    headers = {**_STREAM_HEADERS, **replies.compute_headers(characters)}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _parsed(payload: bytes) -> object:
    body: object = json.loads(payload)
    if b"\\u" in payload:
        # serde_json refuses half a surrogate pair; Python only fails when it encodes the pair.
        json.dumps(body, ensure_ascii=False).encode()
    return body


def _position(payload: bytes) -> str:
    lines = payload.split(b"\n")
    return f" at line {len(lines)} column {len(lines[-1])}"
