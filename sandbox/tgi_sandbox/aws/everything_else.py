"""Every service except SageMaker: moto, imported when the first request for one arrives."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws import iam
from tgi_sandbox.aws.trust import Principal, trusts

if TYPE_CHECKING:
    from types import ModuleType

    from starlette.types import Receive, Scope, Send

    from tgi_sandbox.aws.iam import Policy

_SERVICES: Final = "tgi_sandbox.aws.moto_services"


class EverythingElse:
    """moto's server as an ASGI application."""

    def __init__(self) -> None:
        self._loading = asyncio.Lock()
        self._services: ModuleType | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to moto."""
        services = await self.services()
        await services.application()(scope, receive, send)

    async def services(self) -> ModuleType:
        """Return tgi_sandbox.aws.moto_services; the first call takes the seconds that moto needs to be imported."""
        async with self._loading:
            if self._services is None:
                self._services = await asyncio.to_thread(importlib.import_module, _SERVICES)
            return self._services

    def account_of(self, access_key: str) -> str | None:
        """Return the account whose STS or IAM has issued the key; None before moto is in use, as no key exists then."""
        return None if self._services is None else str(self._services.account_of(access_key))

    def policy_of(self, access_key: str) -> Policy | None:
        """Return what the role of a key's session can do; None for other keys. Raises ValueError as iam.read."""
        documents = None if self._services is None else self._services.policies(access_key)
        return None if documents is None else iam.read(*documents)

    def caller(self, access_key: str) -> str | None:
        """Return the ARN of the session that a key belongs to; None for other keys."""
        return None if self._services is None else self._services.caller(access_key)

    def may_be_assumed(self, role_arn: str, service: str) -> bool:
        """Whether a role exists and trusts a service. In an account without any created role, every role does."""
        if self._services is None or not self._services.has_roles(role_arn):
            return True
        policy = self._services.trust_policy(role_arn)
        principal = Principal("Service", service, {"aws:SourceAccount": role_arn.split(":")[4]})
        return policy is not None and trusts(policy, principal, "sts:AssumeRole")

    def session_keys(self) -> frozenset[str]:
        """Return the access keys of every session that STS has issued."""
        return frozenset() if self._services is None else self._services.session_keys()

    def reset(self) -> None:
        """Empty every service."""
        if self._services is not None:
            self._services.reset()
