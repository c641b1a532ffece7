"""The meaning of an error: whether it will fail again, and its message for users."""

import errno
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tgi_operator.weights import bucket, failures, hub_failures, parts
from tgi_operator.weights.failures import FetchError, LastingError, PassingError
from tgi_operator.weights.source import Prefix

CLAIM = Path("/claim")
SOURCE = Prefix("acme-models", "llama/v1/")
MODEL = parts.model("acme/tiny", "v1")


def hub_error(kind: type[HfHubHTTPError], status: int, **headers: str) -> HfHubHTTPError:
    response: Any = SimpleNamespace(status_code=status, headers=headers, request=None)
    return kind("said", response=response)


def s3_error(code: str, status: int, operation: str = "ListObjectsV2") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("error", "with_token", "kind", "words"),
    [
        (hub_error(GatedRepoError, 401), False, LastingError, "is gated (401); request access at"),
        (hub_error(GatedRepoError, 403), True, LastingError, "with the account that owns the token"),
        (hub_error(RepositoryNotFoundError, 404), True, LastingError, "must be allowed to read the model"),
        (
            hub_error(RevisionNotFoundError, 404),
            False,
            LastingError,
            "the revision 'v1' does not exist (404); check spec.model.revision",
        ),
        (hub_error(EntryNotFoundError, 404), False, LastingError, "a file in the commit no longer exists (404)"),
        (
            hub_error(HfHubHTTPError, 401),
            True,
            LastingError,
            "the Hub rejected the token (401); in spec.model.tokenSecretRef, reference a token that has access",
        ),
        (
            hub_error(HfHubHTTPError, 403),
            False,
            LastingError,
            "the Hub requires a token (403); set spec.model.tokenSecretRef",
        ),
        (hub_error(HfHubHTTPError, 416), False, LastingError, "the Hub responded with 416"),
        (hub_error(HfHubHTTPError, 429), False, PassingError, "the Hub responded with 429"),
        (hub_error(HfHubHTTPError, 504), False, PassingError, "the Hub responded with 504"),
        (ConnectionError("refused\nby http://hub/x?Signature=1"), False, PassingError, "refused by http://hub/x?..."),
    ],
)
def test_an_answer_of_the_hub(error: OSError, with_token: bool, kind: type[FetchError], words: str) -> None:
    failure = hub_failures.failure(error, MODEL, with_token=with_token)

    assert type(failure) is kind
    assert str(failure).startswith("hf://acme/tiny: ")
    assert words in str(failure)


def test_a_broken_connection_is_told_by_its_first_cause() -> None:
    try:
        try:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        except OSError as error:
            raise ConnectionError("HTTPConnectionPool(...): Max retries exceeded") from error
    except OSError as error:
        failure = hub_failures.failure(error, MODEL, with_token=False)
    assert "failed: ConnectionRefusedError: [Errno 111] Connection refused; if the problem persists" in str(failure)


def test_the_reason_behind_a_copy_that_is_not_in_the_cache() -> None:
    error = LocalEntryNotFoundError("no connection, or no copy")
    error.__cause__ = hub_error(HfHubHTTPError, 429, **{"Retry-After": "7"})

    assert isinstance(hub_failures.failure(error, MODEL, with_token=False), PassingError)
    assert hub_failures.retry_after(error) == 7


@pytest.mark.parametrize(
    "error", [hub_error(HfHubHTTPError, 429), hub_error(HfHubHTTPError, 429, **{"Retry-After": "soon"}), OSError()]
)
def test_the_hub_names_no_pause(error: OSError) -> None:
    assert hub_failures.retry_after(error) is None


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (s3_error("AccessDenied", 403), LastingError, "needs s3:ListBucket on arn:aws:s3:::acme-models and"),
        (s3_error("403", 403, "HeadObject"), LastingError, "s3:GetObject on arn:aws:s3:::acme-models/llama/v1/*"),
        (s3_error("AccessDenied", 403, "AssumeRoleWithWebIdentity"), LastingError, "must trust the pod's service"),
        (s3_error("NoSuchBucket", 404), LastingError, "check spec.model.uri"),
        (s3_error("InvalidRequest", 400), LastingError, "said"),
        (s3_error("SlowDown", 503), PassingError, "SlowDown"),
        (s3_error("TooManyRequests", 429), PassingError, "said"),
        (NoCredentialsError(), LastingError, "give the pod's service account an IAM role"),
        (EndpointConnectionError(endpoint_url="http://s3"), PassingError, "Could not connect"),
    ],
)
def test_an_answer_of_s3(error: Exception, kind: type[FetchError], words: str) -> None:
    failure = bucket.failure(error, SOURCE)

    assert type(failure) is kind
    assert str(failure).startswith("s3://acme-models/llama/v1/: ")
    assert words in str(failure)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, LastingError, "the volume that contains /claim is full; use a larger PVC"),
        (errno.EDQUOT, LastingError, "the volume that contains /claim is full; use a larger PVC"),
        (errno.EROFS, LastingError, "/claim/x: Read-only file system; the volume must be writable by uid"),
        (errno.EACCES, LastingError, "/claim/x: Permission denied; the volume must be writable by uid"),
        (errno.EPERM, LastingError, "/claim/x: Operation not permitted; the volume must be writable by uid"),
        (errno.ENOSYS, LastingError, "/claim/x: Function not implemented; the file system of the volume cannot rename"),
        (errno.ENOTSUP, LastingError, "/claim/x: Operation not supported; the file system of the volume cannot"),
        (errno.ENOLCK, LastingError, "/claim/x: No locks available; the file system of the volume cannot"),
        (errno.ENAMETOOLONG, LastingError, "/claim/x: File name too long"),
        (errno.EIO, PassingError, "/claim/x: Input/output error; the storage of the volume has failed"),
        (errno.ESTALE, PassingError, "/claim/x: Stale file handle; the storage of the volume has failed"),
        (errno.ENOENT, PassingError, "/claim/x: No such file or directory"),
        (errno.EINVAL, PassingError, "/claim/x: Invalid argument"),
        (errno.ETIMEDOUT, PassingError, "/claim/x: Connection timed out"),
    ],
)
def test_what_the_volume_refuses(number: int, kind: type[FetchError], words: str) -> None:
    failure = failures.of_volume(OSError(number, os.strerror(number), "/claim/x"), CLAIM)

    assert type(failure) is kind
    assert str(failure).startswith(words)


def test_a_file_system_without_links() -> None:
    refused = OSError(errno.EPERM, os.strerror(errno.EPERM), "/claim/blobs/x", None, "/claim/snapshots/x")

    assert "cannot rename, link or lock files" in str(failures.of_volume(refused, CLAIM))


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSYS, errno.EROFS])
def test_a_call_for_an_open_file_fails_for_the_volume(number: int) -> None:
    assert str(failures.of_volume(OSError(number, os.strerror(number)), CLAIM)).startswith("/claim: ")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)),
        OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)),
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        requests.ConnectionError("HTTPConnectionPool(...): Max retries exceeded"),
        requests.Timeout(),
        hub_error(HfHubHTTPError, 503),
        LocalEntryNotFoundError("no connection, or no copy"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_network_is_not_one_of_the_volume(error: OSError) -> None:
    assert failures.of_volume(error, CLAIM) is None
