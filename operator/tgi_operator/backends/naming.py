"""Names that must fit: a stem cut where it is too long, and a hash that keeps what was cut apart."""

import hashlib

REVISION_LENGTH = 10


def digest(text: str) -> str:
    """Return the SHA-256 of `text` in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def revision(content: str) -> str:
    """Return the revision for the canonical text of what is rendered."""
    return digest(content)[:REVISION_LENGTH]


def with_tail(stem: str, tail: str, longest: int) -> str:
    """Return `stem`-`tail`, the stem cut so that both fit into `longest` characters."""
    return f"{stem[: longest - 1 - len(tail)].rstrip('-')}-{tail}"
