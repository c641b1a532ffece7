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
    ("NCCL WARN Cuda failure 2 'out of memory'\ntorch.distributed.DistBackendError: NCCL error in: x", MEMORY),
    ("OSError: [Errno 28] No space left on device", DOWNLOAD),
    ("requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url", DOWNLOAD),
    ("huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error.", DOWNLOAD),
    ("huggingface_hub.errors.LocalEntryNotFoundError: An error happened", DOWNLOAD),
    ("ValueError: Unsupported model type gpt_oss", MODEL),
    ("CUDA driver version is insufficient for CUDA runtime version", MODEL),
]


@pytest.mark.parametrize(("words", "reason"), TEXTS)
def test_text_is_recognised(words: str, reason: Reason) -> None:
    found = recognised(f"2026-01-31T12:00:00Z  INFO text_generation_launcher: Args\n{words}\nError: ShardCannotStart")
    assert found is not None
    assert (found.reason, found.temporary) == (reason, False)
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
            "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error.\n\nRevision Not Found for url: https://x.",
            "check spec.model.uri and spec.model.revision",
            id="no such revision",
        ),
        pytest.param(
            "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-6)\n\n"
            "Repository Not Found for url: https://huggingface.co/api/models/a/b.\n"
            "Please make sure you specified the correct `repo_id` and `repo_type`.\n"
            "If you are trying to access a private or gated repo, make sure you are authenticated.\n"
            "Invalid username or password.",
            "check spec.model.uri; if the model is private",
            id="a name that does not exist",
        ),
        pytest.param(
            "GatedRepoError: 403 Client Error.\nCannot access gated repo",
            "request access to the model",
            id="a gated model",
        ),
        pytest.param(
            "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-6)\n\n"
            "Cannot access gated repo for url "
            "https://huggingface.co/meta-llama/Llama-3.1-8B/resolve/main/config.json.\n"
            "Access to model meta-llama/Llama-3.1-8B is restricted. You must have access to it and be authenticated to "
            "access it. Please log in.",
            "request access to the model",
            id="a gated model without a token",
        ),
        pytest.param(
            "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x\n"
            "Invalid credentials in Authorization header",
            "the Hub rejected the token",
            id="a token that is not valid",
        ),
        pytest.param(
            "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:317, "
            "unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.21.5\n"
            "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\n"
            "Last error:\nError while creating shared memory segment /dev/shm/nccl-EoOvZr (size 7340384)",
            "raise spec.inCluster.sharedMemorySize",
            id="shared memory that is too small",
        ),
        pytest.param(
            "misc/shmutils.cc:88 NCCL WARN Error: failed to extend /dev/shm/nccl-WU88OE to 9637892 bytes, error: No "
            "space left on device (28)",
            "raise spec.inCluster.sharedMemorySize",
            id="shared memory that is full",
        ),
        pytest.param(
            "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:268, "
            "invalid usage (run with NCCL_DEBUG=WARN for details), NCCL version 2.21.5\n"
            "ncclInvalidUsage: This usually reflects invalid usage of NCCL library.\nLast error:\n"
            "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 1e0",
            "set spec.runtime.numShard to 1",
            id="two shards on one GPU",
        ),
        pytest.param(
            "torch.distributed.DistBackendError: NCCL error in: "
            "../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1970, "
            "unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.20.5",
            "set NCCL_DEBUG to INFO",
            id="GPUs that cannot exchange data",
        ),
        pytest.param(
            "ValueError: Loading tiiuae/falcon-40b-instruct requires you to execute the configuration file in "
            "that repo "
            "on your local machine. Make sure you have read the code there to avoid malicious use, then set the option "
            "`trust_remote_code=True` to remove this error.",
            "set spec.runtime.trustRemoteCode to true",
            id="code of the model",
        ),
        pytest.param(
            "ValueError: The repository for a/b contains custom code which must be executed to correctly load "
            "the model."
            " You can inspect the repository content at https://hf.co/a/b.\n"
            "Please pass the argument `trust_remote_code=True` to allow custom code to be run.",
            "set spec.runtime.trustRemoteCode to true",
            id="code of the model, in newer versions",
        ),
        pytest.param(
            "PermissionError: [Errno 13] Permission denied: '/data/hub/models--a--b/snapshots/c0/model.safetensors'",
            "TGI cannot use the path that the log names",
            id="a file that cannot be written",
        ),
        pytest.param(
            "OSError: [Errno 30] Read-only file system: '/data/hub/models--a--b'",
            "TGI cannot use the path that the log names",
            id="a file system that cannot be written",
        ),
        pytest.param(
            "thread 'main' panicked at 'error binding to 0.0.0.0:80: error creating server listener: Permission denied "
            "(os error 13)'",
            "the pod can use only ports 1024 and higher",
            id="a port that needs a capability",
        ),
        pytest.param(
            "RuntimeError: The server socket has failed to listen on any local network address. The server socket has "
            "failed to bind to [::]:29500 (errno: 98 - Address already in use).",
            "two processes in the pod use the same port",
            id="a port that is in use",
        ),
        pytest.param(
            "error creating server listener: Address already in use (os error 98)",
            "two processes in the pod use the same port",
            id="a port of the router that is in use",
        ),
        pytest.param(
            "exec /tgi-entrypoint.sh: exec format error", "kubernetes.io/arch: amd64", id="a node with another CPU"
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


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        pytest.param(
            "LocalEntryNotFoundError: An error happened while trying to locate the files on the Hub\n"
            "429 Client Error: Too Many Requests for url",
            "the Hub is rate limiting this IP address",
            id="too many requests",
        ),
        pytest.param(
            "huggingface_hub.errors.HfHubHTTPError: 503 Server Error: Service Unavailable for url: https://x",
            "the Hub responded with a server error",
            id="a Hub that is down",
        ),
        pytest.param(
            "requests.exceptions.ConnectionError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', "
            "port=443):"
            ' Max retries exceeded with url: /api/models/a/b (Caused by NameResolutionError("<urllib3.connection.'
            "HTTPSConnection object at 0x78>: Failed to resolve 'huggingface.co' ([Errno -3] Temporary failure in name "
            "resolution)\"))\"), '(Request ID: 1)')",
            "the pod cannot connect to the Hub",
            id="no DNS",
        ),
        pytest.param(
            "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the "
            "Hub and we cannot find the requested files in the local cache. Please check your connection and try again "
            "or make sure your Internet connection is on.",
            "the pod cannot connect to the Hub",
            id="no connection and no file",
        ),
        pytest.param(
            "requests.exceptions.ReadTimeout: (ReadTimeoutError(\"HTTPSConnectionPool(host='cdn-lfs.huggingface.co', "
            "port=443): Read timed out. (read timeout=10)\"), '(Request ID: 1)')",
            "the pod cannot connect to the Hub",
            id="no answer",
        ),
    ],
)
def test_what_can_pass_without_a_change_is_temporary(words: str, advice: str) -> None:
    found = recognised(words)
    assert found is not None
    assert (found.reason, found.temporary) == (DOWNLOAD, True)
    assert advice in found.advice
