"""Tokens, texts and metrics of the simulator."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tgi_sandbox.tgi.generation import FinishReason, chat_prompt, generate
from tgi_sandbox.tgi.metrics import Metrics
from tgi_sandbox.tgi.tokens import EOS, tokenize


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    tokens = tokenize(text)
    assert "".join(token.text for token in tokens) == text
    assert all(token.text and 3 <= token.id < 32000 and not token.special for token in tokens)


@given(st.text(), st.integers(0, 10), st.integers(1, 200))
def test_generation_is_repeatable_and_within_its_limit(prompt: str, seed: int, limit: int) -> None:
    generation = generate(prompt, seed=seed, max_new_tokens=limit)
    assert generation == generate(prompt, seed=seed, max_new_tokens=limit)
    assert 1 <= len(generation.tokens) <= limit
    assert generation.text == "".join(token.text for token in generation.tokens if not token.special)
    if generation.finish_reason is FinishReason.LENGTH:
        assert len(generation.tokens) == limit
    else:
        assert generation.tokens[-1] == EOS


def test_answer_is_about_the_question() -> None:
    text = generate("What is deep learning?", seed=None, max_new_tokens=500).text
    assert text.startswith(" ")
    assert text.count("deep learning") == 5
    assert text.endswith(".")


def test_chat_answers_the_last_user_message() -> None:
    prompt = chat_prompt([("system", "You are terse."), ("user", "Hello"), ("user", "What is Kubernetes?")])
    text = generate(prompt, seed=None, max_new_tokens=500).text
    assert "Kubernetes" in text
    assert "terse" not in text
    assert not text.startswith(" ")


def test_seeds_differ() -> None:
    texts = {generate("Why?", seed=seed, max_new_tokens=500).text for seed in range(5)}
    assert len(texts) > 1


def test_stop_sequence_ends_the_text() -> None:
    generation = generate("What is deep learning?", seed=None, max_new_tokens=500, stop=("nothing like it", "."))
    assert generation.finish_reason is FinishReason.STOP_SEQUENCE
    assert generation.text.endswith(".")
    assert generation.text.count(".") == 1


def test_metrics_exist_from_their_first_use() -> None:
    metrics = Metrics(10, 20)
    assert metrics.render() == ""
    metrics.increment("tgi_request_failure", err="overloaded")
    metrics.increment("tgi_request_failure", err="overloaded")
    metrics.set("tgi_queue_size", 3)
    assert metrics.render() == (
        '# TYPE tgi_request_failure counter\ntgi_request_failure{err="overloaded"} 2\n\n'
        "# TYPE tgi_queue_size gauge\ntgi_queue_size 3\n\n"
    )


def test_histogram_buckets_are_cumulative() -> None:
    metrics = Metrics(100, 200)
    for length in (1, 2, 1000):
        metrics.observe("tgi_request_input_length", length)
    lines = metrics.render().splitlines()
    assert lines[0] == "# TYPE tgi_request_input_length histogram"
    assert lines[1:3] == [
        'tgi_request_input_length_bucket{le="1.0"} 1',
        'tgi_request_input_length_bucket{le="2.0"} 2',
    ]
    assert lines[-4:] == [
        'tgi_request_input_length_bucket{le="+Inf"} 3',
        "tgi_request_input_length_sum 1003.0",
        "tgi_request_input_length_count 3",
        "",
    ]
