"""Names of limited length, and digests of content: revisions, and the inputs that a revision is rendered from."""

import hashlib
import json

from pydantic import BaseModel

from tgi_operator.backends.resource import Resource
from tgi_operator.backends.secret_values import SecretValues

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


def inputs_digests(resource: Resource, secrets: SecretValues, block: BaseModel) -> tuple[str, str]:
    """Return a digest of everything in the rendering that a user can change, and the digest of earlier versions.

    Both are independent of the renderer. `block` is the backend's part of the spec. `secrets` are the values that the
    rendering depends on. The references to Secrets are part of the spec anyway. The digest identifies the values by
    fingerprints, and in earlier versions the Hub token by its value. Fields with their default value are omitted, so
    that a field that a newer operator adds changes no digest.
    """
    assert resource.spec is not None  # noqa: S101 - a spec that the types refuse is never rendered
    parts = (resource.spec.model, resource.spec.runtime, block)
    described = [part.model_dump(mode="json", by_alias=True, exclude_defaults=True) for part in parts]
    variables = secrets.env_fingerprint(secrets.env)
    more = [] if variables is None else [variables]

    def identified_by(secret: str | None) -> str:
        content = [*described, secret, resource.render_request, *more]
        return digest(json.dumps(content, sort_keys=True))[:_INPUTS_LENGTH]

    token = secrets.token
    if token is None:
        inputs = identified_by(None)
        return inputs, inputs
    return identified_by(token.fingerprint), identified_by(token.value)


def with_tail(stem: str, tail: str, longest: int) -> str:
    """Return `stem`-`tail`, with the stem cut so that the result has at most `longest` characters."""
    return f"{stem[: longest - 1 - len(tail)].rstrip('-')}-{tail}"
