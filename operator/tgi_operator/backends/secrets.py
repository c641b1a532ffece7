"""Reads the values that a spec takes from Secrets."""

from collections import OrderedDict
from typing import Protocol

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import SecretKeyRef, Spec
from tgi_operator.backends.allowed_use import Reference, unlabelled
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.secret_values import SecretValue, SecretValues
from tgi_operator.kube import Secret

_TOKEN = "spec.model.tokenSecretRef"  # noqa: S105 - the name of a field

LONGEST = 1024
"""Longest value of an environment variable on SageMaker, and of `value` in `runtime.env`."""

_MOST_VALUES = 3
_MOST_KEYS = 10_000

_values: OrderedDict[tuple[str, str, str], tuple[str, ...]] = OrderedDict()
"""The last values of each key, newest first, only for redaction: AWS may quote the previous value."""


_MOST_TAKEN = 64

_taken: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()
"""The last values that each resource took, newest first, only for redaction: its pods may have an earlier one."""


class SecretReader(Protocol):
    """Reads Secrets."""

    async def secret(self, namespace: str, name: str) -> Secret | None:
        """Return a Secret, or None if it does not exist."""


async def values(reader: SecretReader, resource: Resource, *, require_label: bool) -> SecretValues | Problem:
    """Return the values that the spec takes from Secrets, or the first problem with one. Each Secret is read once.

    Raises the errors of the API server: an unreadable Secret is not a Secret without a value.
    """
    assert resource.spec is not None  # noqa: S101 - only called for a readable spec
    namespace = resource.owner.namespace
    found: dict[str, SecretValue] = {}
    # One Secret at a time, because each can have 1 MiB.
    for name, references in _references(resource.spec).items():
        secret = await reader.secret(namespace, name)
        for field, reference in references:
            value = _value(secret, namespace, field, reference, require_label=require_label)
            if isinstance(value, Problem):
                return value
            found[field] = value
    env = {name: found[_field(name)] for name in resource.spec.runtime.secret_env}
    return SecretValues(found.get(_TOKEN), env, _taken_by(resource.owner, [each.value for each in found.values()]))


def _references(spec: Spec) -> dict[str, list[tuple[str, SecretKeyRef]]]:
    """Return the fields that name a key of a Secret, by the name of the Secret."""
    fields = {_field(name): reference for name, reference in spec.runtime.secret_env.items()}
    if spec.model.token_secret_ref is not None:
        fields = {_TOKEN: spec.model.token_secret_ref, **fields}
    found: dict[str, list[tuple[str, SecretKeyRef]]] = {}
    for field, reference in fields.items():
        found.setdefault(reference.name, []).append((field, reference))
    return found


def _field(variable: str) -> str:
    return f"spec.runtime.env[{variable}]"


def _value(
    secret: Secret | None, namespace: str, field: str, reference: SecretKeyRef, *, require_label: bool
) -> SecretValue | Problem:
    where = f"{field}: Secret {namespace}/{reference.name}"
    if secret is None:
        create = _command(namespace, reference, require_label=require_label)
        return Problem(Reason.SECRET_NOT_FOUND, f"{where} does not exist; create the Secret: {create}")
    refused = unlabelled(Reference("Secret", reference.name, field), namespace, secret.labels)
    if require_label and refused is not None:
        return refused
    raw = secret.data.get(reference.key, b"")
    if not raw.strip():
        return Problem(
            Reason.SECRET_KEY_NOT_FOUND,
            f"{where} has no value for key {reference.key!r}; add the key or specify another one",
        )
    wrong = _wrong(raw, ascii_only=field == _TOKEN)
    if wrong is not None:
        return Problem(Reason.SECRET_KEY_NOT_FOUND, f"{where}: the value of key {reference.key!r} {wrong}")
    key = (namespace, reference.name, reference.key)
    return SecretValue(raw.decode(), "/".join(key), _former(key, raw.decode()))


def _wrong(raw: bytes, *, ascii_only: bool) -> str | None:
    """Return what is wrong with a value and the fix, or None if it can be used on either backend.

    The kubelet gives containers the value byte by byte, so the operator removes nothing from it on SageMaker either.
    """
    if raw != raw.strip():
        return (
            "starts or ends with whitespace, such as the newline at the end of a file, which TGI would receive too; "
            "remove it from the value"
        )
    try:
        valid = raw.decode("ascii" if ascii_only else "utf-8").isprintable()
    except UnicodeDecodeError:
        valid = False
    if valid and len(raw) <= LONGEST:
        return None
    form = "ASCII text" if ascii_only else "UTF-8 text"
    return f"must be one line of {form} of at most {LONGEST} bytes; replace the value"


def _command(namespace: str, reference: SecretKeyRef, *, require_label: bool) -> str:
    """Return the commands that create the Secret and, if it needs one, set the label that allows its use."""
    name = reference.name
    create = f"`kubectl create secret generic {name} -n {namespace} --from-literal={reference.key}=VALUE`"
    label = f", then `kubectl label secret {name} -n {namespace} {LABEL_ALLOW_USE}=true`"
    return f"{create}{label if require_label else ''}"


def _taken_by(owner: Owner, values: list[str]) -> tuple[str, ...]:
    """Return the last values that a resource took, including these."""
    key = (owner.namespace, owner.name)
    before = _taken.pop(key, ())
    known = (*values, *(each for each in before if each not in values))[:_MOST_TAKEN]
    if known:
        _taken[key] = known
    if len(_taken) > _MOST_KEYS:
        _taken.popitem(last=False)
    return known


def _former(key: tuple[str, str, str], value: str) -> tuple[str, ...]:
    """Return the values that a key had before the current one."""
    known = (value, *(each for each in _values.pop(key, ()) if each != value))[:_MOST_VALUES]
    _values[key] = known
    if len(_values) > _MOST_KEYS:
        _values.popitem(last=False)
    return known[1:]
