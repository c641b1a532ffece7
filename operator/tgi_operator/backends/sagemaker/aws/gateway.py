"""The gateway to AWS that all namespaces share: each call waits for its turn."""

from collections.abc import Callable, Mapping
from typing import Any

from tgi_operator.backends.sagemaker.aws.client import API
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.operations import OPERATIONS, Service
from tgi_operator.backends.sagemaker.aws.rate_limits import TokenBucket
from tgi_operator.backends.sagemaker.aws.scope import Scope

OPERATOR = ""
"""The namespace of the operator's own calls, which the sweeps make. They concern every namespace of a scope."""


class Gateway:
    """Token buckets for the reads and writes of each service in each scope, which namespaces share in turns.

    `unanswered` is called with a scope and a service if AWS did not answer a call for a resource.
    """

    def __init__(
        self,
        api: API,
        reads_per_second: float,
        writes_per_second: float,
        unanswered: Callable[[Scope, Service], None],
    ) -> None:
        self._api = api
        self._reads_per_second = reads_per_second
        self._writes_per_second = writes_per_second
        self._unanswered = unanswered
        self._buckets: dict[tuple[Scope, Service, bool], TokenBucket] = {}

    def caller(self, namespace: str) -> "Caller":
        """Return the gateway to AWS for a namespace."""
        return Caller(self, namespace)

    async def call(self, namespace: str, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call in the namespace's turn. See API."""
        known = OPERATIONS[operation]
        bucket = self._bucket(scope, known.service, reads=known.reads)
        await bucket.take(namespace)
        try:
            return await self._api.call(scope, operation, request)
        except AWSError as error:
            if error.meaning is Meaning.THROTTLED:
                bucket.drain()
            if error.unanswered and namespace != OPERATOR:
                self._unanswered(scope, known.service)
            raise

    def drop(self, scope: Scope) -> None:
        """Drop the state of a scope in which no resource is left."""
        for key in [key for key in self._buckets if key[0] == scope]:
            del self._buckets[key]
        self._api.drop(scope)

    async def close(self) -> None:
        """Wait for the calls in progress. See API."""
        await self._api.close()

    def _bucket(self, scope: Scope, service: Service, *, reads: bool) -> TokenBucket:
        key = (scope, service, reads)
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(self._reads_per_second if reads else self._writes_per_second)
        return self._buckets[key]


class Caller:
    """The gateway to AWS for one namespace."""

    def __init__(self, gateway: Gateway, namespace: str) -> None:
        self._gateway = gateway
        self._namespace = namespace

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call in the namespace's turn. See API."""
        return await self._gateway.call(self._namespace, scope, operation, request)
