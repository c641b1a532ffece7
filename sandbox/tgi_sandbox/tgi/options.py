"""The options of text-generation-launcher 3.3 as a table, and how their environment variables are read.

Names, types, defaults and order are those of `struct Args` in launcher/src/main.rs. The values are parsed like clap
parses them, and a value that clap refuses is refused with clap's text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Protocol

from tgi_sandbox.tgi.errors import usage_error

if TYPE_CHECKING:
    from collections.abc import Mapping

U16_MAX: Final = 2**16 - 1
U32_MAX: Final = 2**32 - 1
U64_MAX: Final = 2**64 - 1


class OptionType(Protocol):
    """A type of option: its format in messages, and its parser."""

    @property
    def takes_value(self) -> bool:
        """Whether clap shows the argument with a value placeholder."""

    def read(self, value: str, argument: str) -> object:
        """Return the parsed `value`, or raise the usage error of clap."""


@dataclass(frozen=True)
class Text:
    """Any string, including the empty one."""

    takes_value: bool = True

    def read(self, value: str, argument: str) -> str:
        """Return the value as it is."""
        return value


@dataclass(frozen=True)
class Integer:
    """An unsigned integer; `ranged` ones (u16, u32) report their range, the others (usize) Rust's parse error."""

    maximum: int = U64_MAX
    ranged: bool = False
    takes_value: bool = True

    def read(self, value: str, argument: str) -> int:
        """Return the integer."""
        sign = "[+-]?" if self.ranged else r"\+?"
        if not value:
            reason = "cannot parse integer from empty string"
        elif not re.fullmatch(sign + "[0-9]+", value, re.ASCII):
            reason = "invalid digit found in string"
        elif not 0 <= int(value) <= self.maximum:
            out_of_range = f"{int(value)} is not in 0..={self.maximum}"
            reason = out_of_range if self.ranged else "number too large to fit in target type"
        else:
            return int(value)
        raise usage_error(f"invalid value '{value}' for '{argument}': {reason}")


@dataclass(frozen=True)
class Float:
    """A decimal number."""

    takes_value: bool = True

    def read(self, value: str, argument: str) -> float:
        """Return the parsed float."""
        if re.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", value, re.ASCII):
            return float(value)
        if re.fullmatch(r"[+-]?(?:inf|infinity|nan)", value, re.IGNORECASE):
            return math.nan if value.lower().endswith("nan") else float(value)
        reason = "invalid float literal" if value else "cannot parse float from empty string"
        raise usage_error(f"invalid value '{value}' for '{argument}': {reason}")


@dataclass(frozen=True)
class Choice:
    """One of a few words, compared exactly."""

    values: tuple[str, ...]
    takes_value: bool = True

    def read(self, value: str, argument: str) -> str:
        """Return the word."""
        if value in self.values:
            return value
        problem = (
            f"invalid value '{value}' for '{argument}'"
            if value
            else f"a value is required for '{argument}' but none was supplied"
        )
        raise usage_error(f"{problem}\n  [possible values: {', '.join(self.values)}]")


@dataclass(frozen=True)
class Boolean:
    """Exactly `true` or `false`."""

    takes_value: bool = False

    def read(self, value: str, argument: str) -> bool:
        """Return the boolean."""
        return Choice(("true", "false")).read(value, argument) == "true"


@dataclass(frozen=True)
class Integers:
    """Comma-separated integers."""

    takes_value: bool = True

    def read(self, value: str, argument: str) -> tuple[int, ...]:
        """Return the integers."""
        return tuple(Integer().read(item, argument) for item in value.split(","))


def _type(option_type: OptionType) -> dict[str, OptionType]:
    return {"type": option_type}


_TEXT: Final = _type(Text())
_USIZE: Final = _type(Integer())
_U32: Final = _type(Integer(U32_MAX, ranged=True))
_U16: Final = _type(Integer(U16_MAX, ranged=True))
_FLOAT: Final = _type(Float())
_FLAG: Final = _type(Boolean())
_BOOLEAN: Final = _type(Boolean(takes_value=True))
_QUANTIZATION: Final = _type(
    Choice(
        (
            "awq",
            "compressed-tensors",
            "eetq",
            "exl2",
            "gptq",
            "marlin",
            "bitsandbytes",
            "bitsandbytes-nf4",
            "bitsandbytes-fp4",
            "fp8",
        )
    )
)
_DTYPE: Final = _type(Choice(("float16", "bfloat16")))
_KV_CACHE_DTYPE: Final = _type(Choice(("fp8_e4m3fn", "fp8_e5m2")))
_ROPE_SCALING: Final = _type(Choice(("linear", "dynamic")))
_USAGE_STATS: Final = _type(Choice(("on", "no-stack", "off")))


@dataclass(frozen=True)
class Options:
    """The options of the launcher. The environment variable of an option is its name in uppercase."""

    model_id: str = field(default="bigscience/bloom-560m", metadata=_TEXT)
    revision: str | None = field(default=None, metadata=_TEXT)
    validation_workers: int = field(default=2, metadata=_USIZE)
    sharded: bool | None = field(default=None, metadata=_BOOLEAN)
    num_shard: int | None = field(default=None, metadata=_USIZE)
    quantize: str | None = field(default=None, metadata=_QUANTIZATION)
    speculate: int | None = field(default=None, metadata=_USIZE)
    dtype: str | None = field(default=None, metadata=_DTYPE)
    kv_cache_dtype: str | None = field(default=None, metadata=_KV_CACHE_DTYPE)
    trust_remote_code: bool = field(default=False, metadata=_FLAG)
    max_concurrent_requests: int = field(default=128, metadata=_USIZE)
    max_best_of: int = field(default=2, metadata=_USIZE)
    max_stop_sequences: int = field(default=4, metadata=_USIZE)
    max_top_n_tokens: int = field(default=5, metadata=_U32)
    max_input_tokens: int | None = field(default=None, metadata=_USIZE)
    max_input_length: int | None = field(default=None, metadata=_USIZE)
    max_total_tokens: int | None = field(default=None, metadata=_USIZE)
    waiting_served_ratio: float = field(default=0.3, metadata=_FLOAT)
    max_batch_prefill_tokens: int | None = field(default=None, metadata=_U32)
    max_batch_total_tokens: int | None = field(default=None, metadata=_U32)
    max_waiting_tokens: int = field(default=20, metadata=_USIZE)
    max_batch_size: int | None = field(default=None, metadata=_USIZE)
    cuda_graphs: tuple[int, ...] | None = field(default=None, metadata=_type(Integers()))
    hostname: str = field(default="0.0.0.0", metadata=_TEXT)  # noqa: S104 (the launcher's default)
    port: int = field(default=3000, metadata=_U16)
    prometheus_port: int = field(default=9000, metadata=_U16)
    shard_uds_path: str = field(default="/tmp/text-generation-server", metadata=_TEXT)  # noqa: S108 (idem)
    master_addr: str = field(default="localhost", metadata=_TEXT)
    master_port: int = field(default=29500, metadata=_USIZE)
    huggingface_hub_cache: str | None = field(default=None, metadata=_TEXT)
    weights_cache_override: str | None = field(default=None, metadata=_TEXT)
    disable_custom_kernels: bool = field(default=False, metadata=_FLAG)
    cuda_memory_fraction: float = field(default=1.0, metadata=_FLOAT)
    rope_scaling: str | None = field(default=None, metadata=_ROPE_SCALING)
    rope_factor: float | None = field(default=None, metadata=_FLOAT)
    json_output: bool = field(default=False, metadata=_FLAG)
    otlp_endpoint: str | None = field(default=None, metadata=_TEXT)
    otlp_service_name: str = field(default="text-generation-inference.router", metadata=_TEXT)
    cors_allow_origin: str | None = field(default=None, metadata=_TEXT)
    api_key: str | None = field(default=None, metadata=_TEXT)
    watermark_gamma: float | None = field(default=None, metadata=_FLOAT)
    watermark_delta: float | None = field(default=None, metadata=_FLOAT)
    ngrok: bool = field(default=False, metadata=_FLAG)
    ngrok_authtoken: str | None = field(default=None, metadata=_TEXT)
    ngrok_edge: str | None = field(default=None, metadata=_TEXT)
    tokenizer_config_path: str | None = field(default=None, metadata=_TEXT)
    disable_grammar_support: bool = field(default=False, metadata=_FLAG)
    max_client_batch_size: int = field(default=4, metadata=_USIZE)
    lora_adapters: str | None = field(default=None, metadata=_TEXT)
    usage_stats: str = field(default="on", metadata=_USAGE_STATS)
    payload_limit: int = field(default=2_000_000, metadata=_USIZE)
    enable_prefill_logprobs: bool = field(default=False, metadata=_FLAG)
    graceful_termination_timeout: int = field(default=90, metadata=_USIZE)

    @property
    def input_limit(self) -> int | None:
        """The longest accepted input in tokens, from whichever of its two names was set."""
        return self.max_input_length if self.max_input_tokens is None else self.max_input_tokens


def parse(env: Mapping[str, str]) -> Options:
    """Read the options from environment variables; the first unreadable one, in table order, is a `LauncherError`."""
    given: dict[str, Any] = {}
    for row in fields(Options):
        value = env.get(row.name.upper())
        if value is not None:
            option_type: OptionType = row.metadata["type"]
            given[row.name] = option_type.read(value, _argument(row.name, option_type))
    return Options(**given)


def _argument(name: str, option_type: OptionType) -> str:
    flag = "--" + name.replace("_", "-")
    return f"{flag} <{name.upper()}>" if option_type.takes_value else flag
