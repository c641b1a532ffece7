"""Scaling status of an endpoint whose instance count follows the load."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ScalingStatus, Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.scaling import Activity
from tgi_operator.backends.sagemaker.decide.registration import is_missing
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.desired import scaling_policies
from tgi_operator.backends.sagemaker.seen import scalable_target, state
from tgi_operator.backends.sagemaker.seen.scalable_target import Scalable

_SCALABLE = frozenset({state.IN_SERVICE, state.UPDATING, state.SYSTEM_UPDATING, state.ROLLING_BACK})
"""EndpointStatus in which a scalable target can be registered."""

_BY_OTHERS = "changed in AWS by another user"


def with_scaling_status(situation: Situation, plan: Plan[Step]) -> Plan[Step]:
    """Return `plan` with scaling in its statuses, and an observation when the reported state is no longer true."""
    seen = situation.observed.scaling
    failed = seen.blocked(situation.now) if seen else None
    complete = not is_missing(situation)
    registered = complete or plan.done is not None
    plan = plan.reaching(lambda status: _with_scaling(situation, status, registered=registered))
    plan = replace(plan, status=_with_scaling(situation, plan.status, registered=complete))
    if failed is None:
        return plan
    over = scalable_target.BLOCKED_SECONDS - (situation.now - failed.start).total_seconds() + 1
    return plan.sooner(over)


def _with_scaling(situation: Situation, status: Status, *, registered: bool) -> Status:
    replicas = status.desired_replicas if status.desired_replicas is not None else situation.wanted_replicas
    status = status.model_copy(update={"scaling": _scaling(situation, replicas)})
    activity = _activity(situation, status, registered=registered)
    return scaling.with_activity(status, situation.resource.generation, activity, rfc3339(situation.now))


def _scaling(situation: Situation, replicas: int) -> ScalingStatus | None:
    """Return the bounds in effect, and the reason why the instance count changed."""
    now = rfc3339(situation.now)
    if situation.autoscaling is None:
        why = scaling.SPEC_REPLICAS if situation.spec.replicas is not None else _BY_OTHERS
        return scaling.scaling_status(situation.status, ScalingStatus(), replicas, why, now)
    before, bounds = situation.status.scaling or ScalingStatus(), situation.bounds
    found = ScalingStatus(
        min_replicas=bounds.least,
        max_replicas=bounds.most,
        active_schedule=bounds.schedule,
        foreign_policies=before.foreign_policies,
    )
    seen = situation.observed.scaling or Scalable()
    cause = seen.why(replicas)
    why, when = (cause.cause, rfc3339(cause.start)) if cause else (_BY_OTHERS, now)
    return scaling.scaling_status(situation.status, seen.seen(found), replicas, why, when)


def _activity(situation: Situation, status: Status, *, registered: bool) -> Activity | None:
    """Return whether the instance count follows the load. Unread state is assumed to be unchanged."""
    if situation.autoscaling is None or situation.desired.scaling is None:
        return None
    before, error = scaling.last_activity(situation.status), situation.observed.scaling_error
    if error is not None:
        message = f"The operator cannot read from Application Auto Scaling: {error.operation}: {error.message}"
        return Activity(None, Reason.SCALING_UNKNOWN, message)
    requested = status.sage_maker is not None and status.sage_maker.scaling_request_time is not None
    serves = requested and situation.endpoint is not None and situation.endpoint.status in _SCALABLE
    if serves and before is not None and not (registered or before.active):
        return before
    if not serves or not (registered or before):
        message = "The replica count does not follow the load until the endpoint is in service."
        return Activity(False, Reason.ENDPOINT_NOT_IN_SERVICE, message)
    return _conflict(situation) or _failed(situation) or _active(situation)


def _conflict(situation: Situation) -> Activity | None:
    seen = situation.observed.scaling.registered if situation.observed.scaling else None
    if seen is None or situation.desired.scaling is None:
        return None
    for policy in situation.desired.scaling.policies.values():
        other = seen.conflict(policy)
        if other is not None:
            metric = policy["PredefinedMetricSpecification"]["PredefinedMetricType"]
            message = (
                f'Scaling policy "{other}" is not owned by this resource but already tracks {metric}, and AWS '
                "accepts only one policy per metric; delete the policy in AWS or remove the metric from "
                "spec.autoscaling.metrics"
            )
            return Activity(False, Reason.POLICY_CONFLICT, message)
    return None


def _failed(situation: Situation) -> Activity | None:
    failed = situation.observed.scaling.blocked(situation.now) if situation.observed.scaling else None
    return Activity(False, scalable_target.reason(failed), failed.message) if failed is not None else None


def _active(situation: Situation) -> Activity:
    policies = situation.desired.scaling.policies if situation.desired.scaling is not None else {}
    names = ", ".join(name.removeprefix(scaling_policies.OWN_PREFIX) for name in policies)
    bounds = situation.bounds
    message = f"Scaling between {bounds.least} and {bounds.most} instances based on {names}."
    return Activity(True, Reason.AUTOSCALING, message)
