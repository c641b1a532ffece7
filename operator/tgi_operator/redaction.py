"""Redaction of secrets in text from other sources, before it is reported or cut."""

import json
import re
from collections.abc import Iterable, Iterator

REDACTED = "[redacted]"

PIECE = 8
"""Length of the shortest redacted piece of a known secret: logs and messages may already have been cut."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", REDACTED),
        (r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}", REDACTED),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", REDACTED),
        # A JSON Web Token, such as that of a service account.
        (r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?", REDACTED),
        (r"(?i)\b(bearer|basic)\s+(?!\[)\S{8,}", rf"\1 {REDACTED}"),
        (
            r"(?i)([?&](?:x-amz-signature|x-amz-security-token|x-amz-credential|signature|sig|token)=)[^&\s\"']+",
            r"\1" + REDACTED,
        ),
        (r"(://)[^/\s:@]*:[^/\s@]+@", rf"\1{REDACTED}@"),
        # An environment variable. Numbers are limits, such as MAX_TOTAL_TOKENS.
        (
            r"\b([A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSWD|KEY)[A-Z0-9_]*[\"']?\s*[=:]\s*[\"']?)(?!\d+\b|\[)[^\s\"',;&]{8,}",
            r"\1" + REDACTED,
        ),
    )
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without these secrets, pieces of them, and everything that looks like a secret.

    The secrets are also recognized as they are quoted in JSON.
    """
    known = {form for secret in secrets if secret for form in (secret, json.dumps(secret)[1:-1])}
    text = _without_pieces(text, [secret for secret in known if len(secret) >= PIECE])
    short = sorted((re.escape(secret) for secret in known if len(secret) < PIECE), key=len, reverse=True)
    if short:
        # In one pass, because a short secret may also be a part of the replacement.
        text = re.sub("|".join(short), REDACTED, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _without_pieces(text: str, secrets: Iterable[str]) -> str:
    # A text is shorter than the secrets can be, and a set of all their pieces would take most of the time.
    present = set(_pieces(text))
    pieces = {piece for secret in secrets for piece in _pieces(secret) if piece in present}
    if not pieces:
        return text
    kept: list[str] = []
    end = 0
    for start in range(len(text) - PIECE + 1):
        if text[start : start + PIECE] not in pieces:
            continue
        if start > end or not kept:
            kept += [text[end:start], REDACTED]
        end = start + PIECE
    return "".join([*kept, text[end:]])


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + PIECE] for start in range(len(text) - PIECE + 1))
