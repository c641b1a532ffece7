"""The identification of a Hub token, and the record of it."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.backends import secrets
from tgi_operator.backends.hub_token import HubToken, without_token
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.sagemaker.observe import as_endpoint
from tgi_operator.kube import Secret
from tgi_operator.redaction import PIECE
from unit.operator.incluster.given import crashed, resource, spec

GATED = spec({"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}})
BEFORE, AFTER = "first-token-of-a-mirror", "second-token-of-a-mirror"


class Reader:
    def __init__(self, value: bytes) -> None:
        self.value = value

    async def secret(self, namespace: str, name: str) -> Secret | None:
        return Secret({LABEL_ALLOW_USE: "true"}, {"token": self.value})


async def read(value: bytes) -> HubToken | Problem | None:
    return await secrets.token(Reader(value), resource(GATED), require_label=True)


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.text())
@settings(deadline=None, max_examples=30)
def test_a_fingerprint_follows_the_value_and_the_place_of_the_secret(
    one: str, other: str, place: str, another: str
) -> None:
    found = HubToken(one, place).fingerprint

    assert (found == HubToken(other, place).fingerprint) is (one == other)
    assert (found == HubToken(one, another).fingerprint) is (place == another)


def test_a_fingerprint_takes_a_guesser_milliseconds() -> None:
    started = time.process_time()
    for number in range(10):
        assert HubToken(f"guess-{number}", "ml/hub/token").fingerprint
    assert time.process_time() - started > 10 * 0.001


def test_a_token_is_not_printed() -> None:
    token = HubToken(BEFORE, "ml/hub/token")

    assert BEFORE not in repr(token)


async def test_a_rotated_token_is_still_taken_out_of_what_is_reported() -> None:
    await read(BEFORE.encode())
    token = await read(AFTER.encode())

    assert isinstance(token, HubToken)
    assert BEFORE in token.former
    assert without_token(f"{BEFORE} and {AFTER}", token) == "[redacted] and [redacted]"


async def test_only_the_last_values_are_remembered() -> None:
    for number in range(10):
        token = await read(f"token-number-{number}".encode())
    assert isinstance(token, HubToken)
    assert token.former == ("token-number-8", "token-number-7")


@pytest.mark.parametrize("value", [b"", b" \n", "tökën".encode(), b"x" * 1025])
async def test_what_cannot_be_a_token_is_a_problem(value: bytes) -> None:
    found = await read(value)

    assert isinstance(found, Problem)
    assert found.reason is Reason.SECRET_KEY_NOT_FOUND
    assert "Secret ml/hub" in found.message


def pieces(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


@given(st.text(alphabet="abc \n", max_size=900), st.text(alphabet="xyz \n", max_size=900), st.booleans())
def test_a_log_is_cut_so_that_no_piece_of_a_token_is_left(before: str, after: str, cut: bool) -> None:
    token = HubToken(AFTER, "ml/hub/token", (BEFORE,))
    log = f"{AFTER[5:] if cut else AFTER}{before}{BEFORE}{after}{AFTER}"

    found = pods.trouble(crashed("zephyr-1", "r", log), token)
    assert found is not None
    assert not pieces(found.message) & (pieces(AFTER) | pieces(BEFORE))


def test_the_reason_of_a_failed_endpoint_is_without_the_token() -> None:
    described = {
        "EndpointArn": "arn",
        "EndpointStatus": "Failed",
        "LastModifiedTime": datetime(2026, 1, 1, tzinfo=UTC),
        "FailureReason": f"The container had HF_TOKEN {AFTER} and {BEFORE}. Check its log.",
    }
    found = as_endpoint(described, HubToken(AFTER, "ml/hub/token", (BEFORE,)))
    assert found.failure_reason == "The container had HF_TOKEN [redacted] and [redacted]. Check its log."
    assert as_endpoint({**described, "FailureReason": ""}).failure_reason is None
