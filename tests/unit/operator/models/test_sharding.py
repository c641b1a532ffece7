"""The GPU counts that a model can be split over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.spec import Model
from tgi_operator.models.sharding import default_shards, indivisible

KNOWN = [
    "tiiuae/falcon-7b-instruct",
    "tiiuae/falcon-40b",
    "meta-llama/Llama-2-7b-chat-hf",
    "meta-llama/Llama-2-13b-hf",
    "meta-llama/Llama-2-70b-hf",
    "meta-llama/Meta-Llama-3-8B-Instruct",
    "meta-llama/Llama-3.3-70B-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "mistralai/Mixtral-8x7B-v0.1",
    "HuggingFaceH4/zephyr-7b-beta",
    "Qwen/Qwen2.5-0.5B",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen2-7B",
    "Qwen/Qwen2.5-32B",
    "Qwen/Qwen2.5-72B-Instruct",
]


def hub(model_id: str) -> Model:
    return Model(uri=f"hf://{model_id}")


@pytest.mark.parametrize(
    ("model_id", "gpus", "shards"),
    [
        pytest.param("tiiuae/falcon-7b-instruct", 4, 1, id="71 heads fit one GPU only"),
        pytest.param("Qwen/Qwen2.5-7B-Instruct", 8, 4, id="4 key-value heads fit 4 of 8 GPUs"),
        pytest.param("Qwen/Qwen2.5-0.5B", 4, 2, id="14 heads and 2 key-value heads fit 2"),
        pytest.param("HuggingFaceH4/zephyr-7b-beta", 4, 4, id="32 heads and 8 key-value heads fit 4"),
        pytest.param("meta-llama/Llama-3.1-70B", 8, 8, id="and 8"),
        pytest.param("META-LLAMA/LLAMA-3.1-8b-instruct", 8, 8, id="ids are the same in any case"),
        pytest.param("somebody/new-model", 8, 8, id="an unknown model has all GPUs"),
        pytest.param("somebody/falcon-7b", 4, 4, id="another owner's model of the same name is unknown"),
    ],
)
def test_default_number_of_shards(model_id: str, gpus: int, shards: int) -> None:
    assert default_shards(hub(model_id), gpus) == shards


@pytest.mark.parametrize(
    ("model_id", "shards", "fitting"),
    [
        pytest.param("tiiuae/falcon-7b", 2, "use 1", id="71 heads over 2 GPUs"),
        pytest.param("Qwen/Qwen2.5-7B", 8, "use 1, 2, 4", id="4 key-value heads over 8 GPUs"),
        pytest.param("meta-llama/Llama-2-13b-hf", 3, "use 1, 2, 4, 5, 8", id="40 heads over 3 GPUs"),
    ],
)
def test_split_that_cannot_work_says_what_does(model_id: str, shards: int, fitting: str) -> None:
    why = indivisible(hub(model_id), shards)
    assert why is not None
    assert why.startswith(f"{model_id} ")
    assert why.endswith(fitting)


@pytest.mark.parametrize("model", [Model(uri="s3://weights/falcon-7b/"), hub("somebody/new-model")])
def test_nothing_is_said_of_a_model_that_is_not_known(model: Model) -> None:
    assert indivisible(model, 7) is None


@given(st.sampled_from(KNOWN), st.integers(1, 16))
def test_default_always_fits(model_id: str, gpus: int) -> None:
    shards = default_shards(hub(model_id), gpus)
    assert 1 <= shards <= gpus
    assert indivisible(hub(model_id), shards) is None


@pytest.mark.parametrize("model_id", KNOWN)
def test_known_model_is_found_in_the_table(model_id: str) -> None:
    assert indivisible(hub(model_id), 3) is not None
