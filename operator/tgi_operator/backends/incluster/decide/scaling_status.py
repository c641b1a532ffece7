"""Scaling status of pods whose replica count follows the load, and handover of the count to the autoscaler."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ScalingStatus, Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.incluster.decide.situation import Deployed, Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import autoscaler
from tgi_operator.backends.incluster.desired.autoscaler import Means
from tgi_operator.backends.incluster.kinds import HPA, Object, condition
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.scaling import Activity

METRICS_SECONDS = 30
"""Interval between two checks for a missing metrics API."""

SCALE_MANAGER = "tgi-operator-scale"
"""Field manager that owns spec.replicas until an autoscaler sets another value."""

_NO_VALUE = frozenset({"FailedGetPodsMetric", "FailedGetExternalMetric", "FailedGetObjectMetric"})
"""Reasons of an HPA that has no value of its metric (kubernetes pkg/controller/podautoscaler)."""


def handed_over(situation: Situation) -> Plan[Step] | None:
    """Leave the replica count to the autoscaler.

    The API server removes a field that its only manager no longer applies, which would set the count to 1. Therefore
    another manager takes ownership of the field first, and the autoscaler takes it over with its first change. The
    status stays the same.
    """
    deployed = situation.deployed
    if situation.spec.autoscaling is None or deployed is None or not deployed.owns_replicas:
        return None
    metadata = deployed.body["metadata"]
    held: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"replicas": deployed.wanted},
    }
    return Plan(
        situation.status,
        steps=(Apply(held, manager=SCALE_MANAGER), Apply.of(situation.desired.deployment(None, deployed.strategy))),
        after=0,
    )


def with_scaling_status(situation: Situation, plan: Plan[Step]) -> Plan[Step]:
    """Return `plan` with scaling in its status, and an early observation if there is no metrics API to watch yet."""
    plan = replace(plan, status=_with_scaling(situation, plan.status))
    activity = scaling.last_activity(plan.status)
    missing = activity is not None and activity.reason is Reason.METRICS_API_MISSING
    return plan.sooner(METRICS_SECONDS) if missing else plan


def _with_scaling(situation: Situation, status: Status) -> Status:
    replicas = status.desired_replicas if status.desired_replicas is not None else situation.wanted_replicas
    status = status.model_copy(update={"scaling": _scaling(situation, replicas)})
    return scaling.with_activity(status, situation.resource.generation, _activity(situation), rfc3339(situation.now))


def _scaling(situation: Situation, replicas: int) -> ScalingStatus | None:
    """Return the bounds in effect, and the reason why the replica count changed."""
    spec, before, now = situation.spec, situation.status, rfc3339(situation.now)
    if spec.autoscaling is None:
        by_spec = spec.replicas is not None
        why = scaling.SPEC_REPLICAS if by_spec else "another user or controller scaled the Deployment"
        return scaling.scaling_status(before, ScalingStatus(), replicas, why, now)
    bounds, hpa = situation.bounds, _hpa(situation)
    found = ScalingStatus(
        scaler=situation.means.scaler,
        min_replicas=bounds.least,
        max_replicas=bounds.most,
        active_schedule=bounds.schedule,
    )
    unknown = f"{HPA.name} {autoscaler.hpa_name(situation.owner, situation.means.scaler)}"
    return scaling.scaling_status(before, found, replicas, _why(hpa, unknown), now, unknown=unknown)


def _why(hpa: Object, unknown: str) -> str:
    """Return the reason of the autoscaler. The HPA reports it a moment after it has changed the count."""
    found = (condition(hpa, kind) for kind in ("ScalingActive", "ScalingLimited"))
    messages = [str(each.get("message", "")) for each in found if each.get("status") == "True"]
    return f"{unknown}: {'; '.join(messages)}" if messages else unknown


def _activity(situation: Situation) -> Activity | None:
    """Return whether the replica count follows the load, and the reason if it does not."""
    hpa, deployed = _hpa(situation), situation.deployed
    if situation.spec.autoscaling is None:
        return None
    if deployed is None or not hpa:
        return Activity(False, Reason.ENDPOINT_NOT_IN_SERVICE, "The autoscaler does not exist yet.")
    if not situation.means.measures:
        return Activity(False, Reason.METRICS_API_MISSING, _unmeasured(situation.means))
    return _obstacle(situation, deployed, hpa) or _follows(situation)


def _unmeasured(means: Means) -> str:
    """Return what the cluster lacks for autoscaling: a custom metrics API, or KEDA with the address of a Prometheus."""
    if means.keda:
        why = "the operator cannot use KEDA because --prometheus-address is not set"
        do = "install a metrics adapter or set --prometheus-address"
    else:
        why = "KEDA is not installed"
        do = "install a metrics adapter or KEDA"
        if not means.prometheus:
            why += ", and --prometheus-address is not set"
            do = "install a metrics adapter, or install KEDA and set --prometheus-address"
    no_api = "the cluster does not serve a custom metrics API"
    return f"Autoscaling is not possible: {no_api}, and {why}; {do}; see Scaling in the documentation"


def _obstacle(situation: Situation, deployed: Deployed, hpa: Object) -> Activity | None:
    """Return the reason why the replica count does not follow the load, or None if it does."""
    pending = next((each for each in situation.troubles if each.reason is Reason.UNSCHEDULABLE), None)
    if pending is not None:
        return Activity(False, pending.reason, f"Pod {pending.pod}: {pending.message}")
    if deployed.refusal is not None:
        return Activity(False, Reason.SCALING_FAILED, deployed.refusal)
    able, active = condition(hpa, "AbleToScale"), condition(hpa, "ScalingActive")
    if able.get("status") == "False":
        return Activity(False, Reason.SCALING_FAILED, str(able.get("message", "")))
    if active.get("status") == "False":
        reason = Reason.NO_METRICS if active.get("reason") in _NO_VALUE else Reason.SCALING_FAILED
        return Activity(False, reason, str(active.get("message", "")))
    return None


def _follows(situation: Situation) -> Activity:
    assert situation.spec.autoscaling is not None  # noqa: S101 - only called with autoscaling
    bounds, names = situation.bounds, ", ".join(autoscaler.metric_names(situation.spec.autoscaling, situation.means))
    return Activity(
        True, Reason.AUTOSCALING, f"Scaling between {bounds.least} and {bounds.most} pods based on {names}."
    )


def _hpa(situation: Situation) -> Object:
    return situation.child(HPA, autoscaler.hpa_name(situation.owner, situation.means.scaler)) or {}
