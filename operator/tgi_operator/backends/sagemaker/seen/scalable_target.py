"""The observed state of Application Auto Scaling. Plain data, and pure functions of it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Scaler, ScalingStatus
from tgi_operator.backends.plans import schedules
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.desired.scaling_policies import OWN_PREFIX, Scaling
from tgi_operator.backends.sagemaker.desired.scaling_policies import target as target_request

BLOCKED_SECONDS = 900
"""Seconds for which a failed scaling is reported. While its alarm lasts, AWS retries every minute or so."""

CONSISTENCY_SECONDS = 120
"""Seconds by which reads of Application Auto Scaling may lag behind its writes (Terraform waits for as long)."""

MOST_FOREIGN = 10


@dataclass(frozen=True)
class Activity:
    """A scaling activity. `capacity` is the requested instance count, or None if the text does not show it."""

    start: datetime
    failed: bool
    capacity: int | None
    cause: str
    message: str


@dataclass(frozen=True)
class Registered:
    """A scalable target with the configurations of its policies and scheduled actions by name."""

    target: Mapping[str, Any] | None
    policies: Mapping[str, Mapping[str, Any]]
    actions: Mapping[str, Mapping[str, Any]]

    @property
    def foreign_policies(self) -> tuple[str, ...]:
        """Names of the policies on the target that are not ours."""
        return foreign(self.policies)

    def conflict(self, policy: Mapping[str, Any]) -> str | None:
        """Return the name of another user's policy with the same predefined metric, or None if there is none.

        AWS answers "Only one TargetTrackingScaling policy for a given metric specification is allowed."
        """
        metric = policy.get("PredefinedMetricSpecification")
        if metric is None:
            return None
        same = (name for name, each in self.policies.items() if _has_metric(each, metric))
        return next(iter(foreign(same)), None)


@dataclass(frozen=True)
class Scalable:
    """One observation: the latest activities, newest first, and the registered target, or None if it was not read."""

    activities: Sequence[Activity] = ()
    registered: Registered | None = None

    def blocked(self, now: datetime) -> Activity | None:
        """Return the newest activity if AWS could not carry it out, and if it is recent."""
        # Activities of scheduled actions concern only bounds.
        newest = next((each for each in self.activities if each.failed or each.capacity is not None), None)
        recent = newest is not None and now - newest.start < timedelta(seconds=BLOCKED_SECONDS)
        return newest if newest is not None and newest.failed and recent else None

    def why(self, replicas: int) -> Activity | None:
        """Return the newest activity that AWS carried out, if it led to this many instances."""
        newest = next((each for each in self.activities if not each.failed and each.capacity is not None), None)
        return newest if newest is not None and newest.capacity == replicas else None

    def seen(self, status: ScalingStatus) -> ScalingStatus:
        """Return `status` with the observations of the target."""
        found = self.registered
        others = (found.foreign_policies or None) if found else status.foreign_policies
        return status.model_copy(
            update={"scaler": Scaler.APPLICATION_AUTO_SCALING, "foreign_policies": others},
        )


def activity(described: Mapping[str, Any]) -> Activity:
    """Return an activity of DescribeScalingActivities."""
    count = re.search(r"desired instance count to (\d+)", str(described.get("Description", "")))
    return Activity(
        start=described["StartTime"],
        failed=described.get("StatusCode") == "Failed",
        capacity=int(count[1]) if count else None,
        cause=str(described.get("Cause", "")),
        message=str(described.get("StatusMessage") or described.get("Description", "")),
    )


def reason(failed: Activity) -> Reason:
    """Return the reason why AWS could not scale."""
    return errors.failure(failed.message, Reason.SCALING_FAILED)


def policy(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the relevant part of a policy of DescribeScalingPolicies."""
    found: Mapping[str, Any] = described.get("TargetTrackingScalingPolicyConfiguration") or {}
    return found


def action(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the relevant part of a scheduled action of DescribeScheduledActions."""
    return {name: described.get(name) for name in ("Schedule", "Timezone", "ScalableTargetAction")}


def target(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the relevant part of a target of DescribeScalableTargets."""
    found: Mapping[str, Any] = {name: described.get(name) for name in ("MinCapacity", "MaxCapacity", "SuspendedState")}
    return found


def has_bounds(wanted: Scaling, live: Mapping[str, Any] | None, now: datetime) -> bool:
    """Return whether a target has the bounds in effect. AWS's own scheduled actions can be some seconds late."""
    a_moment_ago = now - timedelta(seconds=CONSISTENCY_SECONDS)
    bounds = {schedules.in_force(wanted.autoscaling, moment) for moment in (now, a_moment_ago)}
    return any(is_as_wanted(live, target_request(each)) for each in bounds)


def to_put(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the wanted objects that are missing in `live`, or different there."""
    return tuple(name for name, value in wanted.items() if not is_as_wanted(live.get(name), value))


def to_delete(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of our objects that are no longer wanted."""
    return tuple(sorted(name for name in live if name.startswith(OWN_PREFIX) and name not in wanted))


def fits(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Return whether all policies, or scheduled actions, are as wanted."""
    return not to_put(wanted, live) and not to_delete(wanted, live)


def foreign(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the objects that are not ours."""
    return tuple(sorted(name for name in names if not name.startswith(OWN_PREFIX)))[:MOST_FOREIGN]


def is_as_wanted(live: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Return whether everything wanted is in `live`, ignoring values that AWS adds and values that are false."""
    return live is not None and all(_same(live.get(name), value) for name, value in wanted.items())


def _same(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and is_as_wanted(live, wanted)
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(_same, live, wanted))
    return bool(live == wanted) or (wanted is False and live is None)


def _has_metric(policy: Mapping[str, Any], metric: Mapping[str, Any]) -> bool:
    found = policy.get("PredefinedMetricSpecification") or {}
    return bool(found.get("PredefinedMetricType") == metric["PredefinedMetricType"])
