"""Names of limited length, and digests of content: revisions, and the inputs that a revision is rendered from."""

import hashlib
import json

from pydantic import BaseModel

from tgi_operator.backends.hub_token import HubToken
from tgi_operator.backends.resource import Resource

REVISION_LENGTH = 10
_INPUTS_LENGTH = 16


def digest(text: str) -> str:
    """Return the SHA-256 of `text` in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def revision(content: str) -> str:
    """Return the revision for the canonical text of what is rendered."""
    return digest(content)[:REVISION_LENGTH]


def is_revision(text: str) -> bool:
    """Return whether `text` has the form of a revision."""
    return len(text) == REVISION_LENGTH and set(text) <= set("0123456789abcdef")


def inputs_digests(resource: Resource, token: HubToken | None, block: BaseModel) -> tuple[str, str]:
    """Return a digest of everything in the rendering that a user can change, and the digest of earlier versions.

    Both are independent of the renderer. `block` is the backend's part of the spec. `token` is the Hub token if the
    rendering depends on it, else None. The reference to the token is part of `spec.model` anyway. The digest identifies
    the token by its fingerprint, and in earlier versions by its value. Fields with their default value are omitted, so
    that a field that a newer operator adds changes no digest.
    """
    assert resource.spec is not None  # noqa: S101 - a spec that the types refuse is never rendered
    parts = (resource.spec.model, resource.spec.runtime, block)
    described = [part.model_dump(mode="json", by_alias=True, exclude_defaults=True) for part in parts]

    def identified_by(secret: str | None) -> str:
        return digest(json.dumps([*described, secret, resource.render_request], sort_keys=True))[:_INPUTS_LENGTH]

    if token is None:
        inputs = identified_by(None)
        return inputs, inputs
    return identified_by(token.fingerprint), identified_by(token.value)


def with_tail(stem: str, tail: str, longest: int) -> str:
    """Return `stem`-`tail`, with the stem cut so that the result has at most `longest` characters."""
    return f"{stem[: longest - 1 - len(tail)].rstrip('-')}-{tail}"
