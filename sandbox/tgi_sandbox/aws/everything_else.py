"""Every service but SageMaker: moto, imported when the first request for one arrives."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

    from starlette.types import ASGIApp, Receive, Scope, Send

_SERVICES: Final = "tgi_sandbox.aws.moto_services"


class EverythingElse:
    """moto's server as an ASGI application."""

    def __init__(self) -> None:
        self._loading = asyncio.Lock()
        self._services: ModuleType | None = None
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let moto answer; the first call takes the seconds moto needs to be imported."""
        app = self._app or await self._load()
        await app(scope, receive, send)

    def account_of(self, access_key: str) -> str | None:
        """The account whose STS or IAM has handed out the key; None before moto is in use, as there is no such key."""
        return None if self._services is None else str(self._services.account_of(access_key))

    def reset(self) -> None:
        """Empty every service."""
        if self._services is not None:
            self._services.reset()

    async def _load(self) -> ASGIApp:
        async with self._loading:
            if self._app is not None:
                return self._app
            services = await asyncio.to_thread(importlib.import_module, _SERVICES)
            app: ASGIApp = services.application()
            self._services, self._app = services, app
            return app
