"""The Hub token of a resource, from its Secret."""

from collections import OrderedDict
from typing import Protocol

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import SecretKeyRef
from tgi_operator.backends.allowed_use import Reference, unlabelled
from tgi_operator.backends.hub_token import HubToken
from tgi_operator.backends.resource import Resource
from tgi_operator.kube import Secret

_FIELD = "spec.model.tokenSecretRef"
_LONGEST = 1024
"""Longest value of an environment variable on SageMaker."""

_MOST_VALUES = 3
_MOST_SECRETS = 10_000

_values: OrderedDict[tuple[str, str, str], tuple[str, ...]] = OrderedDict()
"""The last values of each token, newest first, only for redaction: AWS may quote the previous value."""


class SecretReader(Protocol):
    """Reads Secrets."""

    async def secret(self, namespace: str, name: str) -> Secret | None:
        """Return a Secret, or None if it does not exist."""


async def token(reader: SecretReader, resource: Resource, *, require_label: bool) -> HubToken | Problem | None:
    """Return the Hub token, None if the spec names no Secret, or the problem with the Secret.

    Raises the errors of the API server: an unreadable Secret is not a Secret without a token.
    """
    reference = resource.spec.model.token_secret_ref if resource.spec is not None else None
    if reference is None:
        return None
    namespace = resource.owner.namespace
    where = f"{_FIELD}: Secret {namespace}/{reference.name}"
    secret = await reader.secret(namespace, reference.name)
    if secret is None:
        create = _command(namespace, reference, require_label=require_label)
        return Problem(Reason.SECRET_NOT_FOUND, f"{where} does not exist; create the Secret: {create}")
    refused = unlabelled(Reference("Secret", reference.name, _FIELD), namespace, secret.labels)
    if require_label and refused is not None:
        return refused
    value = secret.data.get(reference.key, b"").strip()
    if not value:
        return Problem(
            Reason.SECRET_KEY_NOT_FOUND,
            f"{where} has no value for key {reference.key!r}; add the key or specify another one",
        )
    if len(value) > _LONGEST or not value.isascii():
        return Problem(
            Reason.SECRET_KEY_NOT_FOUND,
            f"{where}: the value of key {reference.key!r} must be ASCII text of at most {_LONGEST} characters; set "
            "the value to the Hub token",
        )
    text = value.decode()
    key = (namespace, reference.name, reference.key)
    return HubToken(text, "/".join(key), _former(key, text))


def _command(namespace: str, reference: SecretKeyRef, *, require_label: bool) -> str:
    """Return the commands that create the Secret and, if it needs one, set the label that allows its use."""
    name = reference.name
    create = f"`kubectl create secret generic {name} -n {namespace} --from-literal={reference.key}=HF_TOKEN`"
    label = f", then `kubectl label secret {name} -n {namespace} {LABEL_ALLOW_USE}=true`"
    return f"{create}{label if require_label else ''}"


def _former(key: tuple[str, str, str], value: str) -> tuple[str, ...]:
    """Return the values that a token had before the current one."""
    known = (value, *(each for each in _values.pop(key, ()) if each != value))[:_MOST_VALUES]
    _values[key] = known
    if len(_values) > _MOST_SECRETS:
        _values.popitem(last=False)
    return known[1:]
