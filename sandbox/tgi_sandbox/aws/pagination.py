"""Tokens of paged answers: opaque, valid for one listing and one day."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tgi_sandbox.aws.operations.call import Call, Request

TOKEN_SECONDS: Final = 24 * 3600
"""assumed: how long a token is valid. AWS documents no lifetime for SageMaker; many other services document a day."""
_FREE: Final = frozenset({"MaxResults", "NextToken"})
"""Members that may change from page to page; assumed: that the others may not."""


def issue(call: Call, listing: str, request: Request, position: Any) -> str:
    """Return the token of the page that begins after a position, which is a JSON value."""
    content = [_digest(call, listing, request), call.now, position]
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def read(call: Call, listing: str, request: Request) -> Any | None:
    """Return the position in a request's token; None without a token.

    Raises ValueError for a token that is expired, or that was not issued for this listing with these filters.
    """
    if "NextToken" not in request:
        return None
    digest, issued, position = _decoded(request["NextToken"])
    if digest != _digest(call, listing, request):
        raise ValueError("the token belongs to another listing")
    if call.now >= issued + TOKEN_SECONDS:
        raise ValueError("the token is expired")
    return position


def _decoded(token: str) -> tuple[str, float, Any]:
    content = json.loads(base64.urlsafe_b64decode(token))
    if not isinstance(content, list) or len(content) != len(("digest", "issued", "position")):
        raise ValueError("the token was not issued here")
    digest, issued, position = content
    return str(digest), float(issued), position


def _digest(call: Call, listing: str, request: Request) -> str:
    asked = {name: value for name, value in request.items() if name not in _FREE}
    scope = [call.region.account, call.region.region, listing, asked]
    return hashlib.sha256(json.dumps(scope, sort_keys=True).encode()).hexdigest()
