"""AWS calls. Each scope has its own clients and threads."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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
from tgi_operator.backends.sagemaker.aws.operations import OPERATIONS
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.aws.sessions import Identity

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=10,
    tcp_keepalive=True,
    user_agent_extra=f"tgi-operator/{__version__}",
    # Three attempts with jitter for short failures. The backoff of the queue handles longer ones.
    retries={"mode": "standard", "total_max_attempts": 3},
)


class Calls(Protocol):
    """Makes calls."""

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the response of an operation of OPERATIONS, such as DescribeEndpoint.

        Raises AWSError for every refusal and every connection failure.
        """


class API(Calls, Protocol):
    """The backend's interface to AWS."""

    def drop(self, scope: Scope) -> None:
        """Drop the clients and threads of a scope in which no resource is left. Calls in progress there continue."""

    async def close(self) -> None:
        """Wait for the calls in progress, each limited by its timeouts, and accept no more calls."""


class SageMakerAPI:
    """SageMaker and Application Auto Scaling in every scope, through botocore.

    `threads` is the number of simultaneous calls for resources in one scope: a scope that hangs blocks only its own
    threads. `guard` is called in a thread before each attempt to write. It raises an error if the write is not allowed.
    """

    def __init__(self, threads: int, guard: Callable[[], None]) -> None:
        self._guard = guard
        # Every worker of a scope has its own thread, and so does the sweep of Application Auto Scaling.
        self._size = threads + 1
        self._config = _CONFIG.merge(Config(max_pool_connections=self._size))
        self._loader = create_loader()
        self._identities: dict[str, Identity] = {}
        self._threads: dict[tuple[Scope, bool], ThreadPoolExecutor] = {}
        self._under_way: set[Future[dict[str, Any]]] = set()

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call. See API."""
        known = OPERATIONS[operation]
        identity = self._identity(scope)
        client = None
        result = "Cancelled"
        try:
            client = await identity.client(scope.region, known.service)
            method = getattr(client, xform_name(operation))
            response = await self._in_thread(self._pool(scope, sweeps=known.sweeps), lambda: method(**request))
        except (BotoCoreError, ClientError) as error:
            failed = from_botocore(operation, error)
            result = failed.meaning.value
            # A client that was created without credentials does not look for them again.
            if failed.meaning is Meaning.CREDENTIALS_EXPIRED or isinstance(error, NoCredentialsError):
                await identity.renew(client)
            raise failed from None
        else:
            result = "OK"
            return response
        finally:
            metrics.AWS_CALLS.labels(operation, result).inc()

    def drop(self, scope: Scope) -> None:
        """Drop the clients and threads of a scope. See API."""
        for key in [key for key in self._threads if key[0] == scope]:
            self._threads.pop(key).shutdown(wait=False)
        if scope.identity in self._identities:
            self._identities[scope.identity].drop(scope.region)

    async def close(self) -> None:
        """Wait for the calls in progress. See API."""
        for pool in self._threads.values():
            pool.shutdown(wait=False, cancel_futures=True)
        # Includes those of dropped scopes: the Lease is released only when no more writes can happen.
        await asyncio.gather(*map(asyncio.wrap_future, tuple(self._under_way)), return_exceptions=True)

    async def _in_thread(self, pool: ThreadPoolExecutor, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        future = pool.submit(call)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)

    def _identity(self, scope: Scope) -> Identity:
        if scope.identity not in self._identities:
            self._identities[scope.identity] = Identity(self._config, self._loader, self._before_send)
        return self._identities[scope.identity]

    def _pool(self, scope: Scope, *, sweeps: bool) -> ThreadPoolExecutor:
        key = (scope, sweeps)
        if key not in self._threads:
            self._threads[key] = ThreadPoolExecutor(1 if sweeps else self._size, thread_name_prefix=f"aws-{scope}")
        return self._threads[key]

    def _before_send(self, event_name: str, **_: object) -> None:
        # Every attempt passes through here, after the waits for a thread, for credentials and for botocore's own
        # pauses.
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
        # For example, from the agent of EKS Pod Identity without an association, or while the agent restarts.
        return AWSError(Meaning.CREDENTIALS_EXPIRED, operation, type(error).__name__, str(error))
    if isinstance(error, ParamValidationError):
        return AWSError(Meaning.REJECTED, operation, type(error).__name__, str(error))
    return AWSError(Meaning.UNAVAILABLE, operation, type(error).__name__, str(error))
