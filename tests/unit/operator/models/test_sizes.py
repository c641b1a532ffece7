"""Sizes derived from names, and the allowed duration of a start-up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.models.sizes import billions_of_parameters, startup_seconds


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("hf://tiiuae/falcon-7b-instruct", 7),
        ("hf://HuggingFaceH4/zephyr-7b-beta", 7),
        ("hf://mistralai/Mixtral-8x7B-Instruct-v0.1", 56),
        ("hf://mistralai/Mixtral-8x22B-v0.1", 176),
        ("hf://Qwen/Qwen2.5-0.5B-Instruct", 0.5),
        ("hf://meta-llama/Llama-3.1-405B", 405),
        ("hf://Qwen/Qwen3-30B-A3B", 30),
        ("hf://meta-llama/Llama-4-Scout-17B-16E", 17),
        ("s3://weights/llama_13b/", 13),
        ("s3://weights/70B/2026/", 70),
    ],
)
def test_name_tells_the_size(name: str, billions: float) -> None:
    assert billions_of_parameters(name) == billions


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("hf://google/flan-t5-xxl", id="a letter and a digit"),
        pytest.param("hf://facebook/opt-350m", id="millions"),
        pytest.param("hf://org/model-v2beta", id="a number before a word that begins with b"),
        pytest.param("hf://org/quant-4bit", id="bits"),
        pytest.param("hf://org/db7bb", id="the middle of a word"),
        pytest.param(f"hf://org/{'9' * 400}b", id="a number that no float holds"),
        pytest.param(f"hf://org/{'9' * 900}b", id="a number of 900 digits"),
        pytest.param(f"hf://org/{'9' * 400}x7b", id="more experts than any float"),
        pytest.param(f"hf://org/7.{'9' * 900}b", id="a fraction of 900 digits"),
        pytest.param("s3://weights/\u0667b/", id="a digit that is not ASCII"),
    ],
)
def test_name_that_tells_no_size(name: str) -> None:
    assert billions_of_parameters(name) is None
    assert startup_seconds(name) == 900


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        pytest.param("hf://o/m-7b", 900, id="a small model has the default"),
        pytest.param("hf://o/m-20b", 900, id="600 s for 40 GB is just the default"),
        pytest.param("hf://o/m-21b", 930, id="30 s for each further billion"),
        pytest.param("hf://o/m-70b", 2400, id="a large one"),
        pytest.param("hf://o/m-110b", 3600, id="the longest that SageMaker lets it take"),
        pytest.param("hf://o/m-405b", 3600, id="no longer than that"),
    ],
)
def test_time_to_start(name: str, seconds: int) -> None:
    assert startup_seconds(name) == seconds


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_larger_model_never_has_less_time(smaller: int, larger: int) -> None:
    smaller, larger = sorted((smaller, larger))
    assert 900 <= startup_seconds(f"hf://o/m-{smaller}b") <= startup_seconds(f"hf://o/m-{larger}b") <= 3600


@given(st.text(alphabet="0123456789xXbB.-/ab\u0667", max_size=1024))
def test_no_name_is_too_much(name: str) -> None:
    assert 900 <= startup_seconds(name) <= 3600
