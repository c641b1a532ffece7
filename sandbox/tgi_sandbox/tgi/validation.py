"""The limits of a generate request, in the order and with the texts of router/src/validation.rs."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tgi_sandbox.tgi.launcher import token_limits
from tgi_sandbox.tgi.tokens import BOS, Token, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgi_sandbox.tgi.bodies import GenerateRequest, Parameters
    from tgi_sandbox.tgi.options import Options

DEFAULT_GENERATION_LENGTH: Final = 1024


class ValidationError(ValueError):
    """A request outside the limits of the server."""


@dataclass(frozen=True)
class ValidRequest:
    """A request within the limits, with omitted values filled in."""

    inputs: str
    input_tokens: tuple[Token, ...]
    max_new_tokens: int
    stop: tuple[str, ...]
    seed: int | None


class Validation:
    """The limits of one server."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.max_input_tokens, self.max_total_tokens = token_limits(options)

    def check_best_of(self, requested: int) -> None:
        """Refuse more sequences than allowed."""
        allowed = self._options.max_best_of
        if allowed == 1 and requested != 1:
            raise ValidationError("`best_of` != 1 is not allowed for this endpoint")
        if requested > allowed:
            raise ValidationError(f"`best_of` must be > 0 and <= {allowed}. Given: {requested}")

    def request(self, request: GenerateRequest) -> ValidRequest:
        """Return the request ready to be generated."""
        parameters = request.parameters
        for problem in self._problems(request):
            raise ValidationError(problem)
        tokens = tokenize(request.inputs)
        if request.add_special_tokens:
            tokens.insert(0, BOS)
        if parameters.truncate is not None:
            tokens = tokens[-parameters.truncate :]
        return ValidRequest(
            inputs=request.inputs,
            input_tokens=tuple(tokens),
            max_new_tokens=self._max_new_tokens(len(tokens), parameters.max_new_tokens),
            stop=parameters.stop,
            seed=_seed(request),
        )

    def _problems(self, request: GenerateRequest) -> Iterator[str]:
        parameters, options = request.parameters, self._options
        best_of = 1 if parameters.best_of is None else parameters.best_of
        if best_of > 1 and not _samples(parameters):
            yield "you must use sampling when `best_of` is > 1"
        yield from _parameter_problems(parameters)
        if len(parameters.stop) > options.max_stop_sequences:
            yield f"`stop` supports up to {options.max_stop_sequences} stop sequences. Given: {len(parameters.stop)}"
        if parameters.seed is not None and best_of > 1:
            yield "`seed` must not be set when `best_of` > 1"
        if parameters.top_n_tokens is not None and parameters.top_n_tokens > options.max_top_n_tokens:
            yield f"`top_n_tokens` must be >= 0 and <= {options.max_top_n_tokens}. Given: {parameters.top_n_tokens}"
        if not request.inputs:
            yield "`inputs` cannot be empty"
        if parameters.truncate is not None and not 0 < parameters.truncate <= self.max_input_tokens:
            limit = self.max_input_tokens
            yield f"`truncate` must be strictly positive and less than {limit}. Given: {parameters.truncate}"

    def _max_new_tokens(self, input_length: int, requested: int | None) -> int:
        total = self.max_total_tokens
        granted = max(total - input_length, 0) if requested is None else requested
        # Longer generations return to the queue every 1,024 tokens, so only the first segment must fit.
        stretch = min(granted, DEFAULT_GENERATION_LENGTH)
        if input_length + stretch > total:
            raise ValidationError(
                f"`inputs` tokens + `max_new_tokens` must be <= {total}. "
                f"Given: {input_length} `inputs` tokens and {stretch} `max_new_tokens`"
            )
        if input_length > self.max_input_tokens:
            raise ValidationError(f"`inputs` must have less than {self.max_input_tokens} tokens. Given: {input_length}")
        return min(granted, total - input_length)


def _samples(parameters: Parameters) -> bool:
    values = (parameters.temperature, parameters.top_k, parameters.top_p, parameters.typical_p)
    return parameters.do_sample or any(value is not None for value in values)


def _parameter_problems(parameters: Parameters) -> Iterator[str]:
    def within(value: float | None, low: float, high: float) -> bool:
        return value is None or low < value < high

    if parameters.temperature is not None and parameters.temperature <= 0:
        yield "`temperature` must be strictly positive"
    if parameters.repetition_penalty is not None and parameters.repetition_penalty <= 0:
        yield "`repetition_penalty` must be strictly positive"
    if parameters.frequency_penalty is not None and not -2 <= parameters.frequency_penalty <= 2:
        yield "`frequency_penalty` must be >= -2.0 and <= 2.0"
    if not within(parameters.top_p, 0, 1):
        yield "`top_p` must be > 0.0 and < 1.0"
    if not within(parameters.typical_p, 0, 1):
        yield "`typical_p` must be > 0.0 and < 1.0"
    if parameters.top_k is not None and parameters.top_k <= 0:
        yield "`top_k` must be strictly positive"
    if parameters.max_new_tokens == 0:
        yield "`max_new_tokens` must be strictly positive"


def _seed(request: GenerateRequest) -> int | None:
    """The seed of a sampled generation. TGI draws one at random; here the prompt decides, so that runs repeat."""
    if not request.parameters.do_sample:
        return None
    given = request.parameters.seed
    return zlib.crc32(request.inputs.encode(), request.variant) if given is None else given
