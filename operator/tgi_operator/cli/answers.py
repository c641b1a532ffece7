"""Requests to TGI, and the content of its answers."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

Message = dict[str, str]


def prompt(text: str, *, stream: bool, max_new_tokens: int) -> dict[str, Any]:
    """Return the body for a prompt, in TGI's own format, which /invocations distinguishes from a conversation."""
    parameters = {"max_new_tokens": max_new_tokens, "return_full_text": False}
    return {"inputs": text, "parameters": parameters, "stream": stream}


def conversation(messages: Sequence[Message], *, stream: bool, max_new_tokens: int) -> dict[str, Any]:
    """Return the body for a conversation, in OpenAI's format."""
    return {"messages": [*messages], "stream": stream, "max_tokens": max_new_tokens}


def message(role: str, text: str) -> Message:
    """Return a message of a conversation. `role` is user or assistant."""
    return {"role": role, "content": text}


def server_sent_events(lines: bytes) -> Iterator[dict[str, Any]]:
    """Yield the JSON of each `data:` line of whole lines."""
    for line in lines.splitlines():
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data != b"[DONE]":
            yield json.loads(data)


def text_of(answer: Any) -> str:
    """Return the text in an answer or in one event of a stream. An error inside a stream is its text."""
    if isinstance(answer, list):
        return text_of(answer[0])
    if "error" in answer:
        return f"[{answer.get('error_type', 'error')}: {answer['error']}]"
    if "token" in answer:
        token = answer["token"]
        return "" if token.get("special") else str(token["text"])
    if "choices" in answer:
        choices = answer["choices"] or [{}]
        said = choices[0].get("delta") or choices[0].get("message") or {}
        return str(said.get("content") or "")
    return str(answer["generated_text"])
