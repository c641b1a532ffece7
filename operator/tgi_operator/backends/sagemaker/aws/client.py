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
    # Three tries with jitter for what is over in a moment; the queue's backoff is for the rest.
    retries={"mode": "standard", "total_max_attempts": 3},
)


class Calls(Protocol):
    """A way to make calls."""

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the response of an operation of OPERATIONS, such as DescribeEndpoint.

        Raises AWSError for every refusal and every failure to get through.
        """


class API(Calls, Protocol):
    """What the backend needs of AWS."""

    def drop(self, scope: Scope) -> None:
        """Drop clients and threads of a scope in which no resource is left; calls under way there go on."""

    async def close(self) -> None:
        """Wait for the calls under way, each bounded by its timeouts, and accept no more."""


class SageMakerAPI:
    """SageMaker and Application Auto Scaling in every scope, by botocore.

    `threads` is how many calls of resources are under way at the same time in one scope: a scope that hangs holds only
    its own. `guard` is called in a thread before each try of a write, and raises where it must not be made.
    """

    def __init__(self, threads: int, guard: Callable[[], None]) -> None:
        self._guard = guard
        # Every worker of a scope has its thread, and so has the sweep of Application Auto Scaling.
        self._size = threads + 1
        self._config = _CONFIG.merge(Config(max_pool_connections=self._size))
        self._loader = create_loader()
        self._identities: dict[str, Identity] = {}
        self._threads: dict[tuple[Scope, bool], ThreadPoolExecutor] = {}
        self._under_way: set[Future[dict[str, Any]]] = set()

    async def call(self, scope: Scope, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call; see API."""
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
            # A client that was made when there were no credentials does not look for them again.
            if failed.meaning is Meaning.CREDENTIALS_EXPIRED or isinstance(error, NoCredentialsError):
                await identity.renew(client)
            raise failed from None
        else:
            result = "OK"
            return response
        finally:
            metrics.AWS_CALLS.labels(operation, result).inc()

    def drop(self, scope: Scope) -> None:
        """Drop clients and threads of a scope; see API."""
        for key in [key for key in self._threads if key[0] == scope]:
            self._threads.pop(key).shutdown(wait=False)
        if scope.identity in self._identities:
            self._identities[scope.identity].drop(scope.region)

    async def close(self) -> None:
        """Wait for the calls under way; see API."""
        for pool in self._threads.values():
            pool.shutdown(wait=False, cancel_futures=True)
        # Those of dropped scopes too: the Lease is released only when nothing can be written any more.
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
