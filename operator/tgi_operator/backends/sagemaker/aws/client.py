"""AWS calls: a client for each service and region, bounded threads, a token bucket for reads and one for writes."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import boto3
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

from tgi_operator import __version__, metrics
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning, meaning
from tgi_operator.backends.sagemaker.aws.rate_limits import TokenBucket

THREADS = 16
_READS = ("Describe", "List")

SCALING = frozenset(
    {
        "DeleteScalingPolicy",
        "DeleteScheduledAction",
        "DeregisterScalableTarget",
        "DescribeScalableTargets",
        "DescribeScalingActivities",
        "DescribeScalingPolicies",
        "DescribeScheduledActions",
        "PutScalingPolicy",
        "PutScheduledAction",
        "RegisterScalableTarget",
    }
)
"""Operations of Application Auto Scaling; all others are SageMaker's."""

_CONFIG = Config(
    max_pool_connections=THREADS,
    connect_timeout=5,
    read_timeout=20,
    tcp_keepalive=True,
    user_agent_extra=f"tgi-operator/{__version__}",
    # Three tries with jitter for what is over in a moment; the queue's backoff is for the rest.
    retries={"mode": "standard", "total_max_attempts": 3},
)


class API(Protocol):
    """What the backend needs of AWS."""

    async def call(self, region: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the response of `operation`, such as DescribeEndpoint.

        Raises AWSError for every refusal and every failure to get through.
        """

    async def close(self) -> None:
        """Wait for the calls under way, each bounded by its timeouts, and take no more."""


def service(operation: str) -> str:
    """Return the service of an operation, as boto3 calls it."""
    return "application-autoscaling" if operation in SCALING else "sagemaker"


class SageMakerAPI:
    """The APIs of SageMaker and Application Auto Scaling in every region, by boto3.

    `guard` is called in a thread before each try of a write, and raises where it must not be made.
    """

    def __init__(self, reads_per_second: float, writes_per_second: float, guard: Callable[[], None]) -> None:
        self._guard = guard
        self._rates = (reads_per_second, writes_per_second)
        self._session = boto3.Session()
        self._clients: dict[tuple[str, str], Any] = {}
        self._buckets: dict[tuple[str, str, bool], TokenBucket] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")
        self._making_client = asyncio.Lock()

    async def call(self, region: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call when the token bucket of the service in that region lets it pass; see API."""
        bucket = self._bucket(region, service(operation), read=operation.startswith(_READS))
        await bucket.take()
        result = "Cancelled"
        try:
            client = await self._client(region, service(operation))
            method = getattr(client, xform_name(operation))
            loop = asyncio.get_running_loop()
            response: dict[str, Any] = await loop.run_in_executor(self._threads, lambda: method(**request))
        except (BotoCoreError, ClientError) as error:
            failed = from_botocore(operation, error)
            result = failed.meaning.value
            if failed.meaning is Meaning.THROTTLED:
                bucket.drain()
            if failed.meaning is Meaning.CREDENTIALS_EXPIRED:
                self._renew_credentials()
            raise failed from None
        else:
            result = "OK"
            return response
        finally:
            metrics.AWS_CALLS.labels(operation, result).inc()

    async def close(self) -> None:
        """Wait for the calls under way; see API."""
        # In a thread: meanwhile the Lease has to be renewed.
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    def _bucket(self, region: str, called: str, *, read: bool) -> TokenBucket:
        key = (region, called, read)
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(self._rates[0 if read else 1])
        return self._buckets[key]

    async def _client(self, region: str, called: str) -> Any:
        # Making a client is not thread-safe, using one is.
        async with self._making_client:
            if (region, called) not in self._clients:
                made = await asyncio.to_thread(self._session.client, called, region_name=region, config=_CONFIG)
                made.meta.events.register("before-send", self._before_send)
                self._clients[region, called] = made
            return self._clients[region, called]

    def _before_send(self, event_name: str, **_: object) -> None:
        # Here every try comes by, after the wait for a thread, for credentials and for botocore's own pauses.
        if not event_name.rpartition(".")[2].startswith(_READS):
            self._guard()

    def _renew_credentials(self) -> None:
        self._session = boto3.Session()
        self._clients.clear()


def from_botocore(operation: str, error: BotoCoreError | ClientError) -> AWSError:
    """Return `error`, raised by a boto3 client, as an AWSError."""
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        code, text = str(detail.get("Code", "Unknown")), str(detail.get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return AWSError(meaning(code, text, status), operation, code, text)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return AWSError(Meaning.ACCESS_DENIED, operation, type(error).__name__, str(error))
    if isinstance(error, CredentialRetrievalError):
        # Such as from the agent of EKS Pod Identity, where there is no association, or where it starts anew.
        return AWSError(Meaning.CREDENTIALS_EXPIRED, operation, type(error).__name__, str(error))
    if isinstance(error, ParamValidationError):
        return AWSError(Meaning.REJECTED, operation, type(error).__name__, str(error))
    return AWSError(Meaning.UNAVAILABLE, operation, type(error).__name__, str(error))
