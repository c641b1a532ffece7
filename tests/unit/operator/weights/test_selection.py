"""The files of a repository that are fetched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.weights.selection import choose, weights

LLAMA = [
    ".gitattributes",
    "LICENSE",
    "README.md",
    "USE_POLICY.md",
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "original/consolidated.00.pth",
    "original/params.json",
    "original/tokenizer.model",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
]

OTHERS = ["flax_model.msgpack", "fp16/model.safetensors", "model.gguf", "onnx/model.onnx", "rust_model.ot"]


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        pytest.param(
            LLAMA,
            [
                "config.json",
                "generation_config.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer_config.json",
            ],
            id="a Llama",
        ),
        pytest.param(
            ["config.json", "consolidated.safetensors", "model.safetensors", "tekken.json"],
            ["config.json", "model.safetensors", "tekken.json"],
            id="a Mistral with its own layout beside that of the Hub",
        ),
        pytest.param(["consolidated.safetensors"], ["consolidated.safetensors"], id="its own layout alone"),
        pytest.param(
            ["config.json", "model.safetensors", "pytorch_model.bin", "training_args.bin", "tf_model.h5", *OTHERS],
            ["config.json", "model.safetensors"],
            id="every format there is",
        ),
        pytest.param(
            ["config.json", "modeling_x.py", "chat_template.jinja", "merges.txt", "qwen.tiktoken", "tokenizer.model"],
            ["chat_template.jinja", "config.json", "merges.txt", "modeling_x.py", "qwen.tiktoken", "tokenizer.model"],
            id="code, template and tokenizers",
        ),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_tgi_needs_is_chosen(listed: list[str], chosen: list[str]) -> None:
    assert choose(listed, allow_pickle=False) == chosen
    assert choose(listed, allow_pickle=True) == chosen


PICKLED = ["config.json", "pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json", "training_args.bin"]


def test_pickled_weights_are_chosen_only_where_they_are_allowed() -> None:
    assert choose(PICKLED, allow_pickle=True) == PICKLED[:3]
    assert choose(PICKLED, allow_pickle=False) == ["config.json", "pytorch_model.bin.index.json"]


names = st.lists(
    st.from_regex(
        r"(original/|onnx/)?(model|adapter_x|training_args)-?[0-3]?\.(safetensors|bin|json|gguf)", fullmatch=True
    ),
    unique=True,
)


@given(names)
def test_weights_are_of_one_format_and_beside_the_configuration(listed: list[str]) -> None:
    chosen = choose(listed, allow_pickle=True)

    assert set(weights(listed)) <= set(chosen) <= set(listed)
    assert len({name.rpartition(".")[2] for name in weights(listed)}) <= 1
    assert not any("/" in name for name in weights(listed))
