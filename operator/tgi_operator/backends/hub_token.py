"""A Hub token: its value, what identifies the value, and what to take out of text that is reported."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

from tgi_operator.redaction import redacted

_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class HubToken:
    """The value of a token, from the Secret and key that `place` names.

    `former` are the values that the Secret had before, as far as this process knows.
    """

    value: str = field(repr=False)
    place: str
    former: tuple[str, ...] = field(default=(), repr=False)

    @property
    def fingerprint(self) -> str:
        """What changes with the value, and is slow to compute, so that few values can be tried.

        It does not depend on the Secret's uid: a Secret that is created again with the same token rolls nothing out.
        """
        return _fingerprint(self.place, self.value)


@lru_cache(maxsize=1024)
def _fingerprint(place: str, value: str) -> str:
    digest = hashlib.scrypt(value.encode(), salt=place.encode(), n=2**12, r=8, p=1)
    return digest.hex()[:_FINGERPRINT_LENGTH]


def without_token(text: str, token: HubToken | None) -> str:
    """Return `text` without the token, its former values, and whatever looks like a secret."""
    return redacted(text, (token.value, *token.former) if token is not None else ())
