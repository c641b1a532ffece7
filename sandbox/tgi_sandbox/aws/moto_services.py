"""moto's server, for every service but SageMaker; importing this module takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from a2wsgi import WSGIMiddleware
from moto.iam import models as iam
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_WORKERS: Final = 4

# The account of keys of unknown origin, the same for all services.
iam.DEFAULT_ACCOUNT_ID = DEFAULT_ACCOUNT  # type: ignore[attr-defined]


def application() -> ASGIApp:
    """moto as an ASGI application."""
    wsgi: Any = DomainDispatcherApplication(create_backend_app)
    return cast("ASGIApp", WSGIMiddleware(wsgi, workers=_WORKERS))


def account_of(access_key: str) -> str:
    """The account whose STS or IAM has handed out the key; the default account for a key of unknown origin."""
    return str(iam.get_account_id_from(access_key))


def reset() -> None:
    """Empty every service."""
    moto_api_backend.reset()
