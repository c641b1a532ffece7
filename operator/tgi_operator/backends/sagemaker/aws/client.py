"""AWS calls. Each scope has its own clients, threads, and token buckets for reads and for writes."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.loaders import create_loader

from tgi_operator import __version__, metrics
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning, meaning
from tgi_operator.backends.sagemaker.aws.operations import OPERATIONS, Service
from tgi_operator.backends.sagemaker.aws.rate_limits import TokenBucket
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.aws.sessions import Identity

THREADS = 8
"""Calls under way at the same time in one scope. A scope that hangs holds only its own threads."""

_CONFIG = Config(
    max_pool_connections=THREADS,
    connect_timeout=5,
    read_timeout=10,
    tcp_keepalive=True,
    user_agent_extra=f"tgi-operator/{__version__}",
    # Three tries with jitter for what is over in a moment; the queue's backoff is for the rest.
    retries={"mode": "standard", "total_max_attempts": 3},
)


class API(Protocol):
    """What the backend needs of AWS."""

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the response of an operation of OPERATIONS, such as DescribeEndpoint.

        Raises AWSError for every refusal and every failure to get through.
        """

    async def close(self) -> None:
        """Wait for the calls under way, each bounded by its timeouts, and accept no more."""


class SageMakerAPI:
    """SageMaker and Application Auto Scaling in every scope, by botocore.

    `guard` is called in a thread before each try of a write, and raises where it must not be made.
    """

    def __init__(self, reads_per_second: float, writes_per_second: float, guard: Callable[[], None]) -> None:
        self._guard = guard
        self._reads_per_second = reads_per_second
        self._writes_per_second = writes_per_second
        self._loader = create_loader()
        self._identities: dict[str, Identity] = {}
        self._threads: dict[tuple[Scope, bool], ThreadPoolExecutor] = {}
        self._buckets: dict[tuple[Scope, Service, bool], TokenBucket] = {}

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call when the token bucket of the service in that scope lets it pass; see API."""
        known = OPERATIONS[operation]
        bucket = self._bucket(scope, known.service, reads=known.reads)
        await bucket.take()
        identity = self._identity(scope)
        client = None
        result = "Cancelled"
        try:
            client = await identity.client(scope.region, known.service)
            method = getattr(client, xform_name(operation))
            loop = asyncio.get_running_loop()
            response: dict[str, Any] = await loop.run_in_executor(
                self._pool(scope, sweeps=known.sweeps), lambda: method(**request)
            )
        except (BotoCoreError, ClientError) as error:
            failed = from_botocore(operation, error)
            result = failed.meaning.value
            if failed.meaning is Meaning.THROTTLED:
                bucket.drain()
            # A client that was made when there were no credentials does not look for them again.
            if failed.meaning is Meaning.CREDENTIALS_EXPIRED or isinstance(error, NoCredentialsError):
                await identity.renew(client)
            raise failed from None
        else:
            result = "OK"
            return response
        finally:
            metrics.AWS_CALLS.labels(operation, result).inc()

    async def close(self) -> None:
        """Wait for the calls under way; see API."""
        # In threads: meanwhile the Lease has to be renewed.
        await asyncio.gather(
            *(asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True) for pool in self._threads.values())
        )

    def _identity(self, scope: Scope) -> Identity:
        if scope.identity not in self._identities:
            self._identities[scope.identity] = Identity(_CONFIG, self._loader, self._before_send)
        return self._identities[scope.identity]

    def _pool(self, scope: Scope, *, sweeps: bool) -> ThreadPoolExecutor:
        key = (scope, sweeps)
        if key not in self._threads:
            self._threads[key] = ThreadPoolExecutor(1 if sweeps else THREADS, thread_name_prefix=f"aws-{scope}")
        return self._threads[key]

    def _bucket(self, scope: Scope, service: Service, *, reads: bool) -> TokenBucket:
        key = (scope, service, reads)
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(self._reads_per_second if reads else self._writes_per_second)
        return self._buckets[key]

    def _before_send(self, event_name: str, **_: object) -> None:
        # Every try passes here, after the wait for a thread, for credentials and for botocore's own pauses.
        if not OPERATIONS[event_name.rpartition(".")[2]].reads:
            self._guard()


def from_botocore(operation: str, error: BotoCoreError | ClientError) -> AWSError:
    """Return `error`, raised by a botocore client, as an AWSError."""
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        code, text = str(detail.get("Code", "Unknown")), str(detail.get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return AWSError(meaning(code, text, status), operation, code, text)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return AWSError(Meaning.ACCESS_DENIED, operation, type(error).__name__, str(error))
    if isinstance(error, CredentialRetrievalError):
        # Such as from the agent of EKS Pod Identity, where there is no association, or while it restarts.
        return AWSError(Meaning.CREDENTIALS_EXPIRED, operation, type(error).__name__, str(error))
    if isinstance(error, ParamValidationError):
        return AWSError(Meaning.REJECTED, operation, type(error).__name__, str(error))
    return AWSError(Meaning.UNAVAILABLE, operation, type(error).__name__, str(error))
