"""Checks for options that the launcher would refuse, or that would fail only after an hour of download.

They run before anything is created. A check is a pure function of a `Launch` that returns a Problem or None. `CHECKS`
is their order.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Model, Runtime
from tgi_operator.engines.tgi import adapters, launcher_options
from tgi_operator.hardware.instances import Instance
from tgi_operator.models import sharding


@dataclass(frozen=True)
class Launch:
    """One launch of TGI, as requested."""

    model: Model
    runtime: Runtime
    environment: Mapping[str, str]
    instance: Instance

    @property
    def shards(self) -> int:
        """GPUs over which the model is split."""
        return self.runtime.num_shard or sharding.default_shards(self.model, self.instance.count)

    def number(self, name: str) -> int | None:
        """Return the option `name` as a number, or None if it is not set or not a number."""
        value = self.environment.get(name, "")
        return int(value) if _PATTERNS["unsigned"][0].fullmatch(value) else None


Check = Callable[[Launch], Problem | None]


@cache
def typed_options() -> dict[str, Any]:
    """Return the type of each option that the launcher parses, by environment name."""
    return dict(yaml.safe_load(files(__package__).joinpath("data/launcher.yaml").read_text()))


_PATTERNS = {
    "unsigned": (re.compile(r"\+?[0-9]+"), "a whole number"),
    "float": (re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"), "a number"),
    "bool": (re.compile(r"true|false"), "exactly true or false"),
    "numbers": (re.compile(r"[0-9]+(,[0-9]+)*"), "whole numbers separated by commas"),
}

_LARGEST = {"port": 2**16 - 1, "u32": 2**32 - 1, "unsigned": 2**64 - 1}
"""Largest value of the launcher's number types."""


_CHECKED_TEXTS = frozenset({"LORA_ADAPTERS", "PREFILL_CHUNKING", "PREFIX_CACHING"})
"""Options that are checked although the launcher takes any text for them."""


def _conflict(message: str) -> Problem:
    return Problem(Reason.CONFLICTING_OPTIONS, message)


def reserved_name(launch: Launch) -> Problem | None:
    """`runtime.env` must not set what a field of the spec sets."""
    for variable in launch.runtime.env:
        field = launcher_options.RESERVED.get(variable.name)
        if field is not None:
            return _conflict(f"spec.runtime.env: {variable.name} is set by the operator; use {field} instead")
        why = launcher_options.FORBIDDEN.get(variable.name)
        if why is not None:
            return _conflict(f"spec.runtime.env: {variable.name}: {why}; remove {variable.name}")
    return None


def checked_value(launch: Launch) -> Problem | None:
    """The value of an option that is checked must be known, so it cannot come from a Secret."""
    for name in launch.runtime.secret_env:
        if name in typed_options() or name in _CHECKED_TEXTS:
            return _conflict(
                f"spec.runtime.env: {name} comes from a Secret, but the operator must check its value; set value "
                "instead of valueFrom"
            )
    return None


def set_twice(launch: Launch) -> Problem | None:
    """A typed option must not also be in `runtime.env`."""
    in_env = {variable.name for variable in launch.runtime.env}
    for attribute, name in launcher_options.TYPED_OPTIONS.items():
        if getattr(launch.runtime, attribute) is None:
            continue
        also = in_env & ({name, "MAX_INPUT_LENGTH"} if name == "MAX_INPUT_TOKENS" else {name})
        if also:
            field = Runtime.model_fields[attribute].alias
            return _conflict(f"spec.runtime.{field} and spec.runtime.env {also.pop()} set the same option; keep one")
    if {"MAX_INPUT_TOKENS", "MAX_INPUT_LENGTH"} <= in_env:
        return _conflict(
            "spec.runtime.env: MAX_INPUT_TOKENS and MAX_INPUT_LENGTH are the same option; keep MAX_INPUT_TOKENS"
        )
    return None


def wrong_value(launch: Launch) -> Problem | None:
    """The launcher parses every option that it knows, and exits with an error at the first invalid one."""
    for name, value in launch.environment.items():
        kind = typed_options().get(name)
        if isinstance(kind, list) and value not in kind:
            return _conflict(f"spec.runtime: {name} is {value!r}; use one of {', '.join(kind)}")
        if isinstance(kind, str):
            pattern, expected = _PATTERNS["unsigned" if kind in _LARGEST else kind]
            if not pattern.fullmatch(value):
                return _conflict(f"spec.runtime: {name} is {value!r} but must be {expected}")
            if kind in _LARGEST and int(value) > _LARGEST[kind]:
                return _conflict(f"spec.runtime: {name} is {value} but must be at most {_LARGEST[kind]}")
    return None


def zero(launch: Launch) -> Problem | None:
    """Zero is either refused (`validation_workers` must be > 0) or keeps TGI from serving anything."""
    for name in ("VALIDATION_WORKERS", "MAX_CONCURRENT_REQUESTS", "MAX_BATCH_SIZE", "MAX_TOTAL_TOKENS"):
        if launch.number(name) == 0:
            return _conflict(f"spec.runtime: {name} is 0; use at least 1")
    return None


def more_shards_than_gpus(launch: Launch) -> Problem | None:
    """Each shard needs its own GPU."""
    if launch.shards > launch.instance.count:
        return Problem(
            Reason.INVALID_NUM_SHARD,
            f"spec.runtime.numShard is {launch.shards}, but the number of GPUs is {launch.instance.count}; "
            f"use at most {launch.instance.count}, or {launch.instance.more}",
        )
    return None


def indivisible_heads(launch: Launch) -> Problem | None:
    """`num_heads` and `num_key_value_heads` must be divisible by `num_shards`. TGI fails only after the download."""
    why = sharding.indivisible(launch.model, launch.shards)
    return Problem(Reason.INVALID_NUM_SHARD, f"spec.runtime.numShard: {why}") if why else None


def sharded_without_shards(launch: Launch) -> Problem | None:
    """`sharded` is true but `num_shard` <= 1."""
    if launch.environment.get("SHARDED") == "true" and launch.shards == 1:
        return _conflict(
            "spec.runtime.env: SHARDED is true, but there is only one shard; remove SHARDED, or raise "
            "spec.runtime.numShard"
        )
    return None


def sharded_exl2(launch: Launch) -> Problem | None:
    """Sharding is currently not supported with `exl2` quantization."""
    if launch.environment.get("QUANTIZE") == "exl2" and launch.shards > 1:
        return _conflict(
            f"spec.runtime.quantize: exl2 weights cannot be split across {launch.shards} GPUs; set numShard to 1"
        )
    return None


def no_room_for_answer(launch: Launch) -> Problem | None:
    """`max_input_tokens` must be < `max_total_tokens`."""
    longest = launch.number("MAX_INPUT_TOKENS") or launch.number("MAX_INPUT_LENGTH")
    total = launch.number("MAX_TOTAL_TOKENS")
    if longest is not None and total is not None and longest >= total:
        return _conflict(f"spec.runtime: maxInputTokens {longest} must be less than maxTotalTokens {total}")
    return None


def batch_smaller_than_request(launch: Launch) -> Problem | None:
    """`max_total_tokens` and `max_batch_prefill_tokens` must be <= `max_batch_total_tokens`."""
    batch = launch.number("MAX_BATCH_TOTAL_TOKENS")
    for name in ("MAX_TOTAL_TOKENS", "MAX_BATCH_PREFILL_TOKENS"):
        value = launch.number(name)
        if batch is not None and value is not None and value > batch:
            return _conflict(f"spec.runtime: {name} {value} must not exceed MAX_BATCH_TOTAL_TOKENS {batch}")
    return None


def prefill_smaller_than_prompt(launch: Launch) -> Problem | None:
    """`max_batch_prefill_tokens` must be >= `max_input_tokens` if prompts are not prefilled in chunks."""
    prefill = launch.number("MAX_BATCH_PREFILL_TOKENS")
    longest = launch.number("MAX_INPUT_TOKENS") or launch.number("MAX_INPUT_LENGTH")
    if launch.environment.get("PREFILL_CHUNKING") != "0" or prefill is None or longest is None:
        return None
    if prefill < longest:
        return _conflict(
            f"spec.runtime: MAX_BATCH_PREFILL_TOKENS {prefill} must not be less than MAX_INPUT_TOKENS {longest} "
            "when PREFILL_CHUNKING is 0"
        )
    return None


def dtype_and_quantize(launch: Launch) -> Problem | None:
    """The server: Only 1 can be set between `dtype` and `quantize`. TGI fails only after the download."""
    quantize = launch.environment.get("QUANTIZE", "")
    if "DTYPE" in launch.environment and quantize and not quantize.startswith("bitsandbytes"):
        return _conflict(
            f"spec.runtime: dtype {launch.environment['DTYPE']} and quantize {quantize} both determine how the model "
            "is loaded; keep one"
        )
    return None


def too_old_a_gpu(launch: Launch) -> Problem | None:
    """bfloat16, fp8 and Marlin kernels need CUDA capability 8.0. TGI fails only after the download."""
    if launch.instance.capability >= (8, 0):
        return None
    for name in ("DTYPE", "QUANTIZE"):
        value = launch.environment.get(name)
        if value in ("bfloat16", "fp8", "marlin"):
            return _conflict(
                f"spec.runtime.{name.lower()}: {value} needs compute capability 8.0 or higher, but the "
                f"{launch.instance.gpu} has {launch.instance.capability[0]}.{launch.instance.capability[1]}; "
                f"{launch.instance.newer}"
            )
    return None


def attention_without_feature(launch: Launch) -> Problem | None:
    """Prefix caching needs flashinfer or flashdecoding. An fp8 KV cache needs flashinfer or paged attention."""
    attention = launch.environment.get("ATTENTION")
    if attention == "flashdecoding" and launch.instance.capability < (8, 0):
        return _conflict(
            f"spec.runtime.env: ATTENTION flashdecoding does not run on the {launch.instance.gpu}; use paged"
        )
    if attention == "paged" and launch.environment.get("PREFIX_CACHING", "").lower() in ("1", "true"):
        return _conflict("spec.runtime.env: PREFIX_CACHING is not supported with ATTENTION paged; use flashinfer")
    if attention == "flashdecoding" and "KV_CACHE_DTYPE" in launch.environment:
        return _conflict("spec.runtime.env: KV_CACHE_DTYPE needs ATTENTION flashinfer or paged, not flashdecoding")
    return None


def memory_fraction(launch: Launch) -> Problem | None:
    """The launcher does not check the range, and the server then fails to allocate memory."""
    value = launch.environment.get("CUDA_MEMORY_FRACTION")
    if value is not None and not 0 < float(value) <= 1:
        return _conflict(f"spec.runtime.env: CUDA_MEMORY_FRACTION is {value} but must be greater than 0 and at most 1")
    return None


def lora_adapters(launch: Launch) -> Problem | None:
    """TGI fails at an adapter that it cannot load only after the download of the base model."""
    wrong = adapters.problem(launch.environment.get("LORA_ADAPTERS", ""))
    return _conflict(f"spec.runtime.env: LORA_ADAPTERS: {wrong}") if wrong else None


CHECKS: tuple[Check, ...] = (
    reserved_name,
    checked_value,
    set_twice,
    wrong_value,
    zero,
    more_shards_than_gpus,
    indivisible_heads,
    sharded_without_shards,
    sharded_exl2,
    no_room_for_answer,
    batch_smaller_than_request,
    prefill_smaller_than_prompt,
    dtype_and_quantize,
    too_old_a_gpu,
    attention_without_feature,
    memory_fraction,
    lora_adapters,
)


def first_problem(launch: Launch) -> Problem | None:
    """Return the first problem of the launch, or None if it can work."""
    return next((problem for check in CHECKS if (problem := check(launch)) is not None), None)
