"""Tokens of Kubernetes service accounts, as AWS reads them. The emulator checks no signatures."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final

_PARTS: Final = 3


@dataclass(frozen=True)
class Token:
    """The JWT claims that AWS reads: the issuer (a URL), the subject, the audiences, and the expiry (Unix seconds)."""

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    expires: float

    @property
    def service_account(self) -> tuple[str, str]:
        """The namespace and the name in the subject, empty if it is not a service account."""
        words = self.subject.split(":")
        return (words[2], words[3]) if words[:2] == ["system", "serviceaccount"] and len(words) == 4 else ("", "")


def read(text: str) -> Token:
    """Return the JWT claims of a token; raises ValueError if it is not a JWT."""
    parts = text.split(".")
    if len(parts) != _PARTS:
        raise ValueError("no JWT")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        return Token(str(claims["iss"]), str(claims["sub"]), tuple(map(str, audiences)), float(claims["exp"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no token of a service account: {error!r}") from error
