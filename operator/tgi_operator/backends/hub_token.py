"""A Hub token: its value, what identifies the value, and what to take out of text that is reported."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

from tgi_operator.redaction import redacted

_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class HubToken:
    """The value of a token, with what makes it differ from an equal one: the Secret and its key.

    `former` are the values that the Secret had before, as far as this process knows.
    """

    value: str = field(repr=False)
    salt: str
    former: tuple[str, ...] = field(default=(), repr=False)

    @property
    def fingerprint(self) -> str:
        """What changes with the value, and is slow to compute, so that few values can be tried.

        It does not depend on the Secret's uid: a Secret that is created again with the same token rolls nothing out.
        """
        return _fingerprint(self.salt, self.value)


@lru_cache(maxsize=10_000)
def _fingerprint(salt: str, value: str) -> str:
    # In the event loop, some ten milliseconds for each token after a start: the cache holds as many as are in use.
    digest = hashlib.scrypt(value.encode(), salt=salt.encode(), n=2**12, r=8, p=1)
    return digest.hex()[:_FINGERPRINT_LENGTH]


def without_token(text: str, token: HubToken | None) -> str:
    """Return `text` without the token, its former values, and whatever looks like a secret."""
    return redacted(text, (token.value, *token.former) if token is not None else ())
