"""Request bodies as the router deserializes them: types are strict, unknown fields are ignored.

The shapes are `GenerateRequest`, `ChatRequest` and `CompletionRequest` of router/src/lib.rs and `SagemakerRequest` of
router/src/sagemaker.rs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from tgi_sandbox.tgi.options import U32_MAX, U64_MAX

_I32_MAX: Final = 2**31 - 1


class DeserializationError(ValueError):
    """A JSON body that is not of the target type."""


@dataclass(frozen=True)
class Parameters:
    """The `parameters` of a generate request."""

    best_of: int | None = None
    temperature: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    typical_p: float | None = None
    do_sample: bool = False
    max_new_tokens: int | None = None
    return_full_text: bool | None = None
    stop: tuple[str, ...] = ()
    truncate: int | None = None
    watermark: bool = False
    details: bool = False
    decoder_input_details: bool = False
    seed: int | None = None
    top_n_tokens: int | None = None


@dataclass(frozen=True)
class GenerateRequest:
    """One generation."""

    inputs: str
    parameters: Parameters = field(default_factory=Parameters)
    stream: bool = False
    add_special_tokens: bool = True
    variant: int = 0  # which of the `best_of` runs of the request this is

    def with_default_full_text(self, default: bool) -> GenerateRequest:
        """Return the request with a definite `return_full_text`."""
        if self.parameters.return_full_text is not None:
            return self
        return replace(self, parameters=replace(self.parameters, return_full_text=default))


@dataclass(frozen=True)
class ChatRequest:
    """An OpenAI chat completion request; messages are (role, text) pairs."""

    messages: list[tuple[str, str]]
    parameters: Parameters
    model: str | None = None
    stream: bool = False
    logprobs: bool = False
    include_usage: bool = False
    conflicting_grammar: bool = False


@dataclass(frozen=True)
class CompletionRequest:
    """An OpenAI completion request."""

    prompts: list[str]
    parameters: Parameters
    model: str | None = None
    stream: bool = False
    suffix: str | None = None


@dataclass(frozen=True)
class LoadRequest:
    """The body of /_sandbox/load, the simulator's own route: values for the gauges and the health check."""

    queue_size: int = 0
    batch_size: int = 0
    healthy: bool = True


class _Fields:
    """Typed access to the fields of a JSON object."""

    def __init__(self, body: object, path: str = "") -> None:
        if not isinstance(body, dict):
            raise DeserializationError(f"{path}: invalid type: {_describe(body)}, expected a map".removeprefix(": "))
        self._body = body
        self._path = path

    def get(self, name: str) -> object:
        return self._body.get(name)

    def refuse(self, name: str, value: object, expected: str) -> DeserializationError:
        return DeserializationError(f"{self._path}{name}: invalid type: {_describe(value)}, expected {expected}")

    def text(self, name: str) -> str:
        if name not in self._body:
            raise DeserializationError(f"missing field `{name}`")
        value = self._body[name]
        if not isinstance(value, str):
            raise self.refuse(name, value, "a string")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._body.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        value = self._body.get(name, False)
        if not isinstance(value, bool):
            raise self.refuse(name, value, "a boolean")
        return value

    def optional_flag(self, name: str) -> bool | None:
        return None if self._body.get(name) is None else self.flag(name)

    def integer(self, name: str, maximum: int, expected: str, minimum: int = 0) -> int | None:
        value = self._body.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(name, value, expected)
        if not minimum <= value <= maximum:
            raise DeserializationError(f"{self._path}{name}: invalid value: integer `{value}`, expected {expected}")
        return value

    def number(self, name: str) -> float | None:
        value = self._body.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(name, value, "f32")
        return float(value)

    def texts(self, name: str, *, nullable: bool = False) -> tuple[str, ...]:
        value = self._body.get(name, [])
        if value is None and nullable:
            return ()
        if not isinstance(value, list):
            raise self.refuse(name, value, "a sequence")
        for position, item in enumerate(value):
            if not isinstance(item, str):
                raise self.refuse(f"{name}[{position}]", item, "a string")
        return tuple(value)


def generate_request(body: object) -> GenerateRequest:
    """Read the body of /generate, /generate_stream and /."""
    fields = _Fields(body)
    inputs = fields.text("inputs")
    # Without a `parameters` block, TGI samples; with an empty one, it does not (`default_parameters`).
    block = isinstance(body, dict) and "parameters" in body
    parameters = _parameters(_Fields(fields.get("parameters"), "parameters.")) if block else Parameters(do_sample=True)
    return GenerateRequest(inputs, parameters, stream=fields.flag("stream"))


def _parameters(fields: _Fields) -> Parameters:
    return Parameters(
        best_of=fields.integer("best_of", U64_MAX, "usize"),
        temperature=fields.number("temperature"),
        repetition_penalty=fields.number("repetition_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        top_k=fields.integer("top_k", _I32_MAX, "i32", minimum=-_I32_MAX - 1),
        top_p=fields.number("top_p"),
        typical_p=fields.number("typical_p"),
        do_sample=fields.flag("do_sample"),
        max_new_tokens=fields.integer("max_new_tokens", U32_MAX, "u32"),
        return_full_text=fields.optional_flag("return_full_text"),
        stop=fields.texts("stop"),
        truncate=fields.integer("truncate", U64_MAX, "usize"),
        watermark=fields.flag("watermark"),
        details=fields.flag("details"),
        decoder_input_details=fields.flag("decoder_input_details"),
        seed=fields.integer("seed", U64_MAX, "u64"),
        top_n_tokens=fields.integer("top_n_tokens", U32_MAX, "u32"),
    )


def chat_request(body: object) -> ChatRequest:
    """Read the body of /v1/chat/completions."""
    fields = _Fields(body)
    messages = fields.get("messages")
    if not isinstance(body, dict) or "messages" not in body:
        raise DeserializationError("missing field `messages`")
    if not isinstance(messages, list):
        raise fields.refuse("messages", messages, "a sequence")
    alias = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    presence = fields.number("presence_penalty")
    parameters = Parameters(
        **_temperature(fields),
        repetition_penalty=None if presence is None else presence + 2.0,
        frequency_penalty=fields.number("frequency_penalty"),
        top_p=fields.number("top_p"),
        max_new_tokens=fields.integer(alias, U32_MAX, "u32"),
        stop=fields.texts("stop", nullable=True),
        details=True,
        seed=fields.integer("seed", U64_MAX, "u64"),
        top_n_tokens=fields.integer("top_logprobs", U32_MAX, "u32"),
    )
    options = fields.get("stream_options")
    return ChatRequest(
        messages=[_message(message, position) for position, message in enumerate(messages)],
        parameters=parameters,
        model=fields.optional_text("model"),
        stream=fields.flag("stream"),
        logprobs=bool(fields.optional_flag("logprobs")),
        include_usage=options is not None and _Fields(options, "stream_options.").flag("include_usage"),
        conflicting_grammar=fields.get("tools") is not None and fields.get("response_format") is not None,
    )


def completion_request(body: object) -> CompletionRequest:
    """Read the body of /v1/completions."""
    fields = _Fields(body)
    prompt = fields.get("prompt")
    if not isinstance(body, dict) or "prompt" not in body:
        raise DeserializationError("missing field `prompt`")
    if prompt == []:
        raise DeserializationError("prompt: Empty array detected. Do not use an empty array for the prompt.")
    stream = fields.flag("stream")
    parameters = Parameters(
        **_temperature(fields),
        repetition_penalty=fields.number("repetition_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        top_p=fields.number("top_p"),
        max_new_tokens=fields.integer("max_tokens", U32_MAX, "u32"),
        stop=fields.texts("stop", nullable=True),
        details=True,
        decoder_input_details=not stream,
        seed=fields.integer("seed", U64_MAX, "u64"),
    )
    return CompletionRequest(
        prompts=[prompt] if isinstance(prompt, str) else _prompts(prompt),
        parameters=parameters,
        model=fields.optional_text("model"),
        stream=stream,
        suffix=fields.optional_text("suffix"),
    )


def sagemaker_request(body: object) -> GenerateRequest | ChatRequest | CompletionRequest:
    """Read the body of /invocations: the first of the three shapes that matches."""
    for shape in (generate_request, chat_request, completion_request):
        try:
            return shape(body)
        except DeserializationError:
            continue
    raise DeserializationError("data did not match any variant of untagged enum SagemakerRequest")


def load_request(body: object) -> LoadRequest:
    """Read the body of /_sandbox/load; omitted fields return to normal."""
    fields = _Fields(body)
    return LoadRequest(
        queue_size=fields.integer("queue_size", U32_MAX, "u32") or 0,
        batch_size=fields.integer("batch_size", U32_MAX, "u32") or 0,
        healthy=fields.optional_flag("healthy") is not False,
    )


def _temperature(fields: _Fields) -> dict[str, Any]:
    # The OpenAI routes sample unless the temperature is exactly 0.
    temperature = fields.number("temperature")
    return {"do_sample": temperature != 0, "temperature": temperature or None}


def _prompts(prompt: object) -> list[str]:
    if not isinstance(prompt, list) or not all(isinstance(item, str) for item in prompt):
        raise DeserializationError("prompt: data did not match any variant of untagged enum PromptDeserializer")
    return prompt


def _message(message: object, position: int) -> tuple[str, str]:
    fields = _Fields(message, f"messages[{position}].")
    role = fields.text("role")
    content = fields.get("content")
    if isinstance(content, str):
        return role, content
    if isinstance(content, list):
        return role, "".join(_chunk(chunk) for chunk in content)
    if isinstance(fields.get("tool_calls"), list):
        return role, ""
    raise DeserializationError(f"messages[{position}]: data did not match any variant of untagged enum MessageBody")


def _chunk(chunk: object) -> str:
    fields = _Fields(chunk)
    return fields.text("text") if fields.get("type") == "text" else ""


def _describe(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f'string "{value}"'
        case list():
            return "sequence"
        case _:
            return "map"
