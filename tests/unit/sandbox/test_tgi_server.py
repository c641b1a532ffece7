"""The HTTP protocol, over real connections: with HuggingFace's own client, and raw where that client has no method."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from text_generation import AsyncClient, Client
from text_generation.errors import OverloadedError, ValidationError
from text_generation.types import Message

from tgi_sandbox.tgi import launcher
from tgi_sandbox.tgi.server import application

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPT = "What is deep learning?"

# text-generation 0.7.0 still calls `.dict()` on its pydantic models.
pytestmark = pytest.mark.filterwarnings(r"ignore:The `dict` method is deprecated")


@dataclass(frozen=True)
class Reply:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def events(self) -> list[Any]:
        """The server-sent events; `[DONE]` stays a string."""
        data = [line.removeprefix("data: ") for line in self.text.splitlines() if line]
        return [item if item == "[DONE]" else json.loads(item) for item in data]


@dataclass(frozen=True)
class Server:
    """A running simulator."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Reply:
        return self.call("GET", path, None, {})

    def post(self, path: str, body: object, **headers: str) -> Reply:
        return self.call("POST", path, json.dumps(body), {"content-type": "application/json", **headers})

    def call(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read().decode())
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """The samples under `name,label=value`, as Prometheus itself parses them."""
        values = {}
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for found in family.samples:
                # This parser gives counters the suffix of OpenMetrics, which TGI's names do not have.
                name = family.name if family.type == "counter" else found.name
                values[name + "".join(f",{k}={v}" for k, v in found.labels.items())] = found.value
        return values

    def metric(self, sample: str) -> float | None:
        return self.metrics().get(sample)


@contextmanager
def serving(token_delay: float = 0, **env: str) -> Iterator[Server]:
    options = launcher.check(env, 1)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application(options, token_delay=token_delay), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Server(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(MODEL_ID="tiiuae/falcon-7b", MAX_INPUT_TOKENS="1024", MAX_TOTAL_TOKENS="2048") as running:
        yield running


class TestHuggingFaceClient:
    def test_generate(self, server: Server) -> None:
        response = Client(server.url).generate(PROMPT, max_new_tokens=12, decoder_input_details=True)
        assert response.details.finish_reason == "length"
        assert response.details.generated_tokens == 12
        assert response.details.seed is None
        assert [token.text for token in response.details.prefill] == ["<s>", "What", " is", " deep", " learning", "?"]
        assert response.details.prefill[0].logprob is None
        assert "".join(token.text for token in response.details.tokens) == response.generated_text

    def test_generate_is_deterministic_per_seed(self, server: Server) -> None:
        client = Client(server.url)
        first = client.generate(PROMPT, do_sample=True, seed=7, max_new_tokens=200)
        again = client.generate(PROMPT, do_sample=True, seed=7, max_new_tokens=200)
        assert first == again
        assert first.details.seed == 7
        assert first.details.finish_reason == "eos_token"
        assert first.details.tokens[-1].special

    def test_generate_stops(self, server: Server) -> None:
        response = Client(server.url).generate(PROMPT, max_new_tokens=200, stop_sequences=["."])
        assert response.details.finish_reason == "stop_sequence"
        assert response.generated_text.endswith(".")

    def test_best_of(self, server: Server) -> None:
        response = Client(server.url).generate(PROMPT, do_sample=True, best_of=2, max_new_tokens=200)
        assert response.details.best_of_sequences is not None
        (other,) = response.details.best_of_sequences
        assert other.generated_text != response.generated_text

    def test_generate_stream(self, server: Server) -> None:
        whole = Client(server.url).generate(PROMPT, max_new_tokens=15, return_full_text=True)
        *parts, last = list(Client(server.url).generate_stream(PROMPT, max_new_tokens=15, return_full_text=True))
        assert last.generated_text == whole.generated_text
        assert last.generated_text == PROMPT + "".join(part.token.text for part in [*parts, last])
        assert last.details is not None
        assert last.details.generated_tokens == 15
        assert all(part.generated_text is None and part.details is None for part in parts)

    async def test_asynchronous_client(self, server: Server) -> None:
        client = AsyncClient(server.url)
        response = await client.generate(PROMPT, max_new_tokens=5)
        streamed = [part.token.text async for part in client.generate_stream(PROMPT, max_new_tokens=5)]
        assert "".join(streamed) == response.generated_text

    def test_chat(self, server: Server) -> None:
        response = Client(server.url).chat([Message(role="user", content=PROMPT)], max_tokens=200)
        (choice,) = response.choices
        assert response.object == "chat.completion"
        assert response.id == ""
        assert response.model == "tiiuae/falcon-7b"
        assert choice.message.role == "assistant"
        assert choice.message.content is not None
        assert "deep learning" in choice.message.content
        assert choice.finish_reason == "stop"
        assert response.usage["total_tokens"] == response.usage["prompt_tokens"] + response.usage["completion_tokens"]

    def test_validation_error(self, server: Server) -> None:
        with pytest.raises(ValidationError, match="Input validation error: `inputs` must have less than 1024 tokens"):
            Client(server.url).generate("word " * 1500, max_new_tokens=1)

    def test_overloaded(self) -> None:
        with serving(MAX_CONCURRENT_REQUESTS="0") as server, pytest.raises(OverloadedError, match="overloaded"):
            Client(server.url).generate(PROMPT)


class TestGenerate:
    def test_plain(self, server: Server) -> None:
        reply = server.post("/generate", {"inputs": PROMPT, "parameters": {"max_new_tokens": 3}})
        assert reply.status == 200
        assert list(reply.json) == ["generated_text"]

    def test_headers(self, server: Server) -> None:
        headers = server.post("/generate", {"inputs": PROMPT, "parameters": {"max_new_tokens": 3}}).headers
        assert headers["x-compute-type"] == "gpu+optimized"
        assert headers["x-compute-characters"] == str(len(PROMPT))
        assert headers["x-prompt-tokens"] == "6"
        assert headers["x-generated-tokens"] == "3"
        assert float(headers["x-compute-time"]) > 0
        for phase in ("total-time", "validation-time", "queue-time", "inference-time", "time-per-token"):
            assert headers[f"x-{phase}"].isdigit()

    def test_sampling_is_the_default_only_without_parameters(self, server: Server) -> None:
        parameters = {"details": True, "max_new_tokens": 3}
        assert server.post("/generate", {"inputs": PROMPT, "parameters": parameters}).json["details"]["seed"] is None
        sampled = server.post("/generate", {"inputs": PROMPT, "parameters": {**parameters, "do_sample": True}}).json
        assert sampled["details"]["seed"] is not None
        without = server.post("/generate", {"inputs": PROMPT}).json["generated_text"]
        assert without.startswith(sampled["generated_text"])

    def test_unknown_parameters_are_ignored(self, server: Server) -> None:
        parameters = {"max_new_tokens": 3, "early_stopping": True, "no_repeat_ngram_size": 2}
        assert server.post("/generate", {"inputs": PROMPT, "parameters": parameters}).status == 200

    def test_long_budget_is_granted_in_stretches(self, server: Server) -> None:
        reply = server.post("/generate", {"inputs": PROMPT, "parameters": {"max_new_tokens": 100_000}})
        assert reply.status == 200

    def test_stream_events(self, server: Server) -> None:
        body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 2, "details": True}}
        reply = server.post("/generate_stream", body)
        first, last = reply.events
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["x-accel-buffering"] == "no"
        assert first == {
            "index": 1,
            "token": {"id": first["token"]["id"], "text": " A", "logprob": -1.1, "special": False},
            "generated_text": None,
            "details": None,
        }
        assert last["index"] == 2
        assert last["details"] == {"finish_reason": "length", "generated_tokens": 2, "seed": None, "input_length": 6}

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"best_of": 2}, "you must use sampling when `best_of` is > 1"),
            ({"best_of": 3, "do_sample": True}, "`best_of` must be > 0 and <= 2. Given: 3"),
            ({"best_of": 2, "do_sample": True, "seed": 1}, "`seed` must not be set when `best_of` > 1"),
            ({"temperature": 0}, "`temperature` must be strictly positive"),
            ({"repetition_penalty": 0}, "`repetition_penalty` must be strictly positive"),
            ({"frequency_penalty": 2.5}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
            ({"top_p": 1}, "`top_p` must be > 0.0 and < 1.0"),
            ({"typical_p": 0}, "`typical_p` must be > 0.0 and < 1.0"),
            ({"top_k": 0}, "`top_k` must be strictly positive"),
            ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
            ({"stop": ["a"] * 5}, "`stop` supports up to 4 stop sequences. Given: 5"),
            ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
            ({"truncate": 0}, "`truncate` must be strictly positive and less than 1024. Given: 0"),
        ],
    )
    def test_limits(self, server: Server, parameters: dict[str, object], message: str) -> None:
        reply = server.post("/generate", {"inputs": PROMPT, "parameters": parameters})
        assert reply.status == 422
        assert reply.json == {"error": f"Input validation error: {message}", "error_type": "validation"}

    def test_token_limits(self, server: Server) -> None:
        def error(words: int, max_new_tokens: int) -> str:
            body = {"inputs": "a " * words, "parameters": {"max_new_tokens": max_new_tokens}}
            return str(server.post("/generate", body).json["error"])

        # One word each, the trailing white space, and the token for the beginning.
        assert error(1498, 1024) == (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. "
            "Given: 1500 `inputs` tokens and 1024 `max_new_tokens`"
        )
        assert error(1498, 1) == "Input validation error: `inputs` must have less than 1024 tokens. Given: 1500"

    def test_truncated_input_fits(self, server: Server) -> None:
        body = {"inputs": "a " * 5000, "parameters": {"max_new_tokens": 1, "truncate": 10}}
        assert server.post("/generate", body).headers["x-prompt-tokens"] == "10"

    def test_empty_input(self, server: Server) -> None:
        assert server.post("/generate", {"inputs": ""}).json["error"] == (
            "Input validation error: `inputs` cannot be empty"
        )

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"best_of": 2}, "`best_of` != 1 is not supported when streaming tokens"),
            (
                {"decoder_input_details": True},
                "`decoder_input_details` == true is not supported when streaming tokens",
            ),
            ({"temperature": -1}, "`temperature` must be strictly positive"),
        ],
    )
    def test_errors_inside_a_stream(self, server: Server, parameters: dict[str, object], message: str) -> None:
        reply = server.post("/generate_stream", {"inputs": PROMPT, "parameters": parameters})
        assert reply.status == 200
        assert reply.events == [{"error": f"Input validation error: {message}", "error_type": "validation"}]


class TestSageMakerRoutes:
    @pytest.mark.parametrize("path", ["/", "/invocations"])
    def test_list_with_the_full_text(self, server: Server, path: str) -> None:
        reply = server.post(path, {"inputs": PROMPT, "parameters": {"max_new_tokens": 2}})
        assert reply.json == [{"generated_text": f"{PROMPT} A good"}]

    @pytest.mark.parametrize("path", ["/", "/invocations"])
    def test_stream(self, server: Server, path: str) -> None:
        reply = server.post(path, {"inputs": PROMPT, "stream": True, "parameters": {"max_new_tokens": 2}})
        assert reply.events[-1]["generated_text"] == f"{PROMPT} A good"

    def test_chat_shape(self, server: Server) -> None:
        reply = server.post("/invocations", {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 2})
        assert reply.json["object"] == "chat.completion"

    def test_completion_shape(self, server: Server) -> None:
        assert server.post("/invocations", {"prompt": PROMPT, "max_tokens": 2}).json["object"] == "text_completion"

    def test_other_shapes(self, server: Server) -> None:
        others: list[object] = [{"question": PROMPT}, {"inputs": 3}, [], "text", None]
        for body in others:
            reply = server.post("/invocations", body)
            assert reply.status == 422
            assert reply.headers["content-type"].startswith("text/plain")
            assert "data did not match any variant of untagged enum SagemakerRequest" in reply.text


class TestOpenAI:
    def test_streamed_chat(self, server: Server) -> None:
        messages = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
        body = {
            "messages": messages,
            "max_tokens": 3,
            "stream": True,
            "logprobs": True,
            "stream_options": {"include_usage": True},
        }
        *chunks, last, usage, done = server.post("/v1/chat/completions", body).events
        assert done == "[DONE]"
        assert usage["choices"] == []
        assert usage["usage"]["completion_tokens"] == 3
        assert last["choices"][0]["finish_reason"] == "length"
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
        assert {chunk["system_fingerprint"] for chunk in chunks} == {"3.3.6-dev0-native"}
        assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None]
        assert chunks[0]["choices"][0]["logprobs"]["content"][0]["token"] == chunks[0]["choices"][0]["delta"]["content"]

    def test_streamed_chat_ends_with_an_empty_piece(self, server: Server) -> None:
        body = {"messages": [{"role": "user", "content": PROMPT}], "stream": True}
        *_, last, done = server.post("/v1/chat/completions", body).events
        assert done == "[DONE]"
        assert last["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert last["choices"][0]["finish_reason"] == "stop"

    def test_error_inside_a_stream(self, server: Server) -> None:
        body = {"messages": [{"role": "user", "content": PROMPT}], "stream": True, "max_tokens": 0}
        error, done = server.post("/v1/chat/completions", body).events
        assert error == {
            "error": {
                "message": "Input validation error: `max_new_tokens` must be strictly positive",
                "http_status_code": 422,
            }
        }
        assert done == "[DONE]"

    def test_grammar_and_tools_exclude_each_other(self, server: Server) -> None:
        body: dict[str, object] = {"messages": [], "tools": [], "response_format": {"type": "json", "value": {}}}
        assert server.post("/v1/chat/completions", body).json == {
            "error": "Tool error: Grammar and tools are mutually exclusive",
            "error_type": "tool_error",
        }

    def test_completions(self, server: Server) -> None:
        reply = server.post("/v1/completions", {"prompt": [PROMPT, PROMPT], "max_tokens": 2, "temperature": 0.0})
        assert [choice["index"] for choice in reply.json["choices"]] == [0, 1]
        assert {choice["text"] for choice in reply.json["choices"]} == {" A good"}
        assert reply.json["usage"] == {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
        assert reply.headers["x-generated-tokens"] == "4"
        assert "x-compute-time" not in reply.headers

    def test_streamed_completions(self, server: Server) -> None:
        body = {"prompt": [PROMPT, "Why?"], "max_tokens": 2, "stream": True}
        *chunks, done = server.post("/v1/completions", body).events
        assert done == "[DONE]"
        assert [(chunk["choices"][0]["index"], "usage" in chunk) for chunk in chunks] == [
            (0, False),
            (0, True),
            (1, False),
            (1, True),
        ]

    def test_error_in_streamed_completions(self, server: Server) -> None:
        error, done = server.post("/v1/completions", {"prompt": "", "stream": True}).events
        assert error["error"]["message"] == "Input validation error: `inputs` cannot be empty"
        assert done == "[DONE]"

    @pytest.mark.parametrize(
        ("body", "error", "error_type"),
        [
            (
                {"prompt": "a", "suffix": "b"},
                "Suffix is not supported and can be achieved by preprocessing the prompt.",
                "suffix not supported",
            ),
            (
                {"prompt": ["a"] * 5},
                "Number of prompts exceeds the maximum allowed batch size of 4",
                "batch size exceeded",
            ),
            (
                {"prompt": "a", "max_tokens": 0},
                "Input validation error: `max_new_tokens` must be strictly positive",
                "validation",
            ),
        ],
    )
    def test_refused_completions(self, server: Server, body: dict[str, object], error: str, error_type: str) -> None:
        reply = server.post("/v1/completions", body)
        assert reply.status == 422
        assert reply.json == {"error": error, "error_type": error_type}


class TestBodies:
    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            ("/generate", {}, "missing field `inputs` at line 1 column 2"),
            ("/generate", {"inputs": 1}, "inputs: invalid type: integer `1`, expected a string"),
            ("/generate", [], "invalid type: sequence, expected a map"),
            ("/generate", {"inputs": "a", "parameters": None}, "parameters.: invalid type: null, expected a map"),
            (
                "/generate",
                {"inputs": "a", "parameters": {"max_new_tokens": "5"}},
                'parameters.max_new_tokens: invalid type: string "5", expected u32',
            ),
            (
                "/generate",
                {"inputs": "a", "parameters": {"max_new_tokens": -5}},
                "parameters.max_new_tokens: invalid value: integer `-5`, expected u32",
            ),
            (
                "/generate",
                {"inputs": "a", "parameters": {"top_p": True}},
                "parameters.top_p: invalid type: boolean `true`, expected f32",
            ),
            (
                "/generate",
                {"inputs": "a", "parameters": {"details": 1.5}},
                "parameters.details: invalid type: floating point `1.5`, expected a boolean",
            ),
            (
                "/generate",
                {"inputs": "a", "parameters": {"stop": {}}},
                "parameters.stop: invalid type: map, expected a sequence",
            ),
            (
                "/generate",
                {"inputs": "a", "parameters": {"stop": [1]}},
                "parameters.stop[0]: invalid type: integer `1`, expected a string",
            ),
            ("/v1/chat/completions", {}, "missing field `messages`"),
            ("/v1/chat/completions", {"messages": "hi"}, 'messages: invalid type: string "hi", expected a sequence'),
            (
                "/v1/chat/completions",
                {"messages": [{"role": "user"}]},
                "messages[0]: data did not match any variant of untagged enum MessageBody",
            ),
            ("/v1/completions", {}, "missing field `prompt`"),
            ("/v1/completions", {"prompt": []}, "Empty array detected. Do not use an empty array for the prompt."),
            (
                "/v1/completions",
                {"prompt": 1},
                "data did not match any variant of untagged enum PromptDeserializer",
            ),
        ],
    )
    def test_wrong_types(self, server: Server, path: str, body: object, message: str) -> None:
        reply = server.post(path, body)
        assert reply.status == 422
        assert reply.text.startswith("Failed to deserialize the JSON body into the target type: ")
        assert message in reply.text

    @pytest.mark.parametrize("body", ["{", "", "inputs", '{"inputs": "\\ud800"}', "[" * 100_000])
    def test_not_json(self, server: Server, body: str) -> None:
        reply = server.call("POST", "/generate", body, {"content-type": "application/json"})
        assert reply.status == 400
        assert reply.text.startswith("Failed to parse the request body as JSON: ")

    @pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}])
    def test_content_type(self, server: Server, headers: dict[str, str]) -> None:
        reply = server.call("POST", "/generate", json.dumps({"inputs": PROMPT}), headers)
        assert (reply.status, reply.text) == (415, "Expected request with `Content-Type: application/json`")

    def test_content_type_with_charset(self, server: Server) -> None:
        headers = {"content-type": "application/json; charset=utf-8"}
        assert server.call("POST", "/generate", json.dumps({"inputs": PROMPT}), headers).status == 200

    def test_payload_limit(self) -> None:
        with serving(PAYLOAD_LIMIT="1000") as server:
            reply = server.post("/generate", {"inputs": "a" * 2000})
            assert (reply.status, reply.text) == (413, "Failed to buffer the request body: length limit exceeded")


class TestAdministration:
    def test_info(self, server: Server) -> None:
        info = server.get("/info").json
        assert re.fullmatch("[0-9a-f]{40}", info.pop("model_sha"))
        assert info == {
            "model_id": "tiiuae/falcon-7b",
            "model_pipeline_tag": "text-generation",
            "max_concurrent_requests": 128,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_tokens": 1024,
            "max_total_tokens": 2048,
            "validation_workers": 2,
            "max_client_batch_size": 4,
            "router": "text-generation-router",
            "version": "3.3.6-dev0",
            "sha": None,
            "docker_label": None,
        }

    def test_info_of_a_pinned_and_of_a_local_model(self) -> None:
        revision = "ec89142b67d748a1865ea4451372db8313ada0d8"
        with serving(MODEL_ID="a/b", REVISION=revision) as server:
            assert server.get("/info").json["model_sha"] == revision
        with serving(MODEL_ID="/opt/ml/model") as server:
            assert server.get("/info").json["model_sha"] is None

    def test_models(self, server: Server) -> None:
        assert server.get("/v1/models").json["data"][0]["id"] == "tiiuae/falcon-7b"

    def test_tokenize(self, server: Server) -> None:
        rows = server.post("/tokenize", {"inputs": "Hi you"}).json
        assert [(row["text"], row["start"], row["stop"]) for row in rows] == [
            ("<s>", 0, 0),
            ("Hi", 0, 2),
            (" you", 2, 6),
        ]

    @pytest.mark.parametrize("path", ["/", "/health", "/ping"])
    def test_health(self, server: Server, path: str) -> None:
        reply = server.get(path)
        assert (reply.status, reply.text) == (200, "")
        server.post("/_sandbox/load", {"healthy": False})
        reply = server.get(path)
        assert (reply.status, reply.json) == (503, {"error": "unhealthy", "error_type": "healthcheck"})
        server.post("/_sandbox/load", {})

    def test_api_key(self) -> None:
        body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 1}}
        with serving(API_KEY="secret") as server:
            for path in ("/", "/generate", "/generate_stream", "/invocations", "/tokenize", "/v1/chat/completions"):
                reply = server.post(path, body)
                assert (reply.status, reply.text) == (401, "")
            assert server.post("/generate", body, authorization="Bearer wrong").status == 401
            assert server.post("/generate", body, authorization="bearer SECRET").status == 200
            for path in ("/health", "/ping", "/info", "/metrics", "/v1/models"):
                assert server.get(path).status == 200


class TestLoadAndMetrics:
    def test_nothing_before_the_first_request(self) -> None:
        with serving() as server:
            server.get("/health")
            reply = server.get("/metrics")
            assert (reply.status, reply.text) == (200, "")
            assert reply.headers["content-type"].startswith("text/plain")

    def test_names_after_a_request(self) -> None:
        with serving() as server:
            server.post("/generate", {"inputs": PROMPT, "parameters": {"max_new_tokens": 4}})
            server.post("/generate", {"inputs": ""})
            metrics = server.metrics()
            assert metrics["tgi_request_count"] == 2
            assert metrics["tgi_request_success"] == 1
            assert metrics["tgi_request_failure,err=validation"] == 1
            assert metrics["tgi_queue_size"] == 0
            assert metrics["tgi_batch_current_size"] == 0
            assert metrics["tgi_batch_inference_count,method=prefill"] == 1
            assert metrics["tgi_batch_inference_count,method=decode"] == 3
            assert metrics["tgi_request_generated_tokens_sum"] == 4
            assert metrics["tgi_request_input_length_count"] == 1
            for histogram in ("duration", "queue_duration", "inference_duration", "mean_time_per_token_duration"):
                assert metrics[f"tgi_request_{histogram}_count"] == 1

    def test_driven_gauges(self) -> None:
        with serving(MAX_CONCURRENT_REQUESTS="10") as server:
            assert server.post("/_sandbox/load", {"queue_size": 7, "batch_size": 3}).status == 204
            assert server.metric("tgi_queue_size") == 7
            assert server.metric("tgi_batch_current_size") == 3
            reply = server.post("/generate", {"inputs": PROMPT})
            assert reply.status == 429
            assert reply.json == {"error": "Model is overloaded", "error_type": "overloaded"}
            assert server.get("/health").status == 200
            assert server.metric("tgi_request_failure,err=overloaded") == 1
            server.post("/_sandbox/load", {})
            assert server.metric("tgi_queue_size") == 0
            assert server.post("/generate", {"inputs": PROMPT}).status == 200

    def test_impossible_load(self) -> None:
        with serving(MAX_CONCURRENT_REQUESTS="10") as server:
            assert server.post("/_sandbox/load", {"queue_size": 11}).status == 422
            assert server.post("/_sandbox/load", {"queue_size": -1}).status == 422
            assert server.post("/_sandbox/load", {"healthy": "no"}).status == 422

    def test_client_that_goes_away_frees_its_place(self) -> None:
        body = json.dumps({"inputs": PROMPT, "parameters": {"max_new_tokens": 100}})
        with serving(0.02, MAX_CONCURRENT_REQUESTS="1") as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.request("POST", "/generate_stream", body, {"content-type": "application/json"})
            response = connection.getresponse()
            assert response.readline().startswith(b"data: ")
            assert server.post("/generate", {"inputs": PROMPT}).status == 429
            response.close()
            connection.close()
            deadline = time.monotonic() + 5
            while server.metric("tgi_batch_current_size") != 0 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.metric("tgi_request_failure,err=dropped") == 1
            assert server.post("/generate", {"inputs": PROMPT, "parameters": {"max_new_tokens": 1}}).status == 200

    def test_requests_beyond_the_batch_wait_and_beyond_the_limit_are_refused(self) -> None:
        body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 40}}
        replies: list[Reply] = []
        with serving(0.02, MAX_BATCH_SIZE="2", MAX_CONCURRENT_REQUESTS="5") as server:
            threads = [
                threading.Thread(target=lambda: replies.append(server.post("/generate", body))) for _ in range(5)
            ]
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 5
            while server.metric("tgi_queue_size") != 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.metric("tgi_batch_current_size") == 2
            assert server.metric("tgi_batch_current_max_tokens") == 2 * (6 + 40)
            assert server.post("/generate", body).status == 429
            for thread in threads:
                thread.join()
        assert [reply.status for reply in replies] == [200] * 5
        assert max(int(reply.headers["x-queue-time"]) for reply in replies) > 100
