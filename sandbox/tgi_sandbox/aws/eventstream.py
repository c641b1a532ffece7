"""Encoding of application/vnd.amazon.eventstream messages.

A message consists of a prelude (total length, headers length, CRC of both), headers, payload, and a CRC of the whole:
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Final

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
_STRING_HEADER: Final = 7


def event(event_type: str, payload: bytes) -> bytes:
    """An event whose payload is a blob, such as sagemaker-runtime's PayloadPart."""
    headers = {":event-type": event_type, ":content-type": "application/octet-stream", ":message-type": "event"}
    return message(headers, payload)


def exception(exception_type: str, **members: str) -> bytes:
    """A modelled exception that ends the stream, such as ModelStreamError."""
    headers = {
        ":exception-type": exception_type,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json.dumps(members).encode())


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one message; all headers are strings."""
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    total = 12 + len(encoded) + len(payload) + 4
    prelude = struct.pack("!II", total, len(encoded))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    content = prelude + encoded + payload
    return content + struct.pack("!I", zlib.crc32(content))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING_HEADER, len(text)) + text
