"""Names that must fit: a stem cut where it is too long, and a hash that keeps what was cut apart."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tgi_operator.api.spec import Spec

REVISION_LENGTH = 10


def digest(text: str) -> str:
    """Return the SHA-256 of `text` in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def revision(content: str) -> str:
    """Return the revision for the canonical text of what is rendered."""
    return digest(content)[:REVISION_LENGTH]


def inputs_digest(spec: Spec, block: Mapping[str, Any], token: str | None, render_request: str) -> str:
    """Return a digest of everything in a spec that a revision is rendered from.

    `block` is the backend's part of the spec and `token` the Hub token. While the digest stays the same, so does the
    revision, whichever version of the operator renders it.
    """
    parts = {
        "model": spec.model.model_dump(mode="json", by_alias=True, exclude_none=True),
        "runtime": spec.runtime.model_dump(mode="json", by_alias=True, exclude_none=True),
        "backend": block,
        "token": token,
        "request": render_request,
    }
    return digest(json.dumps(parts, sort_keys=True))[:16]


def with_tail(stem: str, tail: str, longest: int) -> str:
    """Return `stem`-`tail`, the stem cut so that both fit into `longest` characters."""
    return f"{stem[: longest - 1 - len(tail)].rstrip('-')}-{tail}"
