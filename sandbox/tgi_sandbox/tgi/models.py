"""Known models of the simulator: the values of their config.json that decide how they can be sharded.

The simulator knows nothing about other models, and therefore accepts every configuration of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEFAULT_CONTEXT: Final = 4096


@dataclass(frozen=True)
class Architecture:
    """The part of a config.json that TGI checks before it places tensors."""

    heads: int
    kv_heads: int | None
    context: int


_LLAMA_2_7B: Final = Architecture(heads=32, kv_heads=32, context=4096)
_LLAMA_3_8B: Final = Architecture(heads=32, kv_heads=8, context=131072)
_LLAMA_3_70B: Final = Architecture(heads=64, kv_heads=8, context=131072)
_MISTRAL_7B: Final = Architecture(heads=32, kv_heads=8, context=32768)

# Falcon-7B has one key/value head that every shard copies: only its 71 query heads are divided.
_KNOWN: Final = {
    "tiiuae/falcon-7b": Architecture(heads=71, kv_heads=None, context=2048),
    "tiiuae/falcon-7b-instruct": Architecture(heads=71, kv_heads=None, context=2048),
    "meta-llama/llama-2-7b-hf": _LLAMA_2_7B,
    "meta-llama/llama-2-7b-chat-hf": _LLAMA_2_7B,
    "meta-llama/llama-3.1-8b": _LLAMA_3_8B,
    "meta-llama/llama-3.1-8b-instruct": _LLAMA_3_8B,
    "meta-llama/llama-3.1-70b-instruct": _LLAMA_3_70B,
    "meta-llama/llama-3.3-70b-instruct": _LLAMA_3_70B,
    "mistralai/mistral-7b-v0.1": _MISTRAL_7B,
    "mistralai/mistral-7b-instruct-v0.2": _MISTRAL_7B,
    "mistralai/mistral-7b-instruct-v0.3": _MISTRAL_7B,
    "qwen/qwen2.5-7b-instruct": Architecture(heads=28, kv_heads=4, context=32768),
}


def known_architecture(model_id: str) -> Architecture | None:
    """Return the values of a well-known model of the Hub."""
    return _KNOWN.get(model_id.lower())
