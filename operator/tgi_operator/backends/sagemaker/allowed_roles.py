"""Which execution roles a namespace may use: else whoever may write a TGIEndpoint could use every role there is."""

import logging
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason

logger = logging.getLogger(__name__)


class InvalidRolesError(ValueError):
    """The file of allowed roles cannot be read; the text says what is wrong with it."""


class _Roles(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    namespaces: dict[str, tuple[str, ...]] = Field(description="Patterns of role ARNs by pattern of namespaces.")


class AllowedRoles:
    """The roles in a file such as a mounted ConfigMap, which is read again when it has changed.

    Without a file every role is allowed. With one, a role is where its ARN fits a pattern of any entry whose key fits
    the namespace; `*` in both is any text. A file that cannot be read allows nothing.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file) if file else None
        self._changed: float | None = None
        self._namespaces: dict[str, tuple[str, ...]] = {}

    def problem(self, namespace: str, role: str) -> Problem | None:
        """Return why a namespace may not use a role, None where it may."""
        if self._file is None:
            return None
        try:
            self._read(self._file)
        except InvalidRolesError as error:
            logger.error("%s: %s", self._file, error)  # noqa: TRY400 - the text says it all
            return Problem(Reason.ROLE_NOT_ALLOWED, f"The operator's list of allowed roles cannot be read: {error}")
        patterns = [each for key, found in self._namespaces.items() if fnmatchcase(namespace, key) for each in found]
        if any(fnmatchcase(role, pattern) for pattern in patterns):
            return None
        allowed = ", ".join(patterns) or "none"
        return Problem(
            Reason.ROLE_NOT_ALLOWED,
            f"spec.sageMaker.executionRoleARN {role} may not be used in namespace {namespace} (allowed: {allowed}): "
            "use one of those, or have the operator's administrators allow it.",
        )

    def version(self) -> float | None:
        """Return when the file was last changed, as seconds since the epoch; None where there is none to read."""
        try:
            return self._file.stat().st_mtime if self._file is not None else None
        except OSError:
            return None

    def _read(self, file: Path) -> None:
        try:
            changed = file.stat().st_mtime
            if changed == self._changed:
                return
            self._namespaces = _Roles.model_validate(yaml.safe_load(file.read_text())).namespaces
        except OSError as error:
            self._changed = None
            raise InvalidRolesError(str(error)) from None
        except (yaml.YAMLError, ValidationError) as error:
            self._changed = None
            raise InvalidRolesError(" ".join(str(error).split())) from None
        self._changed = changed
