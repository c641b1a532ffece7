"""Digests of files in the forms of the Hub and S3."""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Path], bool]
"""Returns whether a file has the content that its source announced."""

_BLOCK = 2**20
_GIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r'"([0-9a-f]{32})"')

_MD5_ENCRYPTIONS = {None, "AES256"}
"""Encryptions with which the ETag of a single-part object is its MD5 (docs: S3, checking object integrity)."""


def is_digest(text: str) -> bool:
    """Return whether `text` is the SHA-256 of a file or its git blob id."""
    return bool(_GIT.fullmatch(text) or _SHA256.fullmatch(text))


def hub(path: Path, announced: str) -> str:
    """Return the digest of a file in the form of the `announced` one: a SHA-256, or a git blob id."""
    if _SHA256.fullmatch(announced):
        return _digest(path, hashlib.sha256()).hex()
    header = b"blob %d\0" % path.stat().st_size
    return _digest(path, hashlib.sha1(header, usedforsecurity=False)).hex()


def s3(head: Mapping[str, Any]) -> Check | None:
    """Return the check for an object whose checksum HeadObject shows, or None if it shows no usable checksum.

    Objects of several parts usually have a checksum of the checksums of their parts, which does not apply to a file.
    """
    if head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        if checksum := head.get("ChecksumSHA256"):
            return lambda path: _base64(_digest(path, hashlib.sha256())) == checksum
        if checksum := head.get("ChecksumSHA1"):
            return lambda path: _base64(_digest(path, hashlib.sha1(usedforsecurity=False))) == checksum
        if checksum := head.get("ChecksumCRC32"):
            return lambda path: _base64(_crc32(path)) == checksum
    if (found := _MD5.fullmatch(head["ETag"])) and head.get("ServerSideEncryption") in _MD5_ENCRYPTIONS:
        md5 = found[1]
        if "SSECustomerAlgorithm" not in head:
            return lambda path: _digest(path, hashlib.md5(usedforsecurity=False)).hex() == md5
    return None


def _digest(path: Path, algorithm: Any) -> bytes:
    with path.open("rb") as file:
        hashed: bytes = hashlib.file_digest(file, lambda: algorithm).digest()
    return hashed


def _crc32(path: Path) -> bytes:
    value = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value.to_bytes(4)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
