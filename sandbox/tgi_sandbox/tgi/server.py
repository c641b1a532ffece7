"""The router's HTTP server: routes, errors and streams of router/src/server.rs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tgi_sandbox.tgi import bodies, replies
from tgi_sandbox.tgi.api import DONE, ApiError, event, event_stream, openai_error, read_body, read_json
from tgi_sandbox.tgi.bodies import ChatRequest, CompletionRequest, GenerateRequest
from tgi_sandbox.tgi.engine import Engine, Load, Outcome, Overloaded, Step
from tgi_sandbox.tgi.generation import chat_prompt
from tgi_sandbox.tgi.tokens import BOS, tokenize
from tgi_sandbox.tgi.validation import ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from tgi_sandbox.tgi.options import Options

    Endpoint = Callable[[Request], Awaitable[Response]]

_Body = TypeVar("_Body")


def application(options: Options, *, token_delay: float) -> Starlette:
    """Return the server of a launcher with these options, already warmed up."""
    return Router(options, token_delay).application()


class Router:
    """The handlers of one server."""

    def __init__(self, options: Options, token_delay: float) -> None:
        self._options = options
        self._engine = Engine(options, token_delay)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        protected: dict[str, Endpoint] = {
            "/": self._compatible,
            "/generate": self._generate,
            "/generate_stream": self._generate_stream,
            "/invocations": self._invocations,
            "/tokenize": self._tokenize,
            "/v1/chat/completions": self._chat_completions,
            "/v1/completions": self._completions,
        }
        public: dict[str, Endpoint] = {
            "/": self._health,
            "/health": self._health,
            "/ping": self._health,
            "/info": self._info,
            "/metrics": self._metrics,
            "/v1/models": self._models,
        }
        routes = [Route(path, self._authorized(handler), methods=["POST"]) for path, handler in protected.items()]
        routes += [Route(path, handler, methods=["GET"]) for path, handler in public.items()]
        routes.append(Route("/_sandbox/load", self._set_load, methods=["POST"]))
        return Starlette(routes=routes, exception_handlers={ApiError: _api_error})

    async def _health(self, _: Request) -> Response:
        if self._engine.healthy:
            return Response()
        return ApiError(503, "unhealthy", "healthcheck").response()

    async def _info(self, _: Request) -> Response:
        validation = self._engine.validation
        limits = validation.max_input_tokens, validation.max_total_tokens
        return JSONResponse(replies.info(self._options, limits))

    async def _models(self, _: Request) -> Response:
        return JSONResponse(replies.models(self._options))

    async def _metrics(self, _: Request) -> Response:
        return PlainTextResponse(self._engine.metrics.render())

    async def _generate(self, request: Request) -> Response:
        return await self._generated(await self._read(request, bodies.generate_request))

    async def _generate_stream(self, request: Request) -> Response:
        return self._generated_stream(await self._read(request, bodies.generate_request))

    async def _compatible(self, request: Request) -> Response:
        return await self._compatibly_generated(await self._read(request, bodies.generate_request))

    async def _invocations(self, request: Request) -> Response:
        body = await self._read(request, bodies.sagemaker_request)
        if isinstance(body, ChatRequest):
            return await self._chat(body)
        if isinstance(body, CompletionRequest):
            return await self._complete(body)
        return await self._compatibly_generated(body)

    async def _chat_completions(self, request: Request) -> Response:
        return await self._chat(await self._read(request, bodies.chat_request))

    async def _completions(self, request: Request) -> Response:
        return await self._complete(await self._read(request, bodies.completion_request))

    async def _tokenize(self, request: Request) -> Response:
        body = await self._read(request, bodies.generate_request)
        return JSONResponse(replies.tokenized([BOS, *tokenize(body.inputs)]))

    async def _set_load(self, request: Request) -> Response:
        body = await read_body(request, self._options.payload_limit, bodies.load_request)
        limit = self._options.max_concurrent_requests
        if body.queue_size + body.batch_size > limit:
            raise ApiError(422, f"no more than max_concurrent_requests ({limit}) can be under way", "validation")
        self._engine.load = Load(body.queue_size, body.batch_size)
        self._engine.healthy = body.healthy
        return Response(status_code=204)

    async def _read(self, request: Request, shape: Callable[[object], _Body]) -> _Body:
        return await read_json(request, self._options.payload_limit, shape)

    async def _generated(self, request: GenerateRequest, *, in_list: bool = False) -> Response:
        self._engine.metrics.increment("tgi_request_count")
        best_of = request.parameters.best_of or 1
        try:
            outcomes = await self._engine.generate_best_of(request, best_of)
        except (Overloaded, ValidationError) as error:
            raise _inference_error(error) from error
        body = replies.generated(outcomes, request.inputs, request.parameters)
        headers = replies.outcome_headers(outcomes[0], len(request.inputs))
        return JSONResponse([body] if in_list else body, headers=headers)

    async def _compatibly_generated(self, request: GenerateRequest) -> Response:
        request = request.with_default_full_text(True)
        return self._generated_stream(request) if request.stream else await self._generated(request, in_list=True)

    def _generated_stream(self, request: GenerateRequest) -> Response:
        async def events() -> AsyncIterator[str]:
            try:
                async with aclosing(self._steps(request)) as steps:
                    async for step in steps:
                        yield event(replies.stream_event(step, request.inputs, request.parameters))
            except ApiError as error:
                yield event(error.body())

        self._engine.metrics.increment("tgi_request_count")
        return event_stream(events(), len(request.inputs))

    async def _chat(self, request: ChatRequest) -> Response:
        self._engine.metrics.increment("tgi_request_count")
        if request.conflicting_grammar:
            raise ApiError(422, "Tool error: Grammar and tools are mutually exclusive", "tool_error")
        prompt = GenerateRequest(chat_prompt(request.messages), request.parameters, add_special_tokens=False)
        model = self._options.model_id if request.model in {None, "tgi"} else str(request.model)
        if request.stream:
            return event_stream(self._chat_events(request, prompt, model), len(prompt.inputs))
        outcome = await self._outcome(prompt)
        return JSONResponse(
            replies.chat_completion(outcome, model, logprobs=request.logprobs),
            headers=replies.outcome_headers(outcome, len(prompt.inputs)),
        )

    async def _chat_events(self, request: ChatRequest, prompt: GenerateRequest, model: str) -> AsyncIterator[str]:
        async for step in self._openai_steps(prompt):
            if isinstance(step, ApiError):
                yield openai_error(step)
                continue
            yield event(replies.chat_chunk(step, model, logprobs=request.logprobs))
            if step.outcome is not None and request.include_usage:
                yield event(replies.chat_usage(step.outcome, model))
        yield DONE

    async def _complete(self, request: CompletionRequest) -> Response:
        self._engine.metrics.increment("tgi_request_count")
        if request.suffix is not None:
            self._engine.metrics.increment("tgi_request_failure", err="validation")
            message = "Suffix is not supported and can be achieved by preprocessing the prompt."
            raise ApiError(422, message, "suffix not supported")
        if len(request.prompts) > self._options.max_client_batch_size:
            self._engine.metrics.increment("tgi_request_failure", err="validation")
            limit = self._options.max_client_batch_size
            message = f"Number of prompts exceeds the maximum allowed batch size of {limit}"
            raise ApiError(422, message, "batch size exceeded")
        prompts = [GenerateRequest(prompt, request.parameters) for prompt in request.prompts]
        characters = sum(len(prompt) for prompt in request.prompts)
        model = self._options.model_id
        if request.stream:
            return event_stream(self._completion_events(prompts, model), characters)
        outcomes = await asyncio.gather(*(self._outcome(prompt) for prompt in prompts))
        headers = replies.summed_headers(outcomes, characters)
        return JSONResponse(replies.completion(outcomes, model), headers=headers)

    async def _completion_events(self, prompts: list[GenerateRequest], model: str) -> AsyncIterator[str]:
        # The real router interleaves the prompts of one request; it does not guarantee their relative order.
        for index, prompt in enumerate(prompts):
            async for step in self._openai_steps(prompt):
                if isinstance(step, ApiError):
                    yield openai_error(step)
                else:
                    yield event(replies.completion_chunk(step, index, model))
        yield DONE

    async def _outcome(self, request: GenerateRequest) -> Outcome:
        self._engine.metrics.increment("tgi_request_count")
        try:
            return await self._engine.generate(request)
        except (Overloaded, ValidationError) as error:
            raise _inference_error(error) from error

    async def _openai_steps(self, request: GenerateRequest) -> AsyncIterator[Step | ApiError]:
        """Yield the steps of a streamed OpenAI generation, ending with the error if there is one."""
        self._engine.metrics.increment("tgi_request_count")
        try:
            async with aclosing(self._steps(request)) as steps:
                async for step in steps:
                    yield step
        except ApiError as error:
            yield error

    async def _steps(self, request: GenerateRequest) -> AsyncGenerator[Step]:
        parameters = request.parameters
        try:
            if parameters.best_of not in {None, 1}:
                raise self._engine.refused("`best_of` != 1 is not supported when streaming tokens")
            if parameters.decoder_input_details:
                raise self._engine.refused("`decoder_input_details` == true is not supported when streaming tokens")
            async with aclosing(self._engine.stream(request)) as steps:
                async for step in steps:
                    yield step
        except (Overloaded, ValidationError) as error:
            raise _inference_error(error) from error

    def _authorized(self, handler: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            expected = f"Bearer {self._options.api_key}"
            if request.headers.get("authorization", "").lower() != expected.lower():
                return Response(status_code=401)
            return await handler(request)

        return handler if self._options.api_key is None else checked


def _inference_error(error: Overloaded | ValidationError) -> ApiError:
    """`From<InferError>` of router/src/server.rs."""
    if isinstance(error, Overloaded):
        return ApiError(429, str(error), "overloaded")
    return ApiError(422, f"Input validation error: {error}", "validation")


async def _api_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise TypeError("registered for ApiError only")
    return error.response()
