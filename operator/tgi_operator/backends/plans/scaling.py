"""Scaling on either backend: checks, the history of the replica count, and the condition ScalingActive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tgi_operator.api import conditions
from tgi_operator.api.autoscaling import Autoscaling, Metric, MetricTarget, MetricType
from tgi_operator.api.conditions import ConditionUpdate
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType, ScalingRecord, ScalingStatus, Status
from tgi_operator.backends.plans import schedules
from tgi_operator.backends.plans.planning import Plan, S
from tgi_operator.backends.quantities import quantity

MOST_RECORDS = 10

DEFAULT_TARGET = "5"
"""Target of a default metric.

Google's guide for TGI starts with a queue of 3 to 5 requests for each pod. The AWS example for
SageMakerVariantConcurrentRequestsPerModelHighResolution has 5.
"""

SPEC_REPLICAS = "spec.replicas changed"
"""Reason of a change that the spec requests."""


_ACTIVE = {ConditionStatus.TRUE: True, ConditionStatus.FALSE: False, ConditionStatus.UNKNOWN: None}


@dataclass(frozen=True)
class Activity:
    """Whether the replica count follows the load, as ScalingActive reports it."""

    active: bool | None
    reason: Reason
    message: str


def first_problem(autoscaling: Autoscaling | None) -> Problem | None:
    """Return the first problem in `spec.autoscaling` that the API server cannot detect, or None if there is none."""
    if autoscaling is None:
        return None
    for schedule in autoscaling.schedules:
        wrong = schedules.problem(schedule)
        if wrong is not None:
            return Problem(Reason.INVALID_SPEC, f"spec.autoscaling.schedules[{schedule.name}].{wrong}")
    for position, metric in enumerate(autoscaling.metrics):
        if target(metric) <= 0:
            return Problem(
                Reason.INVALID_SPEC,
                f"spec.autoscaling.metrics[{position}].target: must be greater than 0, not "
                f"{metric.target.average_value or metric.target.value}",
            )
    return None


def target(metric: Metric) -> float:
    """Return the target value of a metric."""
    return float(quantity(metric.target.average_value or metric.target.value or "0") or 0)


def metrics(autoscaling: Autoscaling, otherwise: MetricType) -> Sequence[Metric]:
    """Return the metrics, or the default metric."""
    return autoscaling.metrics or (Metric(type=otherwise, target=MetricTarget(average_value=DEFAULT_TARGET)),)


def scaling_status(
    before: Status, now: ScalingStatus, desired: int, why: str, time: str, *, unknown: str = ""
) -> ScalingStatus | None:
    """Return `now` with the history of the desired replica count. None means that there is nothing to report.

    `before` is the status last written. `why` and `time` are the reason and the time of a change since then. If the
    reason was `unknown` when the change was seen, it is replaced as soon as it is known.
    """
    history = (before.scaling.history if before.scaling else None) or ()
    last = before.scaling.last_scale_time if before.scaling else None
    if before.desired_replicas not in (None, desired):
        record = ScalingRecord(time=time, before=before.desired_replicas, to=desired, reason=why[:1024])
        history, last = (record, *history)[:MOST_RECORDS], time
    elif history and history[0].reason == unknown and history[0].to == desired:
        history = (history[0].model_copy(update={"reason": why[:1024]}), *history[1:])
    found = now.model_copy(update={"history": history or None, "last_scale_time": last})
    return found if found != ScalingStatus() else None


def last_activity(status: Status) -> Activity | None:
    """Return the activity that ScalingActive reports, or None if the condition is missing or of another version."""
    found = conditions.get(status.conditions, ConditionType.SCALING_ACTIVE)
    reason = Reason.known(found.reason) if found is not None else None
    if found is None or reason is None:
        return None
    return Activity(_ACTIVE[found.status], reason, found.message)


def with_activity(status: Status, generation: int, activity: Activity | None, now: str) -> Status:
    """Return `status` with `activity` as ScalingActive, or without the condition if `activity` is None.

    The other conditions stay the same, because they may be of an older generation.
    """
    kind = ConditionType.SCALING_ACTIVE
    others = tuple(each for each in status.conditions if each.type != kind)
    if activity is None:
        return status.model_copy(update={"conditions": others})
    value = next(status for status, active in _ACTIVE.items() if active is activity.active)
    update = ConditionUpdate(kind, value, activity.reason, activity.message)
    merged = conditions.merge(status.conditions, [update], generation=generation, now=now)
    return status.model_copy(update={"conditions": (*others, *merged)})


def at_next_event(plan: Plan[S], autoscaling: Autoscaling | None, now: datetime) -> Plan[S]:
    """Return `plan` with the next observation no later than the next start or end of a schedule."""
    seconds = schedules.next_change(autoscaling, now) if autoscaling is not None else None
    if seconds is None or plan.finished:
        return plan
    # A moment later, so that the schedule has certainly begun.
    return plan.sooner(seconds + 0.5)
