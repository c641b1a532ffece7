"""Access to the metrics, for users whose token the API server authenticates and whom it allows to get /metrics."""

import asyncio
import hashlib
from collections import OrderedDict
from typing import Any, Protocol

_AUTHENTICATION = "/apis/authentication.k8s.io/v1/tokenreviews"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

CACHE_SECONDS = 60
"""Seconds for which an answer of the API server is cached. Prometheus scrapes several times during that time."""

_MOST_ANSWERS = 64


class Reviews(Protocol):
    """Creates reviews on the API server, which answers them but does not store them."""

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the review with its answer. Raises APIError."""


class MetricsAccess:
    """Asks the API server about bearer tokens, one request at a time, and caches the answers for a while."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews
        self._answers: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()
        self._asking = asyncio.Lock()

    async def allows(self, authorization: str) -> bool:
        """Return whether the value of an Authorization header gives access. Raises APIError."""
        scheme, _, token = authorization.partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            return False
        # Use a digest, so that a memory dump of this process shows no tokens.
        key = hashlib.sha256(token.strip().encode()).digest()
        async with self._asking:
            now = asyncio.get_running_loop().time()
            known = self._answers.get(key)
            if known is not None and now - known[0] < CACHE_SECONDS:
                return known[1]
            allowed = await self._ask(token.strip())
            self._answers[key] = (now, allowed)
            self._answers.move_to_end(key)
            if len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)
            return allowed

    async def _ask(self, token: str) -> bool:
        review = _review("authentication.k8s.io/v1", "TokenReview", {"token": token})
        identified = (await self._reviews.create(_AUTHENTICATION, review)).get("status") or {}
        if not identified.get("authenticated"):
            return False
        user = identified.get("user") or {}
        spec = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        }
        review = _review("authorization.k8s.io/v1", "SubjectAccessReview", spec)
        answered = await self._reviews.create(_AUTHORIZATION, review)
        return bool((answered.get("status") or {}).get("allowed"))


def _review(api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "spec": spec}
