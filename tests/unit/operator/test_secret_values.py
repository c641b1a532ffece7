"""The values that a spec takes from Secrets: reading, identification and redaction."""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.backends import secrets
from tgi_operator.backends.incluster.seen import pods
from tgi_operator.backends.sagemaker.observe import as_endpoint
from tgi_operator.backends.secret_values import SecretValue, SecretValues, without_secrets
from tgi_operator.kube import Secret
from tgi_operator.redaction import PIECE
from unit.operator.incluster.given import crashed, resource, spec

TOKEN = {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}
GATED = spec({"model": TOKEN})
BEFORE, AFTER = "first-token-of-a-mirror", "second-token-of-a-mirror"


def variable(name: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


ENV = [variable("API_KEY", "keys", "api"), variable("HTTPS_PROXY", "keys", "proxy"), {"name": "A", "value": "x"}]
WITH_ENV = spec({"model": TOKEN, "runtime": {"env": ENV}})


@dataclass
class Reader:
    """Secrets by name."""

    secrets: dict[str, Secret]
    reads: list[str] = field(default_factory=list)

    async def secret(self, namespace: str, name: str) -> Secret | None:
        assert namespace == "ml"
        self.reads.append(name)
        return self.secrets.get(name)


def allowed(**data: bytes) -> Secret:
    return Secret({LABEL_ALLOW_USE: "true"}, data)


def reader(**keys: bytes) -> Reader:
    data = {"api": b"secret-of-the-api", "proxy": b"http://me:word@proxy"} | keys
    return Reader({"hub": allowed(token=AFTER.encode()), "keys": allowed(**data)})


async def found(described: dict[str, Any], given: Reader, *, require_label: bool = True) -> SecretValues:
    values = await secrets.values(given, resource(described), require_label=require_label)
    assert isinstance(values, SecretValues), values.message
    return values


async def problem(described: dict[str, Any], given: Reader) -> Problem:
    values = await secrets.values(given, resource(described), require_label=True)
    assert isinstance(values, Problem)
    return values


async def read(value: bytes) -> SecretValue:
    """Return the token whose Secret has this value."""
    token = (await found(GATED, Reader({"hub": allowed(token=value)}))).token
    assert token is not None
    return token


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.text())
@settings(deadline=None, max_examples=30)
def test_a_fingerprint_follows_the_value_and_the_place_of_the_secret(
    one: str, other: str, place: str, another: str
) -> None:
    fingerprint = SecretValue(one, place).fingerprint

    assert (fingerprint == SecretValue(other, place).fingerprint) is (one == other)
    assert (fingerprint == SecretValue(one, another).fingerprint) is (place == another)


def test_a_fingerprint_takes_a_guesser_milliseconds() -> None:
    started = time.process_time()
    for number in range(10):
        assert SecretValue(f"guess-{number}", "ml/hub/token").fingerprint
    assert time.process_time() - started > 10 * 0.001


def test_a_token_is_not_printed() -> None:
    token = SecretValue(BEFORE, "ml/hub/token")

    assert BEFORE not in repr(token)


async def test_a_rotated_token_is_still_taken_out_of_what_is_reported() -> None:
    await read(BEFORE.encode())
    token = await read(AFTER.encode())

    assert BEFORE in token.former
    assert without_secrets(f"{BEFORE} and {AFTER}", SecretValues(token)) == "[redacted] and [redacted]"


async def test_only_the_last_values_are_remembered() -> None:
    for number in range(10):
        token = await read(f"token-number-{number}".encode())
    assert token.former == ("token-number-8", "token-number-7")


async def test_all_values_are_read_with_one_request_for_each_secret() -> None:
    given = reader()
    values = await found(WITH_ENV, given)

    assert given.reads == ["hub", "keys"]
    assert values.token is not None
    assert values.token.value == AFTER
    assert values.environment == {"API_KEY": "secret-of-the-api", "HTTPS_PROXY": "http://me:word@proxy"}
    assert "secret-of-the-api" not in repr(values)


async def test_without_references_no_secret_is_read() -> None:
    given = Reader({})
    assert await found(spec(), given) == SecretValues()
    assert given.reads == []


async def test_rotated_variables_are_still_taken_out_of_what_is_reported() -> None:
    await found(WITH_ENV, reader(api=b"the-former-key"))
    values = await found(WITH_ENV, reader())

    assert without_secrets(f"the-former-key, secret-of-the-api, {AFTER}", values) == ", ".join(["[redacted]"] * 3)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "has no value for key"),
        (b" \n", "has no value for key"),
        (b"s3cr3t-value\n", "starts or ends with whitespace, such as the newline at the end of a file"),
        (b" s3cr3t-value", "starts or ends with whitespace"),
        (b"s3cr3t-value\r\n", "starts or ends with whitespace"),
        (b"s3cr3t\nvalue", "must be one line of"),
        (b"s3cr3t\0value", "must be one line of"),
        (b"\xffs3cr3t-value", "must be one line of"),
        (b"s3cr3t-value" * 100, "of at most 1024 bytes; replace the value"),
        (b"x" * 2**20, "of at most 1024 bytes; replace the value"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
async def test_a_value_that_containers_could_not_use_is_a_problem(value: bytes, words: str) -> None:
    token = await problem(GATED, Reader({"hub": allowed(token=value)}))
    variable = await problem(WITH_ENV, reader(api=value))

    assert token.reason is variable.reason is Reason.SECRET_KEY_NOT_FOUND
    assert token.message.startswith("spec.model.tokenSecretRef: Secret ml/hub")
    assert variable.message.startswith("spec.runtime.env[API_KEY]: Secret ml/keys")
    assert words in token.message
    assert words in variable.message
    assert "s3cr3t" not in token.message + variable.message


async def test_only_a_token_must_be_ascii() -> None:
    assert "one line of ASCII text" in (await problem(GATED, Reader({"hub": allowed(token="tökën".encode())}))).message
    assert (await found(WITH_ENV, reader(api="käy".encode()))).environment["API_KEY"] == "käy"


@pytest.mark.parametrize(
    ("secret", "reason", "words"),
    [
        (
            None,
            Reason.SECRET_NOT_FOUND,
            "create the Secret: `kubectl create secret generic keys -n ml --from-literal=api=VALUE`",
        ),
        (Secret({}, {"api": b"stolen-value"}), Reason.USE_NOT_ALLOWED, "kubectl label secret keys -n ml"),
        (allowed(other=b"x"), Reason.SECRET_KEY_NOT_FOUND, "has no value for key 'api'"),
    ],
    ids=["missing", "without the label", "without the key"],
)
async def test_a_secret_that_cannot_be_used_is_a_problem(secret: Secret | None, reason: Reason, words: str) -> None:
    given = Reader({"hub": allowed(token=b"hf_x")} | ({"keys": secret} if secret else {}))
    refused = await problem(WITH_ENV, given)

    assert refused.reason is reason
    assert refused.message.startswith("spec.runtime.env[API_KEY]: Secret ml/keys ")
    assert words in refused.message
    assert "stolen" not in refused.message


async def test_without_the_setting_no_label_is_needed() -> None:
    given = Reader({"hub": Secret({}, {"token": b"hf_x"})})
    assert (await found(GATED, given, require_label=False)).token is not None


def test_one_fingerprint_of_all_variables_follows_each_value_and_place() -> None:
    def fingerprint(**env: SecretValue) -> str | None:
        return SecretValues(env=env).env_fingerprint(["A", "B"])

    one, other, elsewhere = SecretValue("1", "ml/s/k"), SecretValue("2", "ml/s/k"), SecretValue("1", "ml/t/k")
    different = [fingerprint(**env) for env in ({"A": one}, {"A": other}, {"A": elsewhere}, {"B": one})]
    assert len({*different, fingerprint(A=one, B=one)}) == 5
    assert fingerprint(A=one, B=other) == fingerprint(B=other, A=one)
    assert fingerprint() is fingerprint(C=one) is None


def pieces(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


@given(st.text(alphabet="abc \n", max_size=900), st.text(alphabet="xyz \n", max_size=900), st.booleans())
def test_a_log_is_cut_so_that_no_piece_of_a_token_is_left(before: str, after: str, cut: bool) -> None:
    token = SecretValues(SecretValue(AFTER, "ml/hub/token", (BEFORE,)))
    log = f"{AFTER[5:] if cut else AFTER}{before}{BEFORE}{after}{AFTER}"

    trouble = pods.trouble(crashed("zephyr-1", "r", log), token)
    assert trouble is not None
    assert not pieces(trouble.message) & (pieces(AFTER) | pieces(BEFORE))


def test_the_reason_of_a_failed_endpoint_is_without_the_token() -> None:
    described = {
        "EndpointArn": "arn",
        "EndpointStatus": "Failed",
        "LastModifiedTime": datetime(2026, 1, 1, tzinfo=UTC),
        "FailureReason": f"The container had HF_TOKEN {AFTER} and {BEFORE}. Check its log.",
    }
    endpoint = as_endpoint(described, SecretValues(SecretValue(AFTER, "ml/hub/token", (BEFORE,))))
    assert endpoint.failure_reason == "The container had HF_TOKEN [redacted] and [redacted]. Check its log."
    assert as_endpoint({**described, "FailureReason": ""}).failure_reason is None


async def test_values_of_an_earlier_spec_are_still_taken_out_but_not_those_of_another_resource() -> None:
    await found(WITH_ENV, reader(api=b"the-key-of-this-resource"))
    other = resource(WITH_ENV)
    other = replace(other, owner=replace(other.owner, name="other"))
    await secrets.values(reader(api=b"unlike-the-rest"), other, require_label=True)
    values = await found(GATED, reader())
    told = without_secrets("the-key-of-this-resource; unlike-the-rest", values)
    assert told == "[redacted]; unlike-the-rest"
