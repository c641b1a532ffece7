"""What is asked of TGI, and what it answers."""

import json
from collections.abc import Iterator
from typing import Any


def request(prompt: str, *, chat: bool, stream: bool, max_new_tokens: int) -> dict[str, Any]:
    """Return the body: TGI's own shape for a prompt, OpenAI's for a chat; /invocations tells them apart."""
    if chat:
        messages = [{"role": "user", "content": prompt}]
        return {"messages": messages, "stream": stream, "max_tokens": max_new_tokens}
    parameters = {"max_new_tokens": max_new_tokens, "return_full_text": False}
    return {"inputs": prompt, "parameters": parameters, "stream": stream}


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
