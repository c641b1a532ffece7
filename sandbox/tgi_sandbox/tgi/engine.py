"""The inference side of the router: permits, queue, batch, tokens at a steady pace, and the metrics of these."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tgi_sandbox.tgi.generation import Generation, generate
from tgi_sandbox.tgi.metrics import Metrics
from tgi_sandbox.tgi.validation import DEFAULT_GENERATION_LENGTH, Validation, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from tgi_sandbox.tgi.bodies import GenerateRequest
    from tgi_sandbox.tgi.options import Options
    from tgi_sandbox.tgi.tokens import Token
    from tgi_sandbox.tgi.validation import ValidRequest

_BATCH_SLOTS: Final = 32


class Overloaded(Exception):  # noqa: N818 (the name of the variant in router/src/infer/mod.rs)
    """All MAX_CONCURRENT_REQUESTS permits are taken."""

    def __init__(self) -> None:
        super().__init__("Model is overloaded")


@dataclass(frozen=True)
class Timings:
    """How long the phases of a request took, in seconds."""

    total: float
    validation: float
    queue: float
    inference: float
    per_token: float


@dataclass(frozen=True)
class Outcome:
    """A finished request."""

    generation: Generation
    input_tokens: tuple[Token, ...]
    seed: int | None
    timings: Timings


@dataclass(frozen=True)
class Step:
    """One generated token; the last one carries the outcome."""

    index: int
    token: Token
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Load:
    """Requests that exist only in the gauges: load from outside, for tests of autoscaling."""

    queue_size: int = 0
    batch_size: int = 0


class Engine:
    """Generates for one server."""

    def __init__(self, options: Options, token_delay: float) -> None:
        self._options = options
        self._token_delay = token_delay
        self._permits_taken = 0
        self._queued = 0
        self._batch: list[ValidRequest] = []
        self._slots = asyncio.Semaphore(options.max_batch_size or _BATCH_SLOTS)
        self._load = Load()
        self.healthy = True
        self.validation = Validation(options)
        self.metrics = Metrics(self.validation.max_input_tokens, self.validation.max_total_tokens)

    @property
    def load(self) -> Load:
        """The load from outside."""
        return self._load

    @load.setter
    def load(self, load: Load) -> None:
        self._load = load
        self._show_load()

    async def generate(self, request: GenerateRequest) -> Outcome:
        """Run a request to its end."""
        async with aclosing(self.stream(request)) as steps:
            async for step in steps:
                if step.outcome is not None:
                    return step.outcome
        raise RuntimeError("a generation ends with an outcome")

    async def generate_best_of(self, request: GenerateRequest, best_of: int) -> list[Outcome]:
        """Run a request several times and return the outcomes, best first."""
        if best_of > 1:
            with self._counting_refusals():
                self.validation.check_best_of(best_of)
        runs = [replace(request, variant=number) for number in range(best_of)]
        return list(await asyncio.gather(*(self.generate(run) for run in runs)))

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Step]:
        """Run a request token by token."""
        arrived = time.monotonic()
        with self._permit(), self._counting_drops():
            valid = self._validated(request)
            queued = time.monotonic()
            async with self._in_batch(valid):
                started = time.monotonic()
                generation = generate(
                    valid.inputs, seed=valid.seed, max_new_tokens=valid.max_new_tokens, stop=valid.stop
                )
                last = len(generation.tokens)
                for index, token in enumerate(generation.tokens, start=1):
                    await self._forward("prefill" if index == 1 else "decode")
                    if index < last:
                        yield Step(index, token)
        now = time.monotonic()
        timings = Timings(now - arrived, queued - arrived, started - queued, now - started, (now - started) / last)
        self._succeeded(last, timings)
        yield Step(last, generation.tokens[-1], Outcome(generation, valid.input_tokens, valid.seed, timings))

    def refused(self, message: str) -> ValidationError:
        """Count a request that was refused before generation, and return its error."""
        self.metrics.increment("tgi_request_failure", err="validation")
        return ValidationError(message)

    @contextmanager
    def _permit(self) -> Iterator[None]:
        outside = self._load.queue_size + self._load.batch_size
        if self._permits_taken + outside >= self._options.max_concurrent_requests:
            self.metrics.increment("tgi_request_failure", err="overloaded")
            raise Overloaded
        self._permits_taken += 1
        try:
            yield
        finally:
            self._permits_taken -= 1

    def _validated(self, request: GenerateRequest) -> ValidRequest:
        with self._counting_refusals():
            valid = self.validation.request(request)
        self.metrics.observe("tgi_request_input_length", len(valid.input_tokens))
        self.metrics.observe("tgi_request_max_new_tokens", min(valid.max_new_tokens, DEFAULT_GENERATION_LENGTH))
        return valid

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except ValidationError:
            self.metrics.increment("tgi_request_failure", err="validation")
            raise

    @contextmanager
    def _counting_drops(self) -> Iterator[None]:
        """A client that disconnects during a stream ends its generation."""
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            self.metrics.increment("tgi_request_failure", err="dropped")
            raise

    @asynccontextmanager
    async def _in_batch(self, request: ValidRequest) -> AsyncIterator[None]:
        self._queued += 1
        self._show_load()
        try:
            await self._slots.acquire()
        finally:
            self._queued -= 1
        self._batch.append(request)
        self.metrics.observe("tgi_batch_next_size", len(self._batch))
        self._show_load()
        try:
            yield
        finally:
            self._batch.remove(request)
            self._slots.release()
            self._show_load()

    async def _forward(self, method: str) -> None:
        self.metrics.increment("tgi_batch_inference_count", method=method)
        began = time.monotonic()
        await asyncio.sleep(self._token_delay)
        took = time.monotonic() - began
        for phase in ("forward", "inference"):
            self.metrics.observe(f"tgi_batch_{phase}_duration", took, method=method)
        self.metrics.increment("tgi_batch_inference_success", method=method)

    def _succeeded(self, generated_tokens: int, timings: Timings) -> None:
        self.metrics.increment("tgi_request_success")
        self.metrics.observe("tgi_request_duration", timings.total)
        self.metrics.observe("tgi_request_validation_duration", timings.validation)
        self.metrics.observe("tgi_request_queue_duration", timings.queue)
        self.metrics.observe("tgi_request_inference_duration", timings.inference)
        self.metrics.observe("tgi_request_mean_time_per_token_duration", timings.per_token)
        self.metrics.observe("tgi_request_generated_tokens", generated_tokens)

    def _show_load(self) -> None:
        tokens = sum(len(request.input_tokens) + request.max_new_tokens for request in self._batch)
        self.metrics.set("tgi_queue_size", self._queued + self._load.queue_size)
        self.metrics.set("tgi_batch_current_size", len(self._batch) + self._load.batch_size)
        self.metrics.set("tgi_batch_current_max_tokens", tokens)
