"""A small deterministic tokenizer: a token is a word or a punctuation mark with the white space before it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

_PIECES: Final = re.compile(r"\s*\w{1,12}|\s*[^\w\s]|\s+")
_VOCABULARY: Final = 32000
_SPECIAL_IDS: Final = 3


@dataclass(frozen=True)
class Token:
    """A piece of text as the model sees it."""

    id: int
    text: str
    logprob: float = 0.0
    special: bool = False


BOS: Final = Token(1, "<s>", special=True)
EOS: Final = Token(2, "</s>", special=True)


def tokenize(text: str) -> list[Token]:
    """Split a text into tokens; joining their texts results in the original text."""
    return [_token(piece) for piece in _PIECES.findall(text)]


def _token(piece: str) -> Token:
    digest = zlib.crc32(piece.encode())
    return Token(
        id=_SPECIAL_IDS + digest % (_VOCABULARY - _SPECIAL_IDS),
        text=piece,
        logprob=-(1 + digest % 2000) / 1000,
    )
