"""Text without a model: a few plausible sentences about the prompt, always the same for the same prompt and seed."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tgi_sandbox.tgi.tokens import EOS, Token, tokenize

_STOP_WORDS: Final = frozenset(
    """
    a about an and are as at be been but by can could did do does explain for from give had has have he her hi his how i
    if in into is it its just like list me my name not of on one or our please say she should so some tell than that the
    their them then there they this to two us use using was we were what when where which who whom whose why will with
    would write you your
    """.split()  # noqa: SIM905 (a list of one word a line would be no easier to read)
)
_OPENINGS: Final = (
    "Let us start with {topic}.",
    "A good way to think about {topic} is to look at what it is for.",
    "There is more to {topic} than it seems.",
    "The short answer about {topic} is that it depends on the goal.",
)
_MIDDLES: Final = (
    "In practice {topic} works best when every part of it has one clear purpose.",
    "Most people first meet {topic} in a small example, and that is a fine place to begin.",
    "What matters most for {topic} is to keep the simple things simple.",
    "It helps to measure {topic} before changing anything, because the first guess is often wrong.",
    "Seen from close by, {topic} rests on a few ideas that fit together well.",
    "The history of {topic} shows that patience pays off.",
)
_CLOSINGS: Final = (
    "So the next step is to try {topic} and to see what happens.",
    "With that in mind, {topic} becomes much easier to understand.",
    "That is why {topic} is worth a closer look.",
)
_CHAT_TURN: Final = re.compile(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", re.DOTALL)


class FinishReason(StrEnum):
    """Why a generation ended."""

    LENGTH = "length"
    EOS_TOKEN = "eos_token"  # noqa: S105 (a reason, not a secret)
    STOP_SEQUENCE = "stop_sequence"


@dataclass(frozen=True)
class Generation:
    """A finished generation; the text excludes special tokens."""

    tokens: tuple[Token, ...]
    text: str
    finish_reason: FinishReason


def chat_prompt(messages: list[tuple[str, str]]) -> str:
    """Render (role, content) pairs with a ChatML template, ready for the assistant's turn."""
    turns = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in messages)
    return f"{turns}<|im_start|>assistant\n"


def generate(prompt: str, *, seed: int | None, max_new_tokens: int, stop: tuple[str, ...] = ()) -> Generation:
    """Continue a prompt as the text generation server does.

    Generation ends with the token that completes a stop sequence (which stays in the text, as in
    server/text_generation_server/utils/tokens.py), at the token limit, or with the end-of-sequence token.
    """
    taken: list[Token] = []
    text = ""
    for token in [*tokenize(_answer(prompt, seed)), EOS]:
        taken.append(token)
        if token is EOS:
            return Generation(tuple(taken), text, FinishReason.EOS_TOKEN)
        text += token.text
        if any(text.endswith(sequence) for sequence in stop):
            return Generation(tuple(taken), text, FinishReason.STOP_SEQUENCE)
        if len(taken) >= max_new_tokens:
            break
    return Generation(tuple(taken), text, FinishReason.LENGTH)


def _answer(prompt: str, seed: int | None) -> str:
    turns = _CHAT_TURN.findall(prompt)
    question = turns[-1] if turns else prompt
    choose = random.Random(f"{seed}:{question}")  # noqa: S311 (repeatable on purpose)
    templates = [choose.choice(_OPENINGS), *choose.sample(_MIDDLES, k=3), choose.choice(_CLOSINGS)]
    topic = _topic(question)
    answer = " ".join(template.format(topic=topic) for template in templates)
    return answer if not prompt or prompt[-1].isspace() else f" {answer}"


def _topic(question: str) -> str:
    words = [word for word in re.findall(r"[^\W_][\w'-]*", question) if word.lower() not in _STOP_WORDS]
    return " ".join(words[-3:]) or "this question"
