"""Sessions: the AWS credentials of an identity, and the clients that use them."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

from tgi_operator.backends.sagemaker.aws.operations import Service

RENEWAL_SECONDS = 60.0
"""Minimum interval between new sessions, because the source of the credentials may be out of order."""


class Identity:
    """The session of one identity, and its clients, one for each service and region.

    botocore is used without boto3, because each boto3 session adds a search path to the loader that they share.
    """

    def __init__(self, config: Config, loader: Loader, before_send: Callable[..., None]) -> None:
        self._config = config
        self._loader = loader
        self._before_send = before_send
        self._session: Session | None = None
        self._renewed_at = -math.inf
        self._clients: dict[tuple[str, Service], Any] = {}
        # Clients and sessions are created one at a time, because botocore does not create them in a thread-safe way.
        self._making = asyncio.Lock()

    async def client(self, region: str, service: Service) -> Any:
        """Return the client of a service in a region. Raises BotoCoreError."""
        async with self._making:
            if self._session is None:
                self._session = await asyncio.to_thread(self._new_session)
            if (region, service) not in self._clients:
                self._clients[region, service] = await asyncio.to_thread(self._new_client, region, service)
            return self._clients[region, service]

    def drop(self, region: str) -> None:
        """Drop the clients of a region, with their connections."""
        for key in [key for key in self._clients if key[0] == region]:
            self._clients.pop(key).close()

    async def renew(self, refused: Any) -> None:
        """Start a new session, which loads the credentials again, because AWS refused those of a client.

        Does nothing if the client belongs to an earlier session, or if this session is itself a recent renewal.
        """
        async with self._making:
            now = asyncio.get_running_loop().time()
            if refused not in self._clients.values() or now - self._renewed_at < RENEWAL_SECONDS:
                return
            self._session = await asyncio.to_thread(self._new_session)
            self._clients = {}
            self._renewed_at = now

    def _new_session(self) -> Session:
        # The default chain of credentials. An identity with its own role would assume the role here.
        session = Session()
        # The service descriptions are large, so all sessions share the parsed ones.
        session.register_component("data_loader", self._loader)
        return session

    def _new_client(self, region: str, service: Service) -> Any:
        assert self._session is not None  # noqa: S101 - `client` has just created one
        client = self._session.create_client(str(service), region_name=region, config=self._config)
        client.meta.events.register("before-send", self._before_send)
        return client
