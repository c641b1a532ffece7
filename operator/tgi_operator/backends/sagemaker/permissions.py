"""Permissions of namespaces to use execution roles and endpoint names.

Without them, every user who can write a TGIEndpoint could use each role that the operator can pass, and take the
endpoint name of another namespace.
"""

import logging
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason

logger = logging.getLogger(__name__)


class InvalidFileError(ValueError):
    """The file of permissions cannot be read. The text describes the error."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    execution_roles: tuple[str, ...] | None = Field(
        default=None, alias="executionRoles", description="Patterns for role ARNs."
    )
    endpoint_names: tuple[str, ...] = Field(
        default=(), alias="endpointNames", description="Patterns for spec.sageMaker.endpointName."
    )


def _as_entry(value: object) -> object:
    """Return an entry in its current form. Earlier versions had only the list of roles."""
    return {"executionRoles": value} if isinstance(value, list) else value


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    namespaces: dict[str, Annotated[_Entry, BeforeValidator(_as_entry)]] = Field(
        description="Entries, keyed by namespace pattern."
    )


class Permissions:
    """The entries of a file such as a mounted ConfigMap, which is read again when it has changed.

    An entry applies if its key matches the namespace. `*` in keys and patterns matches any text. A namespace can use an
    endpoint name that matches a pattern of an entry, and no other. It can use every role, unless an entry of any
    namespace lists roles: then only those that match a pattern. A file that cannot be read allows nothing.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file) if file else None
        self._changed: float | None = None
        self._entries: Mapping[str, _Entry] = {}

    def role_problem(self, namespace: str, role: str) -> Problem | None:
        """Return the reason why a namespace is not allowed to use a role, or None if it is."""
        try:
            entries = self._read()
        except InvalidFileError as error:
            return Problem(Reason.ROLE_NOT_ALLOWED, self._unreadable(error))
        if all(entry.execution_roles is None for entry in entries.values()):
            return None
        allowed = [pattern for entry in _of(entries, namespace) for pattern in entry.execution_roles or ()]
        if any(fnmatchcase(role, pattern) for pattern in allowed):
            return None
        return Problem(
            Reason.ROLE_NOT_ALLOWED,
            f"spec.sageMaker.executionRoleARN: {role} is not allowed in namespace {namespace} (allowed: "
            f"{', '.join(allowed) or 'none'}); use an allowed role, or ask an administrator to allow this role",
        )

    def name_problem(self, namespace: str, name: str) -> Problem | None:
        """Return the reason why a namespace is not allowed to use an endpoint name, or None if it is."""
        try:
            entries = self._read()
        except InvalidFileError as error:
            return Problem(Reason.ENDPOINT_NAME_NOT_ALLOWED, self._unreadable(error))
        allowed = [pattern for entry in _of(entries, namespace) for pattern in entry.endpoint_names]
        if any(fnmatchcase(name, pattern) for pattern in allowed):
            return None
        return Problem(
            Reason.ENDPOINT_NAME_NOT_ALLOWED,
            f"spec.sageMaker.endpointName: {name} is not allowed in namespace {namespace} (allowed: "
            f"{', '.join(allowed) or 'none'}); create a TGIEndpoint without endpointName, or ask an "
            "administrator to allow this name",
        )

    def version(self) -> float | None:
        """Return the time of the last change of the file in seconds since the epoch, or None if there is no file."""
        try:
            return self._file.stat().st_mtime if self._file is not None else None
        except OSError:
            return None

    def _unreadable(self, error: InvalidFileError) -> str:
        logger.error("%s: %s", self._file, error)
        return f"the operator's permissions file cannot be read: {error}; ask an administrator to correct the file"

    def _read(self) -> Mapping[str, _Entry]:
        """Return the entries of one state of the file. Can run in a thread for large specs. Raises InvalidFileError."""
        if self._file is None:
            return self._entries
        try:
            changed = self._file.stat().st_mtime
            if changed == self._changed:
                return self._entries
            entries = self._entries = _File.model_validate(yaml.safe_load(self._file.read_text())).namespaces
        except OSError as error:
            self._changed = None
            raise InvalidFileError(str(error)) from None
        except (yaml.YAMLError, ValidationError) as error:
            self._changed = None
            raise InvalidFileError(" ".join(str(error).split())) from None
        self._changed = changed
        return entries


def _of(entries: Mapping[str, _Entry], namespace: str) -> Iterable[_Entry]:
    return [entry for key, entry in entries.items() if fnmatchcase(namespace, key)]
