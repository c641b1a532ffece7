"""The source of weights, parsed from a URI."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tgi_operator.weights.failures import LastingError


@dataclass(frozen=True)
class HubModel:
    """`hf://owner/name`."""

    id: str


@dataclass(frozen=True)
class Prefix:
    """`s3://bucket/prefix/`. The prefix is empty or ends in a slash."""

    bucket: str
    prefix: str


@dataclass(frozen=True)
class Folder:
    """`file:///path`: weights that already exist."""

    path: Path


Source: TypeAlias = HubModel | Prefix | Folder

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_HUB = re.compile(rf"hf://({_NAME}/{_NAME})")
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/((?:.*/)?)")
_FILE = re.compile(r"file://(/.*)")


def parse(uri: str) -> Source:
    """Return the source of a URI. Raises LastingError."""
    if match := _HUB.fullmatch(uri):
        return HubModel(match[1])
    if match := _S3.fullmatch(uri):
        return Prefix(match[1], match[2])
    if match := _FILE.fullmatch(uri):
        return Folder(Path(match[1]))
    raise LastingError(
        f"{uri!r} is not a supported location for weights; use hf://OWNER/NAME, s3://BUCKET/PREFIX/ or file:///PATH"
    )
