"""The last lines of a failing TGI, as the real launcher, router and server print them."""

import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.engines.tgi.failure_texts import recognised

NUM_SHARD, OPTIONS = Reason.INVALID_NUM_SHARD, Reason.CONFLICTING_OPTIONS
MEMORY, MODEL, DOWNLOAD = Reason.OUT_OF_GPU_MEMORY, Reason.UNSUPPORTED_MODEL, Reason.MODEL_DOWNLOAD_FAILED

TEXTS = [
    # Found by the launcher before any download.
    ('Error: ArgumentValidation("`max_input_tokens`(2048) must be < `max_total_tokens`(2048)")', OPTIONS),
    (
        (
            'Error: ArgumentValidation("Both `max_input_tokens` (1024) and `max_input_length` (1024) are set. Please '
            'define only `max_input_tokens` as `max_input_length is deprecated for naming consistency.")'
        ),
        OPTIONS,
    ),
    (
        'Error: ArgumentValidation("`max_total_tokens` must be <= `max_batch_total_tokens`. Given: 4096 and 2048")',
        OPTIONS,
    ),
    ('Error: ArgumentValidation("`sharded` is true but `num_shard` <= 1")', OPTIONS),
    ('Error: NotEnoughCUDADevices("`sharded` is true but only found 1 CUDA devices")', NUM_SHARD),
    ('Error: ArgumentValidation("`num_shard` cannot be < 1")', OPTIONS),
    ('Error: ArgumentValidation("Sharding is currently not supported with `exl2` quantization")', NUM_SHARD),
    ('Error: ArgumentValidation("`validation_workers` must be > 0")', OPTIONS),
    ("error: invalid value 'True' for '--trust-remote-code'", OPTIONS),
    ("error: a value is required for '--quantize <QUANTIZE>' but none was supplied", OPTIONS),
    ("error: invalid value 'FP8' for '--quantize <QUANTIZE>'", OPTIONS),
    ("error: invalid value 'float32' for '--dtype <DTYPE>'", OPTIONS),
    ("error: invalid value 'fp8' for '--kv-cache-dtype <KV_CACHE_DTYPE>'", OPTIONS),
    ("error: invalid value 'OFF' for '--usage-stats <USAGE_STATS>'", OPTIONS),
    (
        (
            "error: invalid value 'tcp://10.0.0.1:9090' for '--prometheus-port <PROMETHEUS_PORT>': invalid digit "
            "found in string"
        ),
        OPTIONS,
    ),
    ("error: invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535", OPTIONS),
    (
        (
            "thread 'main' panicked: --num-shard and CUDA_VISIBLE_DEVICES/NVIDIA_VISIBLE_DEVICES/ZE_AFFINITY_MASK are "
            "not set"
        ),
        NUM_SHARD,
    ),
    # Found after the download and the load.
    (
        "RuntimeError: Only 1 can be set between `dtype` and `quantize`, as they both decide how goes the final model.",
        OPTIONS,
    ),
    ("ValueError: `num_heads` must be divisible by `num_shards` (got `num_heads`: 71 and `num_shards`: 2", NUM_SHARD),
    ("`num_key_value_heads` must be divisible by `num_shards` (got `num_key_value_heads`: 8", NUM_SHARD),
    ("The choosen size 50432 is not compatible with sharding on 3 shards", NUM_SHARD),
    ("AssertionError: Each process is one gpu", NUM_SHARD),
    ("ValueError: sharded is not supported for AutoModel", NUM_SHARD),
    ("ValueError: gptq quantization is not supported for AutoModel", MODEL),
    ("NotImplementedError: 4bit quantization is not supported for AutoModel", MODEL),
    ("RuntimeError: Prefix caching is only supported with flashinfer", OPTIONS),
    ("ValueError: Flash decoding requires Flash Attention V2", OPTIONS),
    (
        "FP8 KV cache is currently only supported for flashinfer on CUDA and paged attention on CUDA, ROCm",
        OPTIONS,
    ),
    ("RuntimeError: Using quantized Marlin models requires a GPU with CUDA capability 8.0 or later.", MODEL),
    ("RuntimeError: FlashAttention only supports Ampere GPUs or newer.", MODEL),
    ("ImportError: GPU with CUDA capability 7 0 is not supported", MODEL),
    ("RuntimeError: Speculate is set to `5` and this medusa model has 4 heads, please make them match", OPTIONS),
    (
        "Not enough memory to handle 4096 prefill tokens. You need to decrease `--max-batch-prefill-tokens`",
        MEMORY,
    ),
    ("Error: Backend(NotEnoughMemory(64000))", MEMORY),
    ("Not enough memory to handle `max_total_tokens=64000`", MEMORY),
    ("`max_batch_prefill_tokens` must be >= `max_input_tokens`. Given: 10 and 20", OPTIONS),
    ("`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`. Given: 20 and 10", OPTIONS),
    # From CUDA, the Hub and the disk.
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", MEMORY),
    ("OSError: [Errno 28] No space left on device", DOWNLOAD),
    ("requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url", DOWNLOAD),
    ("huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error.", DOWNLOAD),
    ("huggingface_hub.errors.LocalEntryNotFoundError: An error happened", DOWNLOAD),
    ("429 Client Error: Too Many Requests for url", DOWNLOAD),
    ("ValueError: Unsupported model type gpt_oss", MODEL),
    ("CUDA driver version is insufficient for CUDA runtime version", MODEL),
]


@pytest.mark.parametrize(("words", "reason"), TEXTS)
def test_text_is_recognised(words: str, reason: Reason) -> None:
    found = recognised(f"2026-01-31T12:00:00Z  INFO text_generation_launcher: Args\n{words}\nError: ShardCannotStart")
    assert found is not None
    assert found.reason is reason
    assert found.advice


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        pytest.param(
            "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find the requested files in the disk cache",
            "the PVC does not contain this model at this revision",
            id="offline, and not there",
        ),
        pytest.param(
            "huggingface_hub.errors.EntryNotFoundError: 404 Client Error.", "check spec.model.uri", id="no such file"
        ),
        pytest.param(
            "LocalEntryNotFoundError: An error happened while trying to locate the files on the Hub\n"
            "429 Client Error: Too Many Requests for url",
            "the Hub limits requests from this address",
            id="too many requests",
        ),
        pytest.param(
            "GatedRepoError: 403 Client Error.\nCannot access gated repo",
            "reference a token that has access",
            id="a gated model",
        ),
        pytest.param(
            "ValueError: sharded is not supported for AutoModel", "set spec.runtime.numShard to 1", id="no sharding"
        ),
    ],
)
def test_advice_is_of_that_very_failure(words: str, advice: str) -> None:
    found = recognised(words)
    assert found is not None
    assert advice in found.advice


@pytest.mark.parametrize(
    "words",
    [
        "",
        "Error: ShardCannotStart",
        "Error: WebserverFailed",
        "INFO text_generation_router: Connected",
        "WARN: Could not find tokenizer config",
        "INFO: the model is sharded",
        "GET /generate 404",
    ],
)
def test_anything_else_is_not(words: str) -> None:
    assert recognised(words) is None
