"""AssumeRoleWithWebIdentity, the part that moto does not check: whether the role trusts the token.

IAM roles for service accounts (IRSA) depend on it. moto answers the requests that pass.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tgi_sandbox.aws import tokens
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.trust import Principal, trusts

if TYPE_CHECKING:
    from types import ModuleType

ACTION = "AssumeRoleWithWebIdentity"


def asked(body: bytes) -> dict[str, str] | None:
    """Return the parameters of such a request; None for any other request of the query protocol."""
    form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
    return form if form.get("Action") == ACTION else None


def check(form: dict[str, str], services: ModuleType) -> None:
    """Raise AwsError unless the role trusts the token; `services` is tgi_sandbox.aws.moto_services."""
    role = form.get("RoleArn", "")
    try:
        token = tokens.read(form.get("WebIdentityToken", ""))
    except ValueError as error:
        raise AwsError("InvalidIdentityToken", f"The ID Token provided is not a valid JWT ({error}).") from error
    if token.expires < time.time():
        raise AwsError("ExpiredTokenException", "Token expired: the current time is after the expiration time")
    trusted: dict[str, Any] | None = services.trust_policy(role)
    issuer = token.issuer.removeprefix("https://")
    provider = f"arn:aws:iam::{role.split(':')[4]}:oidc-provider/{issuer}" if trusted is not None else ""
    claims = {f"{issuer}:sub": token.subject, f"{issuer}:aud": token.audiences[0]}
    action = f"sts:{ACTION}"
    if trusted is None or not trusts(trusted, Principal("Federated", provider, claims), action):
        raise AwsError("AccessDenied", f"Not authorized to perform {action}", 403)
    clients = services.client_ids(provider)
    if clients is None:
        raise AwsError("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {token.issuer}")
    if not set(token.audiences) & set(clients):
        raise AwsError("InvalidIdentityToken", "Incorrect token audience")


def xml(error: AwsError) -> bytes:
    """An error in the format of STS."""
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error></ErrorResponse>"
    ).encode()
