"""The backends that this operator serves, from its `backends` setting."""

from collections.abc import Container, Mapping
from typing import Any, get_args

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.settings import BackendName


def problem(served: Container[str], fields: Mapping[str, Any]) -> Problem | None:
    """Return the problem that the backend of a spec is not among those `served`, or None if it is."""
    for name in get_args(BackendName):
        if name in fields and name not in served:
            return Problem(
                Reason.BACKEND_OFF,
                f"spec.{name}: this backend is not enabled for the operator; ask an administrator to add {name} to the "
                "`backends` setting, or create a TGIEndpoint with the other backend",
            )
    return None
