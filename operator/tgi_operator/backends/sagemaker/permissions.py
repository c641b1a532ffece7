"""Which execution roles and endpoint names a namespace is allowed to use.

Without that, whoever may write a TGIEndpoint could use every role that the operator may pass, and take the endpoint
name of another namespace.
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
    """The file of permissions cannot be read; the text says what is wrong with it."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    execution_roles: tuple[str, ...] | None = Field(
        default=None, alias="executionRoles", description="Patterns of role ARNs."
    )
    endpoint_names: tuple[str, ...] = Field(
        default=(), alias="endpointNames", description="Patterns of spec.sageMaker.endpointName."
    )


def _as_entry(value: object) -> object:
    """Return an entry as it is written now; earlier versions had the list of roles in its place."""
    return {"executionRoles": value} if isinstance(value, list) else value


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    namespaces: dict[str, Annotated[_Entry, BeforeValidator(_as_entry)]] = Field(
        description="Entries by pattern of namespaces."
    )


class Permissions:
    """The entries of a file such as a mounted ConfigMap, which is read again when it has changed.

    An entry counts where its key fits the namespace; `*` in keys and patterns is any text. A namespace may use an
    endpoint name that fits a pattern of an entry, and no other. It may use every role, unless an entry of any namespace
    lists roles: then only those that fit a pattern. A file that cannot be read allows nothing.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file) if file else None
        self._changed: float | None = None
        self._entries: Mapping[str, _Entry] = {}

    def role_problem(self, namespace: str, role: str) -> Problem | None:
        """Return why a namespace may not use a role, None where it may."""
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
            f"{', '.join(allowed) or 'none'}); use an allowed role, or ask the operator's administrators to allow it",
        )

    def name_problem(self, namespace: str, name: str) -> Problem | None:
        """Return why a namespace may not name an endpoint so, None where it may."""
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
            f"{', '.join(allowed) or 'none'}); create a TGIEndpoint without endpointName, or ask the operator's "
            "administrators to allow the name",
        )

    def version(self) -> float | None:
        """Return when the file was last changed, as seconds since the epoch; None where there is none to read."""
        try:
            return self._file.stat().st_mtime if self._file is not None else None
        except OSError:
            return None

    def _unreadable(self, error: InvalidFileError) -> str:
        logger.error("%s: %s", self._file, error)
        return f"the operator's permissions file cannot be read: {error}; ask the operator's administrators"

    def _read(self) -> Mapping[str, _Entry]:
        """Return the entries, of one state of the file: large specs are judged in a thread. Raises InvalidFileError."""
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
