"""The errors of text-generation-launcher, in its order and with its texts.

The launcher checks some combinations of options before it downloads a model (launcher/src/main.rs), the model server
others only when the weights are there (server/text_generation_server), and the router the rest at the very end
(backends/v3/src/main.rs). A `LauncherError` contains the step.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tgi_sandbox.tgi import offline
from tgi_sandbox.tgi.errors import (
    LauncherError,
    Stage,
    download_error,
    launcher_error,
    panic,
    shard_error,
    webserver_error,
)
from tgi_sandbox.tgi.models import DEFAULT_CONTEXT, known_architecture
from tgi_sandbox.tgi.options import Options, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LauncherError", "Options", "Stage", "check", "num_shards", "parse", "token_limits"]

_DEVICE_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
_QUANTIZE_WITH_DTYPE = frozenset({"bitsandbytes", "bitsandbytes-nf4", "bitsandbytes-fp4"})
_ATTENTION = ("paged", "flashdecoding", "flashdecoding-ipex", "flashinfer")
_TRUE = frozenset({"1", "true"})
_ADAPTER = re.compile(r"^([^=@]+)(?:=([^@]+))?(?:@(.+))?$")


def check(env: Mapping[str, str], gpus: int) -> Options:
    """Return the options of a launcher that would start on a machine with so many GPUs, or raise its error."""
    options = parse(env)
    shards = num_shards(options, env, gpus)
    for problem in _problems(options, env, shards, gpus):
        raise problem
    return options


def num_shards(options: Options, env: Mapping[str, str], gpus: int) -> int:
    """Return the number of model shards: `find_num_shards` of launcher/src/main.rs."""
    devices = _visible_devices(env, gpus)
    if options.num_shard is not None:
        count = options.num_shard
        if options.sharded and count <= 1:
            raise launcher_error("ArgumentValidation", "`sharded` is true but `num_shard` <= 1")
    elif options.sharded:
        if devices is None:
            raise panic("--num-shard and CUDA_VISIBLE_DEVICES/NVIDIA_VISIBLE_DEVICES/ZE_AFFINITY_MASK are not set")
        if devices <= 1:
            message = f"`sharded` is true but only found {devices} CUDA devices"
            raise launcher_error("NotEnoughCUDADevices", message)
        count = devices
    else:
        count = 1 if options.sharded is False or devices is None else devices
    if count < 1:
        raise launcher_error("ArgumentValidation", "`num_shard` cannot be < 1")
    return count


def token_limits(options: Options) -> tuple[int, int]:
    """Return the largest input and the largest total of a request, in tokens, as the router sets them at warm-up."""
    known = known_architecture(options.model_id)
    context = known.context if known else DEFAULT_CONTEXT
    if options.max_total_tokens is not None:
        total = options.max_total_tokens
    else:
        total = context if options.input_limit is None else max(context, options.input_limit + 1)
    return (max(total - 1, 0) if options.input_limit is None else options.input_limit), total


def _visible_devices(env: Mapping[str, str], gpus: int) -> int | None:
    for name in _DEVICE_VARIABLES:
        devices = env.get(name)
        if devices is not None:
            everything = name == "NVIDIA_VISIBLE_DEVICES" and devices.strip() in {"all", "void"}
            return gpus if everything else len(devices.split(","))
    return None


def _problems(options: Options, env: Mapping[str, str], shards: int, gpus: int) -> Iterator[LauncherError]:
    for message in _argument_problems(options, shards):
        yield launcher_error("ArgumentValidation", message)
    yield from _download_problems(options, env)
    for message in _shard_problems(options, env, shards, gpus):
        yield shard_error(message)
    for message in _router_problems(options, env):
        yield webserver_error(message)


def _argument_problems(options: Options, shards: int) -> Iterator[str]:
    """The checks of `main` of launcher/src/main.rs before the download."""
    if shards > 1 and options.quantize == "exl2":
        yield "Sharding is currently not supported with `exl2` quantization"
    if options.max_input_tokens is not None and options.max_input_length is not None:
        yield (
            f"Both `max_input_tokens` ({options.max_input_tokens}) and `max_input_length` ({options.max_input_length})"
            " are set. Please define only `max_input_tokens` as `max_input_length is deprecated for naming consistency."
        )
    limit, total = options.input_limit, options.max_total_tokens
    if limit is not None and total is not None and limit >= total:
        yield f"`max_input_tokens`({limit}) must be < `max_total_tokens`({total})"
    if options.validation_workers == 0:
        yield "`validation_workers` must be > 0"
    batch_total = options.max_batch_total_tokens
    if batch_total is not None and total is not None and total > batch_total:
        yield f"`max_total_tokens` must be <= `max_batch_total_tokens`. Given: {total} and {batch_total}"
    if options.ngrok and options.ngrok_authtoken is None:
        yield "`ngrok-authtoken` must be set when using ngrok tunneling"
    if options.ngrok and options.ngrok_edge is None:
        yield "`ngrok-edge` must be set when using ngrok tunneling"


def _download_problems(options: Options, env: Mapping[str, str]) -> Iterator[LauncherError]:
    """The checks of `download_convert_model` for the model, then for its adapters."""
    model = options.model_id
    if "gated" in model and not model.startswith("/") and not _hub_token(env):
        yield download_error(
            "huggingface_hub.errors.GatedRepoError: 401 Client Error.\n\n"
            f"Cannot access gated repo for url https://huggingface.co/api/models/{model}.\n"
            f"Access to model {model} is restricted. You must have access to it and be authenticated to access it. "
            "Please log in."
        )
    for adapter in (options.lora_adapters or "").split(","):
        if "=" not in adapter and adapter.count("@") > 1:
            message = f"Invalid LoRA adapter format: {adapter.strip()}"
            yield launcher_error("ArgumentValidation", message, stage=Stage.DOWNLOAD)
    for message in offline.download_problems(options, env):
        yield download_error(message)


def _hub_token(env: Mapping[str, str]) -> str | None:
    return env.get("HF_TOKEN") or env.get("HUGGING_FACE_HUB_TOKEN") or env.get("HF_API_TOKEN")


def _shard_problems(options: Options, env: Mapping[str, str], shards: int, gpus: int) -> Iterator[str]:
    """The checks of the model server while it starts: cli.py, utils/dist.py and the modeling code."""
    if options.dtype is not None and options.quantize is not None and options.quantize not in _QUANTIZE_WITH_DTYPE:
        yield (
            "RuntimeError: Only 1 can be set between `dtype` and `quantize`, "
            "as they both decide how goes the final model."
        )
    yield from _attention_problems(options, env)
    yield from _gpu_problems(options, env)
    if shards > max(gpus, 1):
        yield "AssertionError: Each process is one gpu"
    yield from _sharding_problems(options, shards)
    yield from _adapter_problems(options)
    yield from offline.shard_problems(options, env)


def _adapter_problems(options: Options) -> Iterator[str]:
    """`parse_lora_adapters` and `load_module_map` of utils/adapter.py."""
    for adapter in (options.lora_adapters or "").split(",") if options.lora_adapters else ():
        match = _ADAPTER.match(adapter.strip())
        if match is None or adapter.count("=") > 1 or adapter.count("@") > 1:
            yield f"ValueError: Invalid LoRA adapter format: {adapter.strip()}"
        elif match[2] is not None and not match[2].startswith("/"):
            # The files of an adapter with a name are those of a local folder, which `os.walk` does not find.
            yield "StopIteration"


def _gpu_problems(options: Options, env: Mapping[str, str]) -> Iterator[str]:
    """layers/attention/cuda.py and layers/marlin/util.py, for a GPU of SANDBOX_CUDA_CAPABILITY."""
    major, minor = map(int, env.get("SANDBOX_CUDA_CAPABILITY", "8.6").split("."))
    if (major, minor) < (7, 5):
        yield f"ImportError: GPU with CUDA capability {major} {minor} is not supported"
    if (major, minor) < (8, 0) and options.quantize == "marlin":
        yield "RuntimeError: Using quantized Marlin models requires a GPU with CUDA capability 8.0 or later."
    if (major, minor) < (8, 0) and env.get("ATTENTION") == "flashdecoding":
        yield "ValueError: Flash decoding requires Flash Attention V2"


def _attention_problems(options: Options, env: Mapping[str, str]) -> Iterator[str]:
    """models/globals.py and layers/attention/kv_cache.py."""
    attention = env.get("ATTENTION", "flashinfer")
    prefix_caching = env.get("PREFIX_CACHING", "0").lower() in _TRUE
    if attention not in _ATTENTION:
        expected = "{" + ", ".join(f"'{name}'" for name in _ATTENTION) + "}"
        yield f"AssertionError: Attention is not valid {attention}, expected {expected}"
    if prefix_caching and attention == "paged":
        yield "RuntimeError: Prefix caching is only supported with flashinfer"
    if options.kv_cache_dtype is not None and attention.startswith("flashdecoding"):
        yield (
            "ValueError: FP8 KV cache is currently only supported for flashinfer on CUDA and paged attention on CUDA, "
            "ROCm and INTEL IPEX and flashdecoding in Intel IPEX "
        )


def _sharding_problems(options: Options, shards: int) -> Iterator[str]:
    known = known_architecture(options.model_id)
    if known is None:
        return
    if known.heads % shards:
        yield (
            "ValueError: `num_heads` must be divisible by `num_shards` "
            f"(got `num_heads`: {known.heads} and `num_shards`: {shards}"
        )
    if known.kv_heads is not None and known.kv_heads % shards:
        yield (
            "ValueError: `num_key_value_heads` must be divisible by `num_shards` "
            f"(got `num_key_value_heads`: {known.kv_heads} and `num_shards`: {shards}"
        )


def _router_problems(options: Options, env: Mapping[str, str]) -> Iterator[str]:
    """The checks of `main` of backends/v3/src/main.rs, once the model is loaded and its limits are known."""
    if options.max_batch_size == 0:
        yield 'ArgumentValidation("`max_batch_size` must be > 0")'
    limit, total = token_limits(options)
    if limit >= total:
        yield 'ArgumentValidation("`max_input_tokens` must be < `max_total_tokens`")'
    prefill, batch_total = options.max_batch_prefill_tokens, options.max_batch_total_tokens
    chunking = env.get("PREFILL_CHUNKING", "1").lower() in _TRUE
    if prefill is not None and limit > prefill and not chunking:
        yield (
            'ArgumentValidation("`max_batch_prefill_tokens` must be >= `max_input_tokens`. '
            f'Given: {prefill} and {limit}")'
        )
    if prefill is not None and batch_total is not None and prefill > batch_total:
        yield (
            'ArgumentValidation("`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`. '
            f'Given: {prefill} and {batch_total}")'
        )
