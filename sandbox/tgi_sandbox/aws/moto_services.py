"""moto's server, for every service that the emulator does not implement; importing this module takes seconds.

It also holds the requests of the emulator's own services to moto's IAM and STS.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final, cast

from a2wsgi import WSGIMiddleware
from moto.core.exceptions import ServiceException
from moto.iam import models as iam
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends

from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

_WORKERS: Final = 4
_SESSION_SECONDS: Final = 3600

# The account of keys of unknown origin, the same for all services.
iam.DEFAULT_ACCOUNT_ID = DEFAULT_ACCOUNT  # type: ignore[attr-defined]


@functools.cache
def application() -> ASGIApp:
    """Return moto as an ASGI application, always the same one."""
    wsgi: Any = DomainDispatcherApplication(create_backend_app)
    return cast("ASGIApp", WSGIMiddleware(wsgi, workers=_WORKERS))


def account_of(access_key: str) -> str:
    """Return the account whose STS or IAM has issued the key; the default account for a key of unknown origin."""
    return str(iam.get_account_id_from(access_key))


def trust_policy(role_arn: str) -> Mapping[str, Any] | None:
    """Return the trust policy of a role; None if the role does not exist."""
    role = _role(role_arn)
    return None if role is None else json.loads(role.assume_role_policy_document)


def client_ids(provider_arn: str) -> tuple[str, ...] | None:
    """Return the audiences of an OIDC provider of IAM; None if the provider does not exist."""
    provider = _iam(provider_arn).open_id_providers.get(provider_arn)
    return None if provider is None else tuple(provider.client_id_list)


def policies(access_key: str) -> list[Mapping[str, Any]] | None:
    """Return the policies of the role of a key's session; None for other keys, and if IAM has no such role."""
    key = iam.iam_backends[account_of(access_key)]["aws"].access_keys.get(access_key)
    role = _role(key.role_arn) if key is not None and key.role_arn else None
    if role is None:
        return None
    managed = [policy.document for policy in role.managed_policies.values()]
    return [json.loads(document) for document in (*role.policies.values(), *managed)]


def caller(access_key: str) -> str | None:
    """Return the ARN of the session that a key belongs to; None for other keys."""
    sts: Any = sts_backends[account_of(access_key)]["aws"]
    assumed = sts.get_assumed_role_from_access_key(access_key)
    return None if assumed is None else assumed.arn


def session_keys() -> frozenset[str]:
    """Return the access keys of every session that STS has issued."""
    backends: list[Any] = [of_account["aws"] for of_account in sts_backends.values()]
    return frozenset(session.access_key_id for backend in backends for session in backend.assumed_roles)


def has_roles(arn: str) -> bool:
    """Whether any role was created in the account of an ARN."""
    return bool(_iam(arn).get_roles())


def session(role_arn: str, name: str) -> dict[str, str]:
    """Return credentials of a role, in the format of the agent of EKS Pod Identity."""
    sts: Any = sts_backends[_account(role_arn)]["aws"]
    assumed = sts.assume_role("us-east-1", name, role_arn, None, _SESSION_SECONDS, None)
    return {
        "AccessKeyId": assumed.access_key_id,
        "SecretAccessKey": assumed.secret_access_key,
        "Token": assumed.session_token,
        "AccountId": assumed.account_id,
        "Expiration": assumed.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def reset() -> None:
    """Empty every service."""
    moto_api_backend.reset()


def _role(arn: str) -> Any | None:
    try:
        return _iam(arn).get_role_by_arn(arn)
    except ServiceException:
        return None


def _iam(arn: str) -> Any:
    return iam.iam_backends[_account(arn)]["aws"]


def _account(arn: str) -> str:
    return arn.split(":")[4]
