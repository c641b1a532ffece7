"""The launcher's environment from the spec."""

from typing import Any

import pytest

from tgi_operator.api.spec import Runtime
from tgi_operator.engines.tgi import launcher_options

EVERY_TYPED_OPTION: dict[str, Any] = {
    "dtype": "bfloat16",
    "quantize": "bitsandbytes-nf4",
    "maxInputTokens": 1024,
    "maxTotalTokens": 2048,
    "maxBatchPrefillTokens": 4096,
    "maxConcurrentRequests": 64,
    "trustRemoteCode": True,
}


def options(version: tuple[int, ...] | None = (3, 3, 6), **fields: Any) -> dict[str, str]:
    return launcher_options.options(Runtime.model_validate(fields), version)


def test_every_typed_option_has_its_environment_name() -> None:
    assert options(**EVERY_TYPED_OPTION) == {
        "DTYPE": "bfloat16",
        "QUANTIZE": "bitsandbytes-nf4",
        "MAX_INPUT_TOKENS": "1024",
        "MAX_TOTAL_TOKENS": "2048",
        "MAX_BATCH_PREFILL_TOKENS": "4096",
        "MAX_CONCURRENT_REQUESTS": "64",
        "TRUST_REMOTE_CODE": "true",
    }


def test_field_that_names_an_option_in_its_description_is_rendered_under_that_name() -> None:
    named = {
        attribute: (field.description or "").split("`")[1]
        for attribute, field in Runtime.model_fields.items()
        if (field.description or "").startswith("Sets `")
    }
    assert named.pop("num_shard") == "NUM_SHARD"  # each backend names it in its own way
    assert named == launcher_options.TYPED_OPTIONS


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {}, id="what is not set is left to the launcher"),
        pytest.param({"trustRemoteCode": False}, {"TRUST_REMOTE_CODE": "false"}, id="False is rendered too"),
        pytest.param({"numShard": 2}, {}, id="shards are the backend's"),
        pytest.param(
            {"env": [{"name": "USAGE_STATS", "value": "off"}, {"name": "MY_OWN", "value": " as it is "}]},
            {"USAGE_STATS": "off", "MY_OWN": " as it is "},
            id="further options are passed on as they are",
        ),
        pytest.param(
            {"dtype": "float16", "env": [{"name": "DTYPE", "value": "bfloat16"}]},
            {"DTYPE": "float16"},
            id="a typed option wins",
        ),
    ],
)
def test_options(fields: dict[str, Any], expected: dict[str, str]) -> None:
    assert options(**fields) == expected


@pytest.mark.parametrize(
    ("version", "name"),
    [
        pytest.param((0, 8, 2), "MAX_INPUT_LENGTH", id="the article's version"),
        pytest.param((2, 0, 2), "MAX_INPUT_LENGTH", id="the last with the old name"),
        pytest.param((2, 2, 0), "MAX_INPUT_TOKENS", id="the first with the new name"),
        pytest.param((3, 3, 6), "MAX_INPUT_TOKENS", id="the newest"),
        pytest.param((10, 0, 0), "MAX_INPUT_TOKENS", id="a version is a number and no text"),
        pytest.param(None, "MAX_INPUT_TOKENS", id="an image of unknown version"),
    ],
)
def test_longest_prompt_has_the_name_of_the_version(version: tuple[int, ...] | None, name: str) -> None:
    assert options(version, maxInputTokens=1024) == {name: "1024"}


def test_what_fields_set_is_reserved_and_names_a_field_there_is() -> None:
    assert not set(launcher_options.RESERVED) & set(launcher_options.TYPED_OPTIONS.values())
    known = {"spec.model.uri", "spec.model.revision", "spec.model.tokenSecretRef"}
    known |= {f"spec.runtime.{field.alias}" for field in Runtime.model_fields.values()}
    assert set(launcher_options.RESERVED.values()) <= known
