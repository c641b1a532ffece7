"""Each check with specs that fail it and near misses, and all of them against the launcher of the sandbox.

The sandbox's launcher is based on TGI's source and not on these checks: what the operator accepts must start there,
and what it refuses because of the launcher is refused there with TGI's own text.
"""

import inspect
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import DType, Model, Quantize, Runtime
from tgi_operator.engines.tgi import launch_checks, launcher_options
from tgi_operator.engines.tgi.launch_checks import Launch, first_problem
from tgi_operator.hardware.instances import instance
from tgi_sandbox.tgi.launcher import LauncherError
from tgi_sandbox.tgi.launcher import check as start

ZEPHYR, FALCON = "hf://HuggingFaceH4/zephyr-7b-beta", "hf://tiiuae/falcon-7b-instruct"


def launch(
    env: dict[str, str] | None = None,
    *,
    uri: str = ZEPHYR,
    on: str = "ml.g5.12xlarge",
    **fields: Any,
) -> Launch:
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    runtime = Runtime.model_validate({"env": variables, **fields})
    return Launch(Model(uri=uri), runtime, launcher_options.options(runtime, (3, 3, 6)), instance(on))


def start_in_sandbox(asked: Launch) -> None:
    """Raise LauncherError if the launcher would not start, with the GPUs and the model as SageMaker provides them."""
    major, minor = asked.instance.capability
    environment = {
        **asked.environment,
        "MODEL_ID": asked.model.hub_id,
        "NUM_SHARD": str(asked.shards),
        "SANDBOX_CUDA_CAPABILITY": f"{major}.{minor}",
    }
    start(environment, asked.instance.count)


def problem_of(asked: Launch) -> Problem:
    problem = first_problem(asked)
    assert problem is not None
    return problem


FORESEEN = [
    pytest.param(
        launch({"MAX_INPUT_TOKENS": "2048", "MAX_TOTAL_TOKENS": "2048"}),
        "maxInputTokens 2048 must be less than maxTotalTokens 2048",
        "`max_input_tokens`(2048) must be < `max_total_tokens`(2048)",
        id="no room for an answer",
    ),
    pytest.param(
        launch({"MAX_INPUT_LENGTH": "2048", "MAX_TOTAL_TOKENS": "2047"}),
        "maxInputTokens 2048 must be less than maxTotalTokens 2047",
        "`max_input_tokens`(2048) must be < `max_total_tokens`(2047)",
        id="no room for an answer by the old name",
    ),
    pytest.param(
        launch({"MAX_INPUT_TOKENS": "1024", "MAX_INPUT_LENGTH": "1024"}),
        "MAX_INPUT_TOKENS and MAX_INPUT_LENGTH are the same option; keep MAX_INPUT_TOKENS",
        "Both `max_input_tokens` (1024) and `max_input_length` (1024) are set.",
        id="both names of one option in env",
    ),
    pytest.param(
        launch({"MAX_INPUT_LENGTH": "1024"}, maxInputTokens=1024),
        "spec.runtime.maxInputTokens and spec.runtime.env MAX_INPUT_LENGTH set the same option; keep one",
        "Both `max_input_tokens` (1024) and `max_input_length` (1024) are set.",
        id="the old name in env beside the typed option",
    ),
    pytest.param(
        launch({"MAX_BATCH_TOTAL_TOKENS": "2048"}, maxTotalTokens=4096),
        "MAX_TOTAL_TOKENS 4096 must not exceed MAX_BATCH_TOTAL_TOKENS 2048",
        "`max_total_tokens` must be <= `max_batch_total_tokens`. Given: 4096 and 2048",
        id="a batch smaller than a request",
    ),
    pytest.param(
        launch({"MAX_BATCH_TOTAL_TOKENS": "2048"}, maxBatchPrefillTokens=2049),
        "MAX_BATCH_PREFILL_TOKENS 2049 must not exceed MAX_BATCH_TOTAL_TOKENS 2048",
        "`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`. Given: 2049 and 2048",
        id="a prefill larger than the batch",
    ),
    pytest.param(
        launch({"SHARDED": "true"}, numShard=1),
        "SHARDED is true, but there is only one shard",
        "`sharded` is true but `num_shard` <= 1",
        id="sharded over one GPU as asked",
    ),
    pytest.param(
        launch({"SHARDED": "true"}, uri=FALCON),
        "SHARDED is true, but there is only one shard",
        "`sharded` is true but `num_shard` <= 1",
        id="sharded over the one GPU that the heads allow",
    ),
    pytest.param(
        launch(quantize="exl2"),
        "exl2 weights cannot be split across 4 GPUs; set numShard to 1",
        "Sharding is currently not supported with `exl2` quantization",
        id="exl2 over all GPUs of the instance",
    ),
    pytest.param(
        launch(quantize="exl2", numShard=2),
        "exl2 weights cannot be split across 2 GPUs; set numShard to 1",
        "Sharding is currently not supported with `exl2` quantization",
        id="exl2 over two GPUs",
    ),
    pytest.param(
        launch({"VALIDATION_WORKERS": "0"}),
        "VALIDATION_WORKERS is 0",
        "`validation_workers` must be > 0",
        id="no validation workers",
    ),
    pytest.param(
        launch({"MAX_BATCH_SIZE": "0"}), "MAX_BATCH_SIZE is 0", "`max_batch_size` must be > 0", id="an empty batch"
    ),
    pytest.param(
        launch({"JSON_OUTPUT": "True"}),
        "JSON_OUTPUT is 'True' but must be exactly true or false",
        "invalid value 'True' for '--json-output'",
        id="a boolean as Python writes it",
    ),
    pytest.param(
        launch({"SHARDED": "1"}),
        "SHARDED is '1' but must be exactly true or false",
        "invalid value '1' for '--sharded <SHARDED>'",
        id="a boolean as C writes it",
    ),
    pytest.param(
        launch({"ENABLE_PREFILL_LOGPROBS": "yes"}),
        "ENABLE_PREFILL_LOGPROBS is 'yes' but must be exactly true or false",
        "invalid value 'yes' for '--enable-prefill-logprobs'",
        id="a boolean as YAML 1.1 writes it",
    ),
    pytest.param(
        launch({"QUANTIZE": "FP8"}),
        "QUANTIZE is 'FP8'; use one of awq, ",
        "invalid value 'FP8' for '--quantize <QUANTIZE>'",
        id="a quantization in capitals",
    ),
    pytest.param(
        launch({"DTYPE": "float32"}),
        "DTYPE is 'float32'; use one of float16, bfloat16",
        "invalid value 'float32' for '--dtype <DTYPE>'",
        id="a type TGI does not load",
    ),
    pytest.param(
        launch({"KV_CACHE_DTYPE": "fp8"}),
        "KV_CACHE_DTYPE is 'fp8'; use one of fp8_e4m3fn, fp8_e5m2",
        "invalid value 'fp8' for '--kv-cache-dtype <KV_CACHE_DTYPE>'",
        id="a cache type without its format",
    ),
    pytest.param(
        launch({"USAGE_STATS": "OFF"}),
        "USAGE_STATS is 'OFF'; use one of on, off, no-stack",
        "invalid value 'OFF' for '--usage-stats <USAGE_STATS>'",
        id="usage statistics in capitals",
    ),
    pytest.param(
        launch({"PROMETHEUS_PORT": "tcp://10.0.0.1:9090"}),
        "PROMETHEUS_PORT is 'tcp://10.0.0.1:9090' but must be a whole number",
        "invalid value 'tcp://10.0.0.1:9090' for '--prometheus-port <PROMETHEUS_PORT>': invalid digit found in string",
        id="a port as a service link",
    ),
    pytest.param(
        launch({"MAX_TOTAL_TOKENS": "2048.0"}),
        "MAX_TOTAL_TOKENS is '2048.0' but must be a whole number",
        "invalid digit found in string",
        id="a number of tokens with a fraction",
    ),
    pytest.param(
        launch({"WAITING_SERVED_RATIO": "high"}),
        "WAITING_SERVED_RATIO is 'high' but must be a number",
        "invalid float literal",
        id="a word for a ratio",
    ),
    pytest.param(
        launch({"DTYPE": "float16"}, quantize="awq"),
        "dtype float16 and quantize awq both determine how the model is loaded; keep one",
        "Only 1 can be set between `dtype` and `quantize`",
        id="dtype and quantize",
    ),
    pytest.param(
        launch({"ATTENTION": "paged", "PREFIX_CACHING": "True"}),
        "PREFIX_CACHING is not supported with ATTENTION paged",
        "Prefix caching is only supported with flashinfer",
        id="prefix caching with paged attention",
    ),
    pytest.param(
        launch({"ATTENTION": "flashdecoding", "KV_CACHE_DTYPE": "fp8_e5m2"}),
        "KV_CACHE_DTYPE needs ATTENTION flashinfer or paged, not flashdecoding",
        "FP8 KV cache is currently only supported for flashinfer on CUDA and paged attention on CUDA",
        id="an fp8 cache with flashdecoding",
    ),
    pytest.param(
        launch(quantize="marlin", on="ml.g4dn.12xlarge"),
        "quantize: marlin needs compute capability 8.0 or higher, but the T4 has 7.5; use ml.g5 or a newer family",
        "Using quantized Marlin models requires a GPU with CUDA capability 8.0 or later.",
        id="marlin on a T4",
    ),
    pytest.param(
        launch({"LORA_ADAPTERS": "a/b,c/d@main@2"}),
        "LORA_ADAPTERS: 'c/d@main@2' has more than one '@'",
        "Invalid LoRA adapter format: c/d@main@2",
        id="an adapter with two revisions",
    ),
    pytest.param(
        launch({"LORA_ADAPTERS": "sql=c/d"}),
        "LORA_ADAPTERS: 'sql=c/d' is not an adapter; use OWNER/NAME or OWNER/NAME@REVISION on the Hub, or NAME=/FOLDER",
        "StopIteration",
        id="a name for an adapter on the Hub",
    ),
    pytest.param(
        launch({"LORA_ADAPTERS": "a/b,"}),
        "LORA_ADAPTERS: '' is not an adapter",
        "Invalid LoRA adapter format: ",
        id="an adapter without a name",
    ),
]

REFUSED_SHARDS = [
    pytest.param(
        launch(numShard=8),
        "numShard is 8, but the number of GPUs is 4; use at most 4, or use a larger spec.sageMaker.instanceType",
        "Each process is one gpu",
        id="more shards than GPUs",
    ),
    pytest.param(
        launch(uri=FALCON, numShard=2),
        "tiiuae/falcon-7b-instruct has attention heads that cannot be split evenly across 2 GPUs; use 1",
        "`num_heads` must be divisible by `num_shards` (got `num_heads`: 71 and `num_shards`: 2",
        id="71 heads over 2 GPUs",
    ),
    pytest.param(
        launch(uri="hf://Qwen/Qwen2.5-7B-Instruct", numShard=7, on="ml.g5.48xlarge"),
        "attention heads that cannot be split evenly across 7 GPUs; use 1, 2, 4",
        "`num_key_value_heads` must be divisible by `num_shards`",
        id="4 key-value heads over 7 GPUs",
    ),
]

# The launcher accepts these; then it serves no requests, or not as specified.
BETTER_REFUSED = [
    pytest.param(
        launch({"LORA_ADAPTERS": "a/b@v1, a/b@v2"}), "'a/b' is listed twice; requests name an adapter", id="twice"
    ),
    pytest.param(launch({"LORA_ADAPTERS": "a=/b=/c"}), "'a=/b=/c' is not an adapter", id="two folders"),
    pytest.param(
        launch({"MAX_CONCURRENT_REQUESTS": "0"}), "MAX_CONCURRENT_REQUESTS is 0; use at least 1", id="no requests"
    ),
    pytest.param(
        launch({"CUDA_MEMORY_FRACTION": "1.5"}),
        "CUDA_MEMORY_FRACTION is 1.5 but must be greater than 0 and at most 1",
        id="more memory than there is",
    ),
    pytest.param(launch({"CUDA_MEMORY_FRACTION": "0"}), "CUDA_MEMORY_FRACTION is 0", id="no memory"),
    pytest.param(
        launch(dtype="bfloat16", on="ml.g4dn.xlarge"),
        "dtype: bfloat16 needs compute capability 8.0 or higher",
        id="bfloat16 on a T4",
    ),
    pytest.param(launch(quantize="fp8", on="ml.g4dn.xlarge"), "quantize: fp8 needs compute", id="fp8 on a T4"),
    pytest.param(
        launch({"DTYPE": "float16"}, dtype="float16"),
        "spec.runtime.dtype and spec.runtime.env DTYPE set the same option; keep one",
        id="a typed option in env too",
    ),
    pytest.param(launch({"MODEL_ID": "a/b"}), "MODEL_ID is set by the operator; use spec.model.uri", id="the model"),
    pytest.param(launch({"SM_NUM_GPUS": "4"}), "SM_NUM_GPUS is set by the operator; use spec.runtime.num", id="shards"),
    pytest.param(launch({"HF_TOKEN": "hf_x"}), "HF_TOKEN is set by the operator; use spec.model.tok", id="the token"),
    pytest.param(launch({"NGROK_AUTHTOKEN": "x"}), "NGROK_AUTHTOKEN: the launcher panics when ngrok", id="ngrok"),
]

FINE = [
    pytest.param(launch(), id="nothing set"),
    pytest.param(launch(maxInputTokens=2047, maxTotalTokens=2048), id="room for one token of answer"),
    pytest.param(launch({"MAX_INPUT_LENGTH": "1024"}), id="the old name alone"),
    pytest.param(launch({"MAX_BATCH_TOTAL_TOKENS": "2048"}, maxTotalTokens=2048), id="a batch of one request"),
    pytest.param(
        launch({"MAX_BATCH_TOTAL_TOKENS": "2048"}, maxBatchPrefillTokens=2048), id="a prefill that fills the batch"
    ),
    pytest.param(launch({"SHARDED": "true"}), id="sharded over all GPUs"),
    pytest.param(launch({"SHARDED": "false"}, numShard=1), id="not sharded and one GPU"),
    pytest.param(launch(quantize="exl2", numShard=1), id="exl2 on one GPU"),
    pytest.param(launch(quantize="exl2", on="ml.g5.2xlarge"), id="exl2 on an instance with one GPU"),
    pytest.param(launch({"VALIDATION_WORKERS": "1", "MAX_BATCH_SIZE": "1"}, maxConcurrentRequests=1), id="one of all"),
    pytest.param(launch({"JSON_OUTPUT": "true", "SHARDED": "true"}), id="booleans as Rust writes them"),
    pytest.param(launch({"MY_BOOLEAN": "True"}), id="a variable that is no option of the launcher"),
    pytest.param(launch({"CUDA_MEMORY_FRACTION": "1.0"}), id="all memory"),
    pytest.param(launch({"CUDA_MEMORY_FRACTION": ".5"}), id="half of the memory"),
    pytest.param(launch(dtype="float16", quantize="bitsandbytes"), id="dtype and bitsandbytes"),
    pytest.param(launch(dtype="bfloat16", quantize="bitsandbytes-nf4"), id="dtype and 4 bits"),
    pytest.param(launch(dtype="float16", on="ml.g4dn.xlarge"), id="float16 on a T4"),
    pytest.param(launch(quantize="fp8", on="ml.g5.2xlarge"), id="fp8 on an A10G"),
    pytest.param(launch({"ATTENTION": "paged", "PREFIX_CACHING": "0"}), id="paged attention without prefix caching"),
    pytest.param(launch({"ATTENTION": "flashinfer", "PREFIX_CACHING": "1"}), id="prefix caching with flashinfer"),
    pytest.param(launch({"ATTENTION": "paged", "KV_CACHE_DTYPE": "fp8_e5m2"}), id="an fp8 cache with paged attention"),
    pytest.param(launch({"LORA_ADAPTERS": "a/b@main,c/d@v1,name=/path"}), id="a revision for each adapter"),
    pytest.param(launch(numShard=4), id="a shard for each GPU"),
    pytest.param(launch(uri=FALCON), id="71 heads leave three GPUs idle"),
    pytest.param(launch(uri="hf://Qwen/Qwen2.5-7B-Instruct", numShard=4), id="4 key-value heads over 4 GPUs"),
]


@pytest.mark.parametrize(("asked", "message", "launcher_says"), FORESEEN)
def test_what_the_launcher_would_refuse_is_foreseen(asked: Launch, message: str, launcher_says: str) -> None:
    problem = problem_of(asked)
    assert problem.reason is Reason.CONFLICTING_OPTIONS
    assert message in problem.message
    with pytest.raises(LauncherError) as refused:
        start_in_sandbox(asked)
    assert launcher_says in str(refused.value).replace("\\", "")


@pytest.mark.parametrize(("asked", "message", "launcher_says"), REFUSED_SHARDS)
def test_split_that_fails_after_the_download_is_foreseen(asked: Launch, message: str, launcher_says: str) -> None:
    problem = problem_of(asked)
    assert problem.reason is Reason.INVALID_NUM_SHARD
    assert problem.message.startswith("spec.runtime.numShard")
    assert message in problem.message
    with pytest.raises(LauncherError) as refused:
        start_in_sandbox(asked)
    assert launcher_says in str(refused.value)
    assert not refused.value.before_download


@pytest.mark.parametrize(("asked", "message"), BETTER_REFUSED)
def test_what_the_launcher_misses_is_refused(asked: Launch, message: str) -> None:
    problem = problem_of(asked)
    assert problem.reason is Reason.CONFLICTING_OPTIONS
    assert message in problem.message


@pytest.mark.parametrize("asked", FINE)
def test_near_miss_starts(asked: Launch) -> None:
    assert first_problem(asked) is None
    start_in_sandbox(asked)


@pytest.mark.parametrize("value", DType)
def test_every_dtype_of_the_spec_is_one_of_the_launcher(value: DType) -> None:
    assert first_problem(launch({"DTYPE": value})) is None


@pytest.mark.parametrize("value", Quantize)
def test_every_quantization_of_the_spec_is_one_of_the_launcher(value: Quantize) -> None:
    assert first_problem(launch({"QUANTIZE": value}, numShard=1)) is None


numbers = st.sampled_from(["0", "1", "2", "1024", "2047", "2048", "4096", "-1", "1.5", "many"])
booleans = st.sampled_from(["true", "false", "True", "1", "no"])
OPTIONS = {
    "MAX_INPUT_TOKENS": numbers,
    "MAX_INPUT_LENGTH": numbers,
    "MAX_TOTAL_TOKENS": numbers,
    "MAX_BATCH_TOTAL_TOKENS": numbers,
    "MAX_BATCH_PREFILL_TOKENS": numbers,
    "MAX_BATCH_SIZE": numbers,
    "VALIDATION_WORKERS": numbers,
    "SPECULATE": numbers,
    "PAYLOAD_LIMIT": numbers,
    "SHARDED": booleans,
    "JSON_OUTPUT": booleans,
    "TRUST_REMOTE_CODE": booleans,
    "PREFIX_CACHING": st.sampled_from(["0", "1", "true", "True"]),
    "ATTENTION": st.sampled_from(["paged", "flashinfer", "flashdecoding"]),
    "QUANTIZE": st.sampled_from([*Quantize, "FP8"]),
    "DTYPE": st.sampled_from([*DType, "float32"]),
    "KV_CACHE_DTYPE": st.sampled_from(["fp8_e4m3fn", "fp8_e5m2", "fp8"]),
    "LORA_ADAPTERS": st.sampled_from(["a/b", "a/b@c", "a/b@c@d", "a=/b,c/d", "a=b/c", "a,b", ","]),
    "USAGE_STATS": st.sampled_from(["on", "off", "no"]),
    "ROPE_SCALING": st.sampled_from(["linear", "dynamic", "yarn"]),
    "CUDA_MEMORY_FRACTION": st.sampled_from(["0.9", "1", "x"]),
}
launches = st.builds(
    launch,
    st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: OPTIONS[name] for name in names})
    ),
    uri=st.sampled_from([ZEPHYR, FALCON, "hf://Qwen/Qwen2.5-7B-Instruct", "hf://somebody/new-model"]),
    on=st.sampled_from(["ml.g5.2xlarge", "ml.g5.12xlarge", "ml.g5.48xlarge"]),
    numShard=st.sampled_from([None, 1, 2, 4, 7, 8]),
)


@given(launches)
def test_what_passes_all_checks_starts(asked: Launch) -> None:
    if first_problem(asked) is None:
        start_in_sandbox(asked)


def from_secret(name: str) -> Launch:
    variable = {"name": name, "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}
    runtime = Runtime.model_validate({"env": [variable]})
    found = launch({})
    return replace(found, runtime=runtime, environment=launcher_options.options(runtime, None))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, f"spec.runtime.env: {name} comes from a Secret") for name in launch_checks.typed_options()),
        ("LORA_ADAPTERS", "set value instead of valueFrom"),
        ("PORT", "the backend sets the port; remove PORT"),
        ("HF_TOKEN", "use spec.model.tokenSecretRef instead"),
        ("MODEL_ID", "use spec.model.uri instead"),
    ],
)
def test_what_must_be_known_cannot_come_from_a_secret(name: str, message: str) -> None:
    found = first_problem(from_secret(name))
    assert found is not None
    assert found.reason is Reason.CONFLICTING_OPTIONS
    assert message in found.message


@pytest.mark.parametrize("name", ["API_KEY", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "OTLP_ENDPOINT"])
def test_what_is_only_passed_on_can_come_from_a_secret(name: str) -> None:
    assert first_problem(from_secret(name)) is None


def test_every_option_that_a_check_reads_must_be_known() -> None:
    read = set(re.findall('"([A-Z]+(?:_[A-Z]+)*)"', inspect.getsource(launch_checks)))
    assert len(read) > 8
    for name in read:
        assert launch_checks.checked_value(from_secret(name)) is not None
