"""Pods whose number follows the load: what is told of that, and how the number is left to the autoscaler."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ScalingStatus, Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.incluster.decide.situation import Wanted
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired import autoscaler
from tgi_operator.backends.incluster.kinds import HPA, Object
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.scaling import Activity

SCALE_MANAGER = "tgi-operator-scale"
"""Field manager that holds the number of pods until an autoscaler sets another one."""

_NO_VALUE = frozenset({"FailedGetPodsMetric", "FailedGetExternalMetric", "FailedGetObjectMetric"})
"""Reasons of an HPA without a value of its metric (kubernetes pkg/controller/podautoscaler)."""


def handed_over(at: Wanted) -> Plan[Step] | None:
    """Leave the number of pods to the autoscaler.

    A field that its only owner no longer applies is removed, and the number would be 1: another manager takes it over
    first, and the autoscaler takes it from that one with its first change. The status is left as it is.
    """
    deployed = at.deployed
    if at.spec.autoscaling is None or deployed is None or not deployed.owns_replicas:
        return None
    living = deployed.body["metadata"]
    held: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": living["name"], "namespace": living["namespace"]},
        "spec": {"replicas": deployed.wanted},
    }
    return Plan(
        at.status,
        steps=(Apply(held, manager=SCALE_MANAGER), Apply(at.desired.deployment(None, deployed.strategy))),
        after=0,
    )


def told(at: Wanted, plan: Plan[Step]) -> Plan[Step]:
    """Return `plan` with what there is to tell of scaling in its statuses."""
    return replace(plan, status=_tell(at, plan.status), done=_tell(at, plan.done) if plan.done is not None else None)


def _tell(at: Wanted, status: Status) -> Status:
    replicas = status.desired_replicas if status.desired_replicas is not None else at.wanted_replicas
    status = status.model_copy(update={"scaling": _shown(at, replicas)})
    return scaling.with_activity(status, at.resource.generation, _activity(at), rfc3339(at.now))


def _shown(at: Wanted, replicas: int) -> ScalingStatus | None:
    """Return the bounds in force, and why the number changed."""
    if at.spec.autoscaling is None:
        asked = at.spec.replicas is not None
        why = scaling.SPEC_REPLICAS if asked else "The Deployment was scaled by somebody else."
        return scaling.told(at.status, ScalingStatus(), replicas, why, rfc3339(at.now))
    bounds, hpa = at.bounds, _hpa(at)
    found = ScalingStatus(
        scaler=at.means.scaler,
        min_replicas=bounds.least,
        max_replicas=bounds.most,
        active_schedule=bounds.schedule,
    )
    unknown = f"{HPA.name} {autoscaler.hpa_name(at.owner, at.means.scaler)}"
    return scaling.told(at.status, found, replicas, _why(hpa, unknown), rfc3339(at.now), unknown=unknown)


def _why(hpa: Mapping[str, Any], unknown: str) -> str:
    """Return the autoscaler's words; it says them a moment after it has changed the number."""
    said = (_condition(hpa, kind) for kind in ("ScalingActive", "ScalingLimited"))
    words = [str(each.get("message", "")) for each in said if each.get("status") == "True"]
    return f"{unknown}: {'; '.join(words)}" if words else unknown


def _activity(at: Wanted) -> Activity | None:
    """Return whether the number of pods follows the load, and what keeps it from that."""
    autoscaling, hpa = at.spec.autoscaling, _hpa(at)
    if autoscaling is None:
        return None
    if at.deployed is None or not hpa:
        return Activity(False, Reason.ENDPOINT_NOT_IN_SERVICE, "There is no autoscaler yet.")
    if not at.means.measures:
        message = (
            "No custom metrics API is served, and there is no KEDA with a --prometheus-address: nothing tells the load."
        )
        return Activity(False, Reason.METRICS_API_MISSING, message)
    pending = next((each for each in at.troubles if each.reason is Reason.UNSCHEDULABLE), None)
    if pending is not None:
        return Activity(False, pending.reason, f"Pod {pending.pod}: {pending.message}")
    refused = at.deployed.condition("ReplicaFailure")
    if refused.get("status") == "True":
        return Activity(False, Reason.SCALING_FAILED, str(refused.get("message", "")))
    able, active = _condition(hpa, "AbleToScale"), _condition(hpa, "ScalingActive")
    if able.get("status") == "False":
        return Activity(False, Reason.SCALING_FAILED, str(able.get("message", "")))
    if active.get("status") == "False":
        reason = Reason.NO_METRICS if active.get("reason") in _NO_VALUE else Reason.SCALING_FAILED
        return Activity(False, reason, str(active.get("message", "")))
    bounds = at.bounds
    names = ", ".join(autoscaler.metric_names(autoscaling))
    return Activity(True, Reason.AUTOSCALING, f"{bounds.least} to {bounds.most} pod(s), by {names}.")


def _hpa(at: Wanted) -> Mapping[str, Any]:
    return at.child(HPA, autoscaler.hpa_name(at.owner, at.means.scaler)) or {}


def _condition(hpa: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = (hpa.get("status") or {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == kind), {})
