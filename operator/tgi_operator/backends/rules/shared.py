"""Rules that mean the same on every backend, and what they need of a situation."""

from datetime import datetime
from typing import Any, Protocol

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict, stalled
from tgi_operator.backends.resource import Resource

PROBLEM_SECONDS = 30
"""A problem may end without a change of the spec, and without an event: a Secret that is not watched, a role file."""

FOREIGN_SECONDS = 30
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


def retained(at: Situation) -> Plan[Any] | None:
    """The resource is deleted with deletionPolicy Retain: everything it names is left alone."""
    if not at.resource.retains:
        return None
    return Plan(at.resource.status, notes=(Note(Reason.RETAINED, at.retained),), finished=True)


def not_owned(at: Situation) -> Plan[Any] | None:
    """Something of that name exists and is not owned by this resource: it is never touched."""
    if at.foreign is None:
        return None
    return Plan(at.report(stalled(Reason.NOT_OWNED, at.foreign, available=False)), after=FOREIGN_SECONDS)


def unworkable(at: Situation) -> Plan[Any] | None:
    """The spec has a problem: whatever serves goes on serving."""
    if at.problem is None:
        return None
    verdict = stalled(at.problem.reason, at.problem.message, available=at.available)
    return Plan(at.report(verdict), after=PROBLEM_SECONDS)
