"""The launcher's environment from `spec.runtime`, with the names in TGI's launcher/src/main.rs."""

from collections.abc import Mapping

from tgi_operator.api.spec import Runtime

TYPED_OPTIONS: Mapping[str, str] = {
    "dtype": "DTYPE",
    "quantize": "QUANTIZE",
    "max_input_tokens": "MAX_INPUT_TOKENS",
    "max_total_tokens": "MAX_TOTAL_TOKENS",
    "max_batch_prefill_tokens": "MAX_BATCH_PREFILL_TOKENS",
    "max_concurrent_requests": "MAX_CONCURRENT_REQUESTS",
    "trust_remote_code": "TRUST_REMOTE_CODE",
}
"""Environment name by attribute of Runtime. numShard is not here, because each backend names it differently."""

RESERVED: Mapping[str, str] = {
    "MODEL_ID": "spec.model.uri",
    "HF_MODEL_ID": "spec.model.uri",
    "REVISION": "spec.model.revision",
    "HF_MODEL_REVISION": "spec.model.revision",
    "NUM_SHARD": "spec.runtime.numShard",
    "SM_NUM_GPUS": "spec.runtime.numShard",
    "HF_MODEL_QUANTIZE": "spec.runtime.quantize",
    "HF_MODEL_TRUST_REMOTE_CODE": "spec.runtime.trustRemoteCode",
    "HF_TOKEN": "spec.model.tokenSecretRef",
    "HF_API_TOKEN": "spec.model.tokenSecretRef",
    "HUGGING_FACE_HUB_TOKEN": "spec.model.tokenSecretRef",
}
"""Names that `runtime.env` must not set, and the field that sets each."""

FORBIDDEN: Mapping[str, str] = {
    "PORT": "the backend sets the port",
    "CUDA_VISIBLE_DEVICES": "the backend assigns the GPUs",
    "NVIDIA_VISIBLE_DEVICES": "the backend assigns the GPUs",
    "NGROK": "the launcher panics when ngrok is enabled",
    "NGROK_AUTHTOKEN": "the launcher panics when ngrok is enabled",
    "NGROK_EDGE": "the launcher panics when ngrok is enabled",
}
"""Names that no user can set, and the reason."""

_INPUT_TOKENS_SINCE = (2, 2, 0)
"""MAX_INPUT_TOKENS replaced MAX_INPUT_LENGTH during the 2.0 releases (TGI pull request 1727)."""


def options(runtime: Runtime, version: tuple[int, ...] | None) -> dict[str, str]:
    """Return the launcher options of `runtime` by environment name, with booleans as exactly true or false.

    `version` is TGI's. If it is None, because it is not known, the present names are used. An option that is both typed
    and in `runtime.env` has its typed value here. `checks` refuses it. Variables from Secrets are not included.
    """
    typed = {name: getattr(runtime, field) for field, name in TYPED_OPTIONS.items()}
    environment = {name: _text(value) for name, value in typed.items() if value is not None}
    if version is not None and version < _INPUT_TOKENS_SINCE and "MAX_INPUT_TOKENS" in environment:
        environment["MAX_INPUT_LENGTH"] = environment.pop("MAX_INPUT_TOKENS")
    return runtime.literal_env | environment


def given(runtime: Runtime, name: str) -> str:
    """Return the value of a variable in `runtime.env`, or an empty string if it is not set or from a Secret."""
    return runtime.literal_env.get(name, "")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
