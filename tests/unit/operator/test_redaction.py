"""No reported text contains a secret, or a part of one."""

import json
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tgi_operator.redaction import PIECE, REDACTED, redacted

TOKEN = "Pa55word-of-the-ledger"

letters = st.text(alphabet=string.ascii_letters + string.digits + "-_.~+/=", max_size=40)
tokens = st.text(alphabet=string.ascii_letters + string.digits + "-_.~+/=", min_size=PIECE, max_size=60)


def pieces(secret: str) -> set[str]:
    return {secret[start : start + PIECE] for start in range(len(secret) - PIECE + 1)}


@given(st.lists(letters, max_size=4), tokens, st.data())
def test_no_piece_of_a_token_is_left_wherever_the_text_was_cut(
    parts: list[str], token: str, data: st.DataObject
) -> None:
    assume(not pieces(token) & pieces(REDACTED))
    text = token.join(["", *parts, ""])
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    left = redacted(text[start:end], [token])
    assert not pieces(token) & pieces(left)


@given(letters, st.lists(tokens, min_size=1, max_size=3))
def test_every_token_that_is_known_is_taken_out(between: str, known: list[str]) -> None:
    assume(not any(pieces(token) & pieces(REDACTED) for token in known))
    left = redacted(between.join(known), known)

    assert not any(pieces(token) & pieces(left) for token in known)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"HF_TOKEN is {TOKEN}.", f"HF_TOKEN is {REDACTED}."),
        (f"{TOKEN[:12]}… was refused", f"{REDACTED}… was refused"),
        (f"ledger {TOKEN}{TOKEN} end", f"ledger {REDACTED} end"),
        ("nothing of it", "nothing of it"),
        ("", ""),
    ],
)
def test_text_around_a_token_stays(text: str, left: str) -> None:
    assert redacted(text, [TOKEN]) == left


def test_a_short_secret_is_taken_out_as_a_whole() -> None:
    assert redacted("the key is abc1, not abc", ["abc1", ""]) == f"the key is {REDACTED}, not abc"
    assert redacted("minio, red", ["red", "minio"]) == f"{REDACTED}, {REDACTED}"


@pytest.mark.parametrize("secret", ['a"b', 'qu"ote\\s-and-more', "tökën-of-the-ledger", "ö"])
def test_a_secret_that_json_quotes_is_taken_out(secret: str) -> None:
    for text in (secret, json.dumps({"value": secret})):
        left = redacted(f"refused: {text}", [secret])
        assert secret not in left
        assert json.dumps(secret)[1:-1] not in left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("token hf_abcdefgh12 refused", f"token {REDACTED} refused"),
        ("key AKIAIOSFODNN7EXAMPLE", f"key {REDACTED}"),
        ("jwt eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln end", f"jwt {REDACTED} end"),
        ("Authorization: Bearer 0123456789abcdef", f"Authorization: Bearer {REDACTED}"),
        ("https://h/x?X-Amz-Signature=0123456789&part=1", f"https://h/x?X-Amz-Signature={REDACTED}&part=1"),
        ("https://me:secret@proxy:8080/", f"https://{REDACTED}@proxy:8080/"),
        ("HF_TOKEN=0123456789abc, other", f"HF_TOKEN={REDACTED}, other"),
        ("{'AWS_SECRET_ACCESS_KEY': 'wJalrXUtnFEMI/K7MDENG'}", f"{{'AWS_SECRET_ACCESS_KEY': '{REDACTED}'}}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nowIBAAK", REDACTED),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, left: str) -> None:
    assert redacted(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "MAX_TOTAL_TOKENS=1234567890 is more than the model has",
        "spec.model.tokenSecretRef: Secret ml/hub has no value for key 'token'; add the key or specify another one",
        "`max_input_tokens` must be < `max_total_tokens`. Given: 4096 and 2048",
        "container tgi exited with code 1; raise spec.inCluster.resources.limits.memory",
        "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/ml-falcon-7b",
        "InvalidSignatureException: The request signature we calculated does not match",
    ],
)
def test_what_helps_a_person_stays(text: str) -> None:
    assert redacted(text) == text
