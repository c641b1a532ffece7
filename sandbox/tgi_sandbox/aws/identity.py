"""The caller and the region of a request, from the SigV4 credential scope. Signatures are not checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_ACCOUNT: Final = "111122223333"
"""The account of every key that STS did not issue; the AWS documentation uses it in its examples."""

_SCOPE: Final = re.compile(rb"Credential=([^/\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Identity:
    """The account, region and service a request is signed for, and the access key it is signed with."""

    account: str
    region: str
    service: str
    access_key: str = ""


class Identities:
    """Converts Authorization headers into identities; `owner_of` returns the account of an access key, or None."""

    def __init__(self, owner_of: Callable[[str], str | None]) -> None:
        self._owner_of = owner_of
        self._accounts: dict[str, str] = {}

    def of(self, authorization: bytes) -> Identity | None:
        """Return the identity; None if the header has no credential scope."""
        match = _SCOPE.search(authorization)
        if match is None:
            return None
        key, region, service = (part.decode("latin-1") for part in match.groups())
        return Identity(self._account(key), region, service, key)

    def _account(self, access_key: str) -> str:
        account = self._accounts.get(access_key)
        if account is None:
            owner = self._owner_of(access_key)
            if owner is None:
                return DEFAULT_ACCOUNT
            account = self._accounts[access_key] = owner
        return account
