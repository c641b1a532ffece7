"""What is told of an endpoint whose number of instances follows the load."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ScalingStatus, Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.scaling import Activity
from tgi_operator.backends.sagemaker.decide.registration import is_missing
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.desired import scaling_policies
from tgi_operator.backends.sagemaker.seen import scalable_target, state
from tgi_operator.backends.sagemaker.seen.scalable_target import Scalable
from tgi_operator.backends.sagemaker.seen.state import Step

_SCALABLE = frozenset({state.IN_SERVICE, state.UPDATING, state.SYSTEM_UPDATING, state.ROLLING_BACK})
"""EndpointStatus in which a scalable target may be registered."""


def told(at: Wanted, plan: Plan[Step]) -> Plan[Step]:
    """Return `plan` with what there is to tell of scaling in its statuses, and a look when that is no longer true."""
    failed = at.observed.scalable.blocked(at.now) if at.observed.scalable else None
    done = _tell(at, plan.done, registered=True) if plan.done is not None else None
    plan = replace(plan, status=_tell(at, plan.status, registered=not is_missing(at)), done=done)
    if failed is None:
        return plan
    over = scalable_target.BLOCKED_SECONDS - (at.now - failed.start).total_seconds() + 1
    return plan.sooner(over)


def _tell(at: Wanted, status: Status, *, registered: bool) -> Status:
    replicas = status.desired_replicas if status.desired_replicas is not None else at.wanted_replicas
    status = status.model_copy(update={"scaling": _shown(at, replicas)})
    said = _activity(at, status, registered=registered)
    return scaling.with_activity(status, at.resource.generation, said, rfc3339(at.now))


def _shown(at: Wanted, replicas: int) -> ScalingStatus | None:
    """Return the bounds in force, and why the number changed."""
    if at.autoscaling is None:
        asked = at.resource.spec.replicas is not None
        why = scaling.SPEC_REPLICAS if asked else "Changed on SageMaker by somebody else."
        return scaling.told(at.status, ScalingStatus(), replicas, why, rfc3339(at.now))
    before, bounds = at.status.scaling or ScalingStatus(), at.bounds
    found = ScalingStatus(
        min_replicas=bounds.least,
        max_replicas=bounds.most,
        active_schedule=bounds.schedule,
        foreign_policies=before.foreign_policies,
    )
    seen = at.observed.scalable or Scalable()
    cause = seen.why(replicas)
    why, when = (cause.cause, cause.start) if cause else ("Changed on SageMaker by somebody else.", at.now)
    return scaling.told(at.status, seen.seen(found), replicas, why, rfc3339(when))


def _activity(at: Wanted, status: Status, *, registered: bool) -> Activity | None:
    """Return whether the number follows the load; what was not looked at is as it was."""
    if at.autoscaling is None or at.desired.scaling is None:
        return None
    before = scaling.last_activity(at.status)
    asked = status.sage_maker is not None and status.sage_maker.scaling_request_time is not None
    serves = asked and at.endpoint is not None and at.endpoint.status in _SCALABLE
    if serves and before is not None and not (registered or before.active):
        return before
    if not serves or not (registered or before):
        message = "The number of instances does not follow the load until the endpoint is in service."
        return Activity(False, Reason.ENDPOINT_NOT_IN_SERVICE, message)
    failed = at.observed.scalable.blocked(at.now) if at.observed.scalable else None
    if failed is not None:
        return Activity(False, scalable_target.reason(failed), failed.message)
    policies = ", ".join(name.removeprefix(scaling_policies.OWN_PREFIX) for name in at.desired.scaling.policies)
    return Activity(True, Reason.AUTOSCALING, f"{at.bounds.least} to {at.bounds.most} instance(s), by {policies}.")
