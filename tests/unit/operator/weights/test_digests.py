"""Digests of files, as the Hub and S3 announce them."""

import base64
import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest

from tgi_operator.weights import digests

CONTENT = b"hello\n"
SHA256 = hashlib.sha256(CONTENT)
SHA1 = hashlib.sha1(CONTENT, usedforsecurity=False)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
GIT = "ce013625030ba8dba906f756967f9e9ca394464a"
"""The output of `git hash-object` for the content."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("digest", [GIT, SHA256.hexdigest()])
def test_a_file_has_the_digest_that_git_or_the_hub_gives_it(file: Path, digest: str) -> None:
    assert digests.is_digest(digest)
    assert digests.hub(file, digest) == digest
    file.write_bytes(b"other")
    assert digests.hub(file, digest) != digest


@pytest.mark.parametrize("text", ["", "None", "../" * 16, "A" * 40, f"{GIT}\n", GIT[:39], MD5])
def test_anything_else_is_no_digest(text: str) -> None:
    assert not digests.is_digest(text)


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


PARTS = {"ETag": f'"{MD5}-2"'}


@pytest.mark.parametrize(
    "head",
    [
        pytest.param({"ETag": f'"{MD5}"'}, id="MD5"),
        pytest.param({"ETag": f'"{MD5}"', "ServerSideEncryption": "AES256"}, id="MD5, encrypted by S3"),
        pytest.param({**PARTS, "ChecksumSHA256": encoded(SHA256.digest())}, id="SHA-256"),
        pytest.param({**PARTS, "ChecksumSHA1": encoded(SHA1.digest()), "ChecksumType": "FULL_OBJECT"}, id="SHA-1"),
        pytest.param({**PARTS, "ChecksumCRC32": encoded(zlib.crc32(CONTENT).to_bytes(4))}, id="CRC32"),
    ],
)
def test_an_object_is_compared_with_its_checksum(file: Path, head: dict[str, Any]) -> None:
    check = digests.s3(head)
    assert check is not None
    assert check(file)
    file.write_bytes(b"other")
    assert not check(file)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(PARTS, id="several parts"),
        pytest.param({"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms"}, id="an ETag that is no MD5"),
        pytest.param({"ETag": f'"{MD5}"', "SSECustomerAlgorithm": "AES256"}, id="a key of the customer"),
        pytest.param({**PARTS, "ChecksumSHA256": "x-2", "ChecksumType": "COMPOSITE"}, id="a checksum of checksums"),
    ],
)
def test_an_object_without_a_checksum_of_its_content_cannot_be_compared(head: dict[str, Any]) -> None:
    assert digests.s3(head) is None
