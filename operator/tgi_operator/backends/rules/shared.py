"""Rules that mean the same on every backend, and what they need of a situation."""

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
"""A problem outside the spec may end without an event: a Secret that is not watched, the file of allowed roles."""

FOREIGN_SECONDS = 45
"""Tags and labels may be changed at any time, and nothing reports it."""


class Situation(Protocol):
    """What every backend's situation has."""

    @property
    def resource(self) -> Resource:
        """The resource."""

    @property
    def problem(self) -> Problem | None:
        """Why the spec cannot work; None where it can."""

    @property
    def now(self) -> datetime:
        """When the situation was observed."""

    @property
    def foreign(self) -> str | None:
        """What is in the way and not owned by this resource, and what to do; None where there is nothing."""

    @property
    def retained(self) -> str:
        """What deletionPolicy Retain leaves behind, as a sentence."""

    def report(self, verdict: Verdict) -> Status:
        """Return the status with `verdict` and what was observed."""

    @property
    def available(self) -> Any:
        """Whether requests are accepted now, as a ConditionStatus or bool."""


def retained(situation: Situation) -> Plan[Any] | None:
    """The resource is deleted with deletionPolicy Retain: everything it names is left alone."""
    if not situation.resource.retains:
        return None
    return Plan(situation.resource.status, notes=(Note(Reason.RETAINED, situation.retained),), finished=True)


def not_owned(situation: Situation) -> Plan[Any] | None:
    """Something of that name exists and is not owned by this resource: it is never touched."""
    if situation.foreign is None:
        return None
    verdict = stalled(Reason.NOT_OWNED, situation.foreign, available=situation.available)
    return Plan(situation.report(verdict), after=FOREIGN_SECONDS)


def unworkable(situation: Situation) -> Plan[Any] | None:
    """The spec has a problem: whatever serves goes on serving."""
    if situation.problem is None:
        return None
    verdict = stalled(situation.problem.reason, situation.problem.message, available=situation.available)
    return Plan(
        situation.report(verdict), after=PROBLEM_SECONDS if situation.problem.reason in _OUTSIDE_THE_SPEC else None
    )
