"""The launcher's option table and everything that it refuses, verbatim."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_sandbox.tgi import launcher, sagemaker
from tgi_sandbox.tgi.errors import LauncherError, Stage
from tgi_sandbox.tgi.options import Options, parse

if TYPE_CHECKING:
    from pathlib import Path

Env = dict[str, str]

HELP = "\n\nFor more information, try '--help'."
BOOLEANS = "\n  [possible values: true, false]"
QUANTIZATIONS = (
    "\n  [possible values: awq, compressed-tensors, eetq, exl2, gptq, marlin, "
    "bitsandbytes, bitsandbytes-nf4, bitsandbytes-fp4, fp8]"
)


def refusal(env: Env, gpus: int = 4) -> LauncherError:
    with pytest.raises(LauncherError) as caught:
        launcher.check(env, gpus)
    return caught.value


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"TRUST_REMOTE_CODE": "True"}, f"invalid value 'True' for '--trust-remote-code'{BOOLEANS}"),
        ({"TRUST_REMOTE_CODE": "1"}, f"invalid value '1' for '--trust-remote-code'{BOOLEANS}"),
        ({"JSON_OUTPUT": "yes"}, f"invalid value 'yes' for '--json-output'{BOOLEANS}"),
        ({"DISABLE_GRAMMAR_SUPPORT": "0"}, f"invalid value '0' for '--disable-grammar-support'{BOOLEANS}"),
        ({"ENABLE_PREFILL_LOGPROBS": "on"}, f"invalid value 'on' for '--enable-prefill-logprobs'{BOOLEANS}"),
        ({"SHARDED": "True"}, f"invalid value 'True' for '--sharded <SHARDED>'{BOOLEANS}"),
        ({"SHARDED": ""}, f"a value is required for '--sharded <SHARDED>' but none was supplied{BOOLEANS}"),
        ({"QUANTIZE": ""}, f"a value is required for '--quantize <QUANTIZE>' but none was supplied{QUANTIZATIONS}"),
        ({"QUANTIZE": "FP8"}, f"invalid value 'FP8' for '--quantize <QUANTIZE>'{QUANTIZATIONS}"),
        ({"DTYPE": "float32"}, "invalid value 'float32' for '--dtype <DTYPE>'\n  [possible values: float16, bfloat16]"),
        (
            {"KV_CACHE_DTYPE": "fp8"},
            "invalid value 'fp8' for '--kv-cache-dtype <KV_CACHE_DTYPE>'\n  [possible values: fp8_e4m3fn, fp8_e5m2]",
        ),
        (
            {"USAGE_STATS": "OFF"},
            "invalid value 'OFF' for '--usage-stats <USAGE_STATS>'\n  [possible values: on, no-stack, off]",
        ),
        (
            {"PROMETHEUS_PORT": "tcp://10.0.0.1:9090"},
            (
                "invalid value 'tcp://10.0.0.1:9090' for '--prometheus-port <PROMETHEUS_PORT>': "
                "invalid digit found in string"
            ),
        ),
        (
            {"MASTER_PORT": "tcp://10.0.0.1:80"},
            "invalid value 'tcp://10.0.0.1:80' for '--master-port <MASTER_PORT>': invalid digit found in string",
        ),
        ({"PORT": "70000"}, "invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535"),
        ({"PORT": "-1"}, "invalid value '-1' for '--port <PORT>': -1 is not in 0..=65535"),
        (
            {"MAX_TOTAL_TOKENS": ""},
            "invalid value '' for '--max-total-tokens <MAX_TOTAL_TOKENS>': cannot parse integer from empty string",
        ),
        (
            {"MAX_TOTAL_TOKENS": "-1"},
            "invalid value '-1' for '--max-total-tokens <MAX_TOTAL_TOKENS>': invalid digit found in string",
        ),
        ({"NUM_SHARD": "1_0"}, "invalid value '1_0' for '--num-shard <NUM_SHARD>': invalid digit found in string"),
        (
            {"MAX_BEST_OF": str(2**64)},
            f"invalid value '{2**64}' for '--max-best-of <MAX_BEST_OF>': number too large to fit in target type",
        ),
        (
            {"CUDA_GRAPHS": ""},
            "invalid value '' for '--cuda-graphs <CUDA_GRAPHS>': cannot parse integer from empty string",
        ),
        (
            {"CUDA_MEMORY_FRACTION": "most"},
            "invalid value 'most' for '--cuda-memory-fraction <CUDA_MEMORY_FRACTION>': invalid float literal",
        ),
        (
            {"ROPE_FACTOR": ""},
            "invalid value '' for '--rope-factor <ROPE_FACTOR>': cannot parse float from empty string",
        ),
    ],
)
def test_unreadable_value(env: Env, text: str) -> None:
    error = refusal(env)
    assert str(error) == f"error: {text}{HELP}"
    assert error.exit_code == 2
    assert error.before_download


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            {"MAX_INPUT_TOKENS": "2048", "MAX_TOTAL_TOKENS": "2048"},
            "`max_input_tokens`(2048) must be < `max_total_tokens`(2048)",
        ),
        (
            {"MAX_INPUT_LENGTH": "2048", "MAX_TOTAL_TOKENS": "1024"},
            "`max_input_tokens`(2048) must be < `max_total_tokens`(1024)",
        ),
        (
            {"MAX_INPUT_TOKENS": "1024", "MAX_INPUT_LENGTH": "1024"},
            (
                "Both `max_input_tokens` (1024) and `max_input_length` (1024) are set. Please define only "
                "`max_input_tokens` as `max_input_length is deprecated for naming consistency."
            ),
        ),
        (
            {"MAX_TOTAL_TOKENS": "4096", "MAX_BATCH_TOTAL_TOKENS": "2048"},
            "`max_total_tokens` must be <= `max_batch_total_tokens`. Given: 4096 and 2048",
        ),
        ({"SHARDED": "true", "NUM_SHARD": "1"}, "`sharded` is true but `num_shard` <= 1"),
        ({"NUM_SHARD": "0"}, "`num_shard` cannot be < 1"),
        ({"QUANTIZE": "exl2", "NUM_SHARD": "2"}, "Sharding is currently not supported with `exl2` quantization"),
        ({"VALIDATION_WORKERS": "0"}, "`validation_workers` must be > 0"),
        ({"NGROK": "true"}, "`ngrok-authtoken` must be set when using ngrok tunneling"),
        ({"NGROK": "true", "NGROK_AUTHTOKEN": "x"}, "`ngrok-edge` must be set when using ngrok tunneling"),
    ],
)
def test_contradiction_found_before_the_download(env: Env, message: str) -> None:
    error = refusal(env)
    assert str(error) == f'Error: ArgumentValidation("{message}")'
    assert error.exit_code == 1
    assert error.before_download


def test_sharding_without_devices() -> None:
    error = refusal({"SHARDED": "true"})
    assert str(error).endswith(
        "\n--num-shard and CUDA_VISIBLE_DEVICES/NVIDIA_VISIBLE_DEVICES/ZE_AFFINITY_MASK are not set"
    )
    assert error.exit_code == 101
    assert str(refusal({"SHARDED": "true", "CUDA_VISIBLE_DEVICES": "0"})) == (
        'Error: NotEnoughCUDADevices("`sharded` is true but only found 1 CUDA devices")'
    )


@pytest.mark.parametrize(
    ("env", "gpus", "text"),
    [
        (
            {"DTYPE": "float16", "QUANTIZE": "fp8"},
            1,
            (
                "RuntimeError: Only 1 can be set between `dtype` and `quantize`, "
                "as they both decide how goes the final model."
            ),
        ),
        ({"NUM_SHARD": "8"}, 4, "AssertionError: Each process is one gpu"),
        (
            {"MODEL_ID": "tiiuae/falcon-7b", "NUM_SHARD": "2"},
            4,
            "ValueError: `num_heads` must be divisible by `num_shards` (got `num_heads`: 71 and `num_shards`: 2",
        ),
        (
            {"MODEL_ID": "Qwen/Qwen2.5-7B-Instruct", "NUM_SHARD": "7"},
            8,
            (
                "ValueError: `num_key_value_heads` must be divisible by `num_shards` "
                "(got `num_key_value_heads`: 4 and `num_shards`: 7"
            ),
        ),
        (
            {"PREFIX_CACHING": "true", "ATTENTION": "paged"},
            1,
            "RuntimeError: Prefix caching is only supported with flashinfer",
        ),
        (
            {"KV_CACHE_DTYPE": "fp8_e5m2", "ATTENTION": "flashdecoding"},
            1,
            (
                "ValueError: FP8 KV cache is currently only supported for flashinfer on CUDA and paged attention on "
                "CUDA, ROCm and INTEL IPEX and flashdecoding in Intel IPEX "
            ),
        ),
        (
            {"ATTENTION": "flash"},
            1,
            (
                "AssertionError: Attention is not valid flash, "
                "expected {'paged', 'flashdecoding', 'flashdecoding-ipex', 'flashinfer'}"
            ),
        ),
        (
            {"SANDBOX_CUDA_CAPABILITY": "7.0"},
            1,
            "ImportError: GPU with CUDA capability 7 0 is not supported",
        ),
        (
            {"SANDBOX_CUDA_CAPABILITY": "7.5", "QUANTIZE": "marlin"},
            1,
            "RuntimeError: Using quantized Marlin models requires a GPU with CUDA capability 8.0 or later.",
        ),
        (
            {"SANDBOX_CUDA_CAPABILITY": "7.5", "ATTENTION": "flashdecoding"},
            1,
            "ValueError: Flash decoding requires Flash Attention V2",
        ),
    ],
)
def test_contradiction_found_only_by_the_shards(env: Env, gpus: int, text: str) -> None:
    error = refusal(env, gpus)
    assert str(error) == f"{text}\nError: ShardCannotStart"
    assert error.exit_code == 1
    assert error.stage is Stage.SHARDS
    assert not error.before_download


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"MAX_BATCH_SIZE": "0"}, "`max_batch_size` must be > 0"),
        ({"MAX_TOTAL_TOKENS": "0"}, "`max_input_tokens` must be < `max_total_tokens`"),
        (
            {"MAX_BATCH_PREFILL_TOKENS": "100", "MAX_INPUT_TOKENS": "200", "PREFILL_CHUNKING": "0"},
            "`max_batch_prefill_tokens` must be >= `max_input_tokens`. Given: 100 and 200",
        ),
        (
            {"MAX_BATCH_PREFILL_TOKENS": "4096", "MAX_BATCH_TOTAL_TOKENS": "2048"},
            "`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`. Given: 4096 and 2048",
        ),
    ],
)
def test_contradiction_found_only_by_the_router(env: Env, message: str) -> None:
    error = refusal(env)
    assert str(error) == f'Error: ArgumentValidation("{message}")\nError: WebserverFailed'
    assert error.stage is Stage.WEBSERVER


def test_gated_model_needs_a_token() -> None:
    env = {"MODEL_ID": "meta/gated-7b"}
    error = refusal(env)
    assert "401 Client Error" in str(error)
    assert "Access to model meta/gated-7b is restricted." in str(error)
    assert str(error).endswith("\nError: DownloadError")
    assert error.stage is Stage.DOWNLOAD
    assert not error.before_download
    launcher.check({**env, "HF_TOKEN": "hf_x"}, 1)
    launcher.check({"MODEL_ID": "/opt/ml/model/gated"}, 1)


def test_malformed_adapter_is_found_after_the_download_of_the_model() -> None:
    error = refusal({"LORA_ADAPTERS": "a/b@1, c/d@1@2"})
    assert str(error) == 'Error: ArgumentValidation("Invalid LoRA adapter format: c/d@1@2")'
    assert error.stage is Stage.DOWNLOAD


@pytest.mark.parametrize(
    ("adapters", "message"),
    [
        ("a/b@1,name=/some@odd@path", "ValueError: Invalid LoRA adapter format: name=/some@odd@path"),
        ("a=/b=/c", "ValueError: Invalid LoRA adapter format: a=/b=/c"),
        ("a/b,", "ValueError: Invalid LoRA adapter format: "),
        ("name=a/b", "StopIteration"),
    ],
)
def test_adapter_that_only_the_server_refuses(adapters: str, message: str) -> None:
    error = refusal({"LORA_ADAPTERS": adapters})
    assert str(error) == f"{message}\nError: ShardCannotStart"


def cached(cache: Path, name: str, files: dict[str, str], revision: str = "main") -> None:
    storage = cache / f"models--{name.replace('/', '--')}"
    (storage / "refs").mkdir(parents=True, exist_ok=True)
    (storage / "refs" / revision).write_text("c0")
    (storage / "snapshots" / "c0").mkdir(parents=True, exist_ok=True)
    for each, text in files.items():
        (storage / "snapshots" / "c0" / each).write_text(text)


WEIGHTS = {"config.json": '{"model_type": "llama"}', "model.safetensors": ""}
LORA = {"adapter_config.json": "{}", "adapter_model.safetensors": ""}
MEDUSA = {"config.json": '{"medusa_num_heads": 3, "base_model_name_or_path": "o/base"}', "m.safetensors": ""}
MLP = {"config.json": '{"model_type": "mlp_speculator", "base_model_name_or_path": "o/base"}', "m.safetensors": ""}


@pytest.mark.parametrize(
    ("content", "env", "message"),
    [
        ([("o/m", WEIGHTS)], {}, None),
        ([], {}, "EntryNotFoundError: No .bin weights found for model o/m and revision None."),
        ([("o/m", WEIGHTS)], {"REVISION": "v1"}, "No .bin weights found for model o/m and revision v1."),
        ([("o/m", WEIGHTS)], {"LORA_ADAPTERS": "o/a"}, "No .bin weights found for model o/a and revision None."),
        ([("o/m", WEIGHTS), ("o/a", LORA)], {"LORA_ADAPTERS": "o/a"}, None),
        ([("o/m", WEIGHTS), ("o/a", LORA, "v1")], {"LORA_ADAPTERS": "o/a@v1"}, "Can't find 'adapter_config.json'"),
        ([("o/m", WEIGHTS), ("o/a", LORA), ("o/a", LORA, "v1")], {"LORA_ADAPTERS": "o/a@v1"}, None),
        ([("o/m", WEIGHTS)], {"LORA_ADAPTERS": "a=/nowhere"}, "Can't find 'adapter_config.json' at '/nowhere'"),
        ([("o/m", MEDUSA)], {}, "OSError: We couldn't connect to"),
        ([("o/m", MEDUSA), ("o/base", WEIGHTS)], {}, None),
        ([("o/m", MLP), ("o/base", WEIGHTS)], {}, "OfflineModeIsEnabled: Cannot reach"),
    ],
)
def test_without_the_hub_the_cache_must_have_everything(
    tmp_path: Path, content: list[Any], env: Env, message: str | None
) -> None:
    for each in content:
        cached(tmp_path, *each)
    offline = {"MODEL_ID": "o/m", "HF_HUB_OFFLINE": "1", "HUGGINGFACE_HUB_CACHE": str(tmp_path), **env}
    if message is None:
        launcher.check(offline, 1)
    else:
        assert message in str(refusal(offline))
    launcher.check({**offline, "HF_HUB_OFFLINE": "0"}, 1)


def test_the_earliest_mistake_is_the_one_reported() -> None:
    env = {"DTYPE": "float16", "QUANTIZE": "fp8", "VALIDATION_WORKERS": "0"}
    assert refusal(env).before_download


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"NO_SUCH_OPTION": "tcp://10.0.0.1"},
        {"HOSTNAME": "tgi-6f7d"},
        {"API_KEY": "", "REVISION": ""},
        {"CUDA_MEMORY_FRACTION": "1.5"},
        {"MAX_CONCURRENT_REQUESTS": "0"},
        {"CUDA_GRAPHS": "0"},
        {"DTYPE": "bfloat16", "QUANTIZE": "bitsandbytes-nf4"},
        {"SHARDED": "true", "NVIDIA_VISIBLE_DEVICES": "all"},
        {"SHARDED": "false", "NUM_SHARD": "4"},
        {"MODEL_ID": "tiiuae/falcon-7b"},
        {"LORA_ADAPTERS": "a/b@1,name=/some/path"},
        {"NUM_SHARD": "+2"},
    ],
)
def test_accepted(env: Env) -> None:
    launcher.check(env, 4)


@pytest.mark.parametrize(
    ("env", "shards"),
    [
        ({}, 1),
        ({"NUM_SHARD": "4"}, 4),
        ({"SHARDED": "false", "NUM_SHARD": "4"}, 4),
        ({"SHARDED": "false", "CUDA_VISIBLE_DEVICES": "0,1"}, 1),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, 2),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, 8),
        ({"NVIDIA_VISIBLE_DEVICES": "GPU-1,GPU-2"}, 2),
    ],
)
def test_number_of_shards(env: Env, shards: int) -> None:
    assert launcher.num_shards(parse(env), env, 8) == shards


@pytest.mark.parametrize(
    ("env", "limits"),
    [
        ({}, (4095, 4096)),
        ({"MODEL_ID": "tiiuae/falcon-7b"}, (2047, 2048)),
        ({"MAX_INPUT_TOKENS": "1024", "MAX_TOTAL_TOKENS": "2048"}, (1024, 2048)),
        ({"MAX_INPUT_LENGTH": "1024"}, (1024, 4096)),
        ({"MAX_TOTAL_TOKENS": "100"}, (99, 100)),
    ],
)
def test_token_limits(env: Env, limits: tuple[int, int]) -> None:
    assert launcher.token_limits(parse(env)) == limits


@given(st.dictionaries(st.sampled_from([row.name.upper() for row in dataclasses.fields(Options)]), st.text()))
def test_any_environment_is_accepted_or_refused(env: Env) -> None:
    with contextlib.suppress(LauncherError):
        launcher.check(env, 2)


@given(st.integers(0, 2**64 - 1))
def test_integers_are_read_as_written(number: int) -> None:
    assert parse({"MAX_TOTAL_TOKENS": str(number)}).max_total_tokens == number


class TestSageMakerEntrypoint:
    def test_model_is_required(self) -> None:
        for env in ({}, {"HF_MODEL_ID": ""}, {"MODEL_ID": "a/b"}):
            with pytest.raises(LauncherError, match=r"^HF_MODEL_ID must be set$") as caught:
                sagemaker.check(env, 1)
            assert caught.value.exit_code == 1
            assert caught.value.before_download

    def test_its_variables_become_launcher_options(self) -> None:
        env = sagemaker.launcher_environment(
            {
                "HF_MODEL_ID": "a/b",
                "HF_MODEL_REVISION": "main",
                "SM_NUM_GPUS": "4",
                "HF_MODEL_QUANTIZE": "awq",
                "HF_MODEL_TRUST_REMOTE_CODE": "true",
                "MAX_TOTAL_TOKENS": "2048",
            }
        )
        options = parse(env)
        assert (options.model_id, options.revision, options.num_shard) == ("a/b", "main", 4)
        assert (options.quantize, options.trust_remote_code) == ("awq", True)
        assert (options.max_total_tokens, options.port) == (2048, 8080)

    def test_empty_variables_are_not_passed_on(self) -> None:
        empty = dict.fromkeys(
            ("HF_MODEL_REVISION", "SM_NUM_GPUS", "HF_MODEL_QUANTIZE", "HF_MODEL_TRUST_REMOTE_CODE"), ""
        )
        sagemaker.check({"HF_MODEL_ID": "a/b", **empty}, 1)

    def test_the_launcher_checks_the_rest(self) -> None:
        with pytest.raises(LauncherError, match="for '--trust-remote-code'"):
            sagemaker.check({"HF_MODEL_ID": "a/b", "HF_MODEL_TRUST_REMOTE_CODE": "True"}, 1)
        with pytest.raises(LauncherError, match="Each process is one gpu"):
            sagemaker.check({"HF_MODEL_ID": "a/b", "SM_NUM_GPUS": "4"}, 1)

    def test_the_port_is_its_own(self) -> None:
        sagemaker.check({"HF_MODEL_ID": "a/b", "PORT": "tcp://10.0.0.1:80"}, 1)
