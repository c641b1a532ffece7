"""Rules that are the same on every backend, and the parts of a situation that they need."""

from datetime import datetime
from typing import Any, Protocol

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict, stalled
from tgi_operator.backends.resource import Resource

_OUTSIDE_THE_SPEC = frozenset(
    {Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND, Reason.ROLE_NOT_ALLOWED, Reason.USE_NOT_ALLOWED}
)

PROBLEM_SECONDS = 30
"""A problem outside the spec can end without an event, such as an unwatched Secret or the file of allowed roles."""

FOREIGN_SECONDS = 45
"""Tags and labels can change at any time, and no event reports that."""


class Situation(Protocol):
    """The common part of all backends' situations."""

    @property
    def resource(self) -> Resource:
        """The resource."""

    @property
    def problem(self) -> Problem | None:
        """The reason why the spec cannot work, or None if it can."""

    @property
    def now(self) -> datetime:
        """The time of the observation."""

    @property
    def foreign(self) -> str | None:
        """The conflicting object that this resource does not own, and the fix, or None if there is no conflict."""

    @property
    def retained(self) -> str:
        """The objects that deletionPolicy Retain keeps, as a sentence."""

    def report(self, verdict: Verdict) -> Status:
        """Return the status with `verdict` and what was observed."""

    @property
    def available(self) -> Any:
        """Whether requests are accepted now, as a ConditionStatus or bool."""


def retained(situation: Situation) -> Plan[Any] | None:
    """The resource is deleted with deletionPolicy Retain: the operator keeps all of its objects."""
    if not situation.resource.retains:
        return None
    return Plan(situation.resource.status, notes=(Note(Reason.RETAINED, situation.retained),), finished=True)


def not_owned(situation: Situation) -> Plan[Any] | None:
    """An object of that name exists and is not owned by this resource. It is never changed."""
    if situation.foreign is None:
        return None
    verdict = stalled(Reason.NOT_OWNED, situation.foreign, available=situation.available)
    return Plan(situation.report(verdict), after=FOREIGN_SECONDS)


def unworkable(situation: Situation) -> Plan[Any] | None:
    """The spec has a problem: pods or instances that serve keep serving."""
    if situation.problem is None:
        return None
    verdict = stalled(situation.problem.reason, situation.problem.message, available=situation.available)
    return Plan(
        situation.report(verdict), after=PROBLEM_SECONDS if situation.problem.reason in _OUTSIDE_THE_SPEC else None
    )
