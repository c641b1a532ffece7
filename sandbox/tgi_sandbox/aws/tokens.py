"""Tokens of Kubernetes' service accounts, as AWS reads them. Signatures are not checked, as nobody's are here."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final

_PARTS: Final = 3


@dataclass(frozen=True)
class Token:
    """The claims that AWS asks for: who says it (a URL), of whom, for whom, and until when (in seconds of Unix)."""

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    expires: float

    @property
    def service_account(self) -> tuple[str, str]:
        """The namespace and the name in the subject, empty where it is no service account's."""
        words = self.subject.split(":")
        return (words[2], words[3]) if words[:2] == ["system", "serviceaccount"] and len(words) == 4 else ("", "")


def read(text: str) -> Token:
    """The claims of a JWT; raises ValueError for what is none."""
    parts = text.split(".")
    if len(parts) != _PARTS:
        raise ValueError("no JWT")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        return Token(str(claims["iss"]), str(claims["sub"]), tuple(map(str, audiences)), float(claims["exp"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no token of a service account: {error!r}") from error
