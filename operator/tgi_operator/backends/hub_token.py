"""A Hub token: its value, the fingerprint of the value, and its redaction in text that is reported."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

from tgi_operator.redaction import redacted

_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class HubToken:
    """The value of a token, with the Secret and key that distinguish it from an equal value.

    `former` are the values that the Secret had before, if this process knows them.
    """

    value: str = field(repr=False)
    salt: str
    former: tuple[str, ...] = field(default=(), repr=False)

    @property
    def fingerprint(self) -> str:
        """A digest that changes with the value. It is slow to compute, so that only a few values can be guessed.

        It does not depend on the uid of the Secret, so recreating the Secret with the same token starts no rollout.
        """
        return _fingerprint(self.salt, self.value)


@lru_cache(maxsize=10_000)
def _fingerprint(salt: str, value: str) -> str:
    # After a start, this takes about 10 ms in the event loop for each token. The cache holds as many tokens as are in
    # use.
    digest = hashlib.scrypt(value.encode(), salt=salt.encode(), n=2**12, r=8, p=1)
    return digest.hex()[:_FINGERPRINT_LENGTH]


def without_token(text: str, token: HubToken | None) -> str:
    """Return `text` without the token, its former values, and everything that looks like a secret."""
    return redacted(text, (token.value, *token.former) if token is not None else ())
