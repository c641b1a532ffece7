"""Response bodies and headers in the shapes of router/src/lib.rs and router/src/server.rs."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.tgi.generation import FinishReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgi_sandbox.tgi.bodies import Parameters
    from tgi_sandbox.tgi.engine import Outcome, Step
    from tgi_sandbox.tgi.options import Options
    from tgi_sandbox.tgi.tokens import Token

# Cargo.toml of release 3.3.7 still has this version, and /info reports it.
VERSION: Final = "3.3.6-dev0"
_FINGERPRINT: Final = f"{VERSION}-native"

Json = dict[str, Any]


def info(options: Options, limits: tuple[int, int]) -> Json:
    """The body of /info."""
    local = options.model_id.startswith("/")
    return {
        "model_id": options.model_id,
        "model_sha": None if local else _model_sha(options),
        "model_pipeline_tag": None if local else "text-generation",
        "max_concurrent_requests": options.max_concurrent_requests,
        "max_best_of": options.max_best_of,
        "max_stop_sequences": options.max_stop_sequences,
        "max_input_tokens": limits[0],
        "max_total_tokens": limits[1],
        "validation_workers": options.validation_workers,
        "max_client_batch_size": options.max_client_batch_size,
        "router": "text-generation-router",
        "version": VERSION,
        "sha": None,
        "docker_label": None,
    }


def models(options: Options) -> Json:
    """The body of /v1/models."""
    model = {"id": options.model_id, "object": "model", "created": 0, "owned_by": options.model_id}
    return {"object": "list", "data": [model]}


def tokenized(tokens: Sequence[Token]) -> list[Json]:
    """The body of /tokenize."""
    rows: list[Json] = []
    start = 0
    for token in tokens:
        stop = start + (0 if token.special else len(token.text))
        rows.append({"id": token.id, "text": token.text, "start": start, "stop": stop})
        start = stop
    return rows


def generated(outcomes: Sequence[Outcome], prompt: str, parameters: Parameters) -> Json:
    """The body of /generate: the first outcome, and the others as `best_of_sequences`."""
    first = outcomes[0]
    prefix = prompt if parameters.return_full_text else ""
    body: Json = {"generated_text": prefix + first.generation.text}
    if parameters.details or parameters.decoder_input_details:
        body["details"] = _details(first, parameters)
        if len(outcomes) > 1:
            body["details"]["best_of_sequences"] = [
                {"generated_text": prefix + outcome.generation.text, **_details(outcome, parameters)}
                for outcome in outcomes[1:]
            ]
    return body


def stream_event(step: Step, prompt: str, parameters: Parameters) -> Json:
    """One event of /generate_stream."""
    event: Json = {"index": step.index, "token": _token(step.token)}
    if parameters.top_n_tokens:
        event["top_tokens"] = [_token(step.token)]
    if step.outcome is None:
        return {**event, "generated_text": None, "details": None}
    text = step.outcome.generation.text
    details = {
        "finish_reason": step.outcome.generation.finish_reason,
        "generated_tokens": len(step.outcome.generation.tokens),
        "seed": step.outcome.seed,
        "input_length": len(step.outcome.input_tokens),
    }
    full_text = prompt + text if parameters.return_full_text else text
    return {**event, "generated_text": full_text, "details": details if parameters.details else None}


def chat_completion(outcome: Outcome, model: str, *, logprobs: bool) -> Json:
    """The body of /v1/chat/completions."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": outcome.generation.text},
        "logprobs": _chat_logprobs(outcome.generation.tokens) if logprobs else None,
        "finish_reason": _chat_finish_reason(outcome),
    }
    return {"object": "chat.completion", **_openai(model), "choices": [choice], "usage": usage([outcome])}


def chat_chunk(step: Step, model: str, *, logprobs: bool) -> Json:
    """One event of a streamed chat."""
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": "" if step.token.special else step.token.text},
        "logprobs": _chat_logprobs([step.token]) if logprobs else None,
        "finish_reason": None if step.outcome is None else _chat_finish_reason(step.outcome),
    }
    return {"object": "chat.completion.chunk", **_openai(model), "choices": [choice], "usage": None}


def chat_usage(outcome: Outcome, model: str) -> Json:
    """The event that `stream_options.include_usage` adds to a streamed chat."""
    return {"object": "chat.completion.chunk", **_openai(model), "choices": [], "usage": usage([outcome])}


def completion(outcomes: Sequence[Outcome], model: str) -> Json:
    """The body of /v1/completions."""
    choices = [_completion_choice(n, o.generation.text, o) for n, o in enumerate(outcomes)]
    return {"object": "text_completion", **_openai(model), "choices": choices, "usage": usage(outcomes)}


def completion_chunk(step: Step, index: int, model: str) -> Json:
    """One event of a streamed completion."""
    choices = [_completion_choice(index, step.token.text, step.outcome)]
    chunk = {"object": "text_completion", **_openai(model), "choices": choices}
    return chunk if step.outcome is None else {**chunk, "usage": usage([step.outcome])}


def usage(outcomes: Sequence[Outcome]) -> Json:
    """The OpenAI token count."""
    prompt = sum(len(outcome.input_tokens) for outcome in outcomes)
    completed = sum(len(outcome.generation.tokens) for outcome in outcomes)
    return {"prompt_tokens": prompt, "completion_tokens": completed, "total_tokens": prompt + completed}


def outcome_headers(outcome: Outcome, characters: int) -> dict[str, str]:
    """The headers of a finished generation, times in milliseconds except for x-compute-time."""
    timings = outcome.timings
    milliseconds = {
        "x-total-time": timings.total,
        "x-validation-time": timings.validation,
        "x-queue-time": timings.queue,
        "x-inference-time": timings.inference,
        "x-time-per-token": timings.per_token,
    }
    return {
        **compute_headers(characters),
        "x-compute-time": str(timings.total),
        **{name: str(int(seconds * 1000)) for name, seconds in milliseconds.items()},
        "x-prompt-tokens": str(len(outcome.input_tokens)),
        "x-generated-tokens": str(len(outcome.generation.tokens)),
    }


def summed_headers(outcomes: Sequence[Outcome], characters: int) -> dict[str, str]:
    """The headers of /v1/completions: the sums over its prompts, without x-compute-time."""
    each = [outcome_headers(outcome, 0) for outcome in outcomes]
    summed = {
        name: str(sum(int(headers[name]) for headers in each))
        for name in each[0]
        if name not in {"x-compute-type", "x-compute-time", "x-compute-characters"}
    }
    return {**compute_headers(characters), **summed}


def compute_headers(characters: int) -> dict[str, str]:
    """The headers that are known before a generation starts."""
    return {"x-compute-type": "gpu+optimized", "x-compute-characters": str(characters)}


def _model_sha(options: Options) -> str:
    revision = options.revision or "main"
    if re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    return hashlib.sha1(f"{options.model_id}@{revision}".encode(), usedforsecurity=False).hexdigest()


def _openai(model: str) -> Json:
    return {"id": "", "created": int(time.time()), "model": model, "system_fingerprint": _FINGERPRINT}


def _token(token: Token) -> Json:
    return {"id": token.id, "text": token.text, "logprob": token.logprob, "special": token.special}


def _details(outcome: Outcome, parameters: Parameters) -> Json:
    generation = outcome.generation
    prefill = outcome.input_tokens if parameters.decoder_input_details else ()
    details: Json = {
        "finish_reason": generation.finish_reason,
        "generated_tokens": len(generation.tokens),
        "seed": outcome.seed,
        "prefill": [
            # Nothing comes before the first token, so it has no probability.
            {"id": token.id, "text": token.text, "logprob": None if position == 0 else token.logprob}
            for position, token in enumerate(prefill)
        ],
        "tokens": [_token(token) for token in generation.tokens],
    }
    if parameters.top_n_tokens:
        details["top_tokens"] = [[_token(token)] for token in generation.tokens]
    return details


def _chat_logprobs(tokens: Sequence[Token]) -> Json:
    return {"content": [{"token": token.text, "logprob": token.logprob, "top_logprobs": []} for token in tokens]}


def _chat_finish_reason(outcome: Outcome) -> str:
    reason = outcome.generation.finish_reason
    return "stop" if reason is FinishReason.EOS_TOKEN else reason


def _completion_choice(index: int, text: str, outcome: Outcome | None) -> Json:
    reason = "" if outcome is None else outcome.generation.finish_reason
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
