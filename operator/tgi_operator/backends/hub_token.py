"""A Hub token: its value, what identifies the value, and what to take out of text that is reported."""

import hmac
from dataclasses import dataclass, field

from tgi_operator.redaction import redacted

_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class HubToken:
    """The value of a token, from the Secret with that uid.

    `former` are the values that the Secret had before, as far as this process knows.
    """

    value: str = field(repr=False)
    secret_uid: str = field(repr=False)
    former: tuple[str, ...] = field(default=(), repr=False)

    @property
    def fingerprint(self) -> str:
        """What changes with the value and tells nothing about it.

        The key is the uid of the Secret, which is random and known only to those who may read the Secret.
        """
        return hmac.digest(self.secret_uid.encode(), self.value.encode(), "sha256").hex()[:_FINGERPRINT_LENGTH]


def without_token(text: str, token: HubToken | None) -> str:
    """Return `text` without the token, its former values, and whatever looks like a secret."""
    return redacted(text, (token.value, *token.former) if token is not None else ())
