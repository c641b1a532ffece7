"""The resources of Application Auto Scaling: scalable targets with their policies and scheduled actions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.autoscaling.activities import Activities
from tgi_sandbox.aws.autoscaling.agenda import Agenda, Event
from tgi_sandbox.aws.autoscaling.alarms import Tracking
from tgi_sandbox.aws.autoscaling.metrics import Metrics
from tgi_sandbox.aws.autoscaling.published import Published

if TYPE_CHECKING:
    from tgi_sandbox.aws.autoscaling.decisions import Alarm

DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
_RESOURCE: Final = re.compile(r"endpoint/(?P<endpoint>[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})/variant/(?P<variant>[^/]+)")

NOT_SUSPENDED: Final = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


@dataclass
class Policy:
    """A scaling policy; `body` is the PutScalingPolicy request, `alarms` the names of the high and low alarm."""

    arn: str
    body: dict[str, Any]
    created: float
    alarms: tuple[str, str] | None
    tracking: Tracking = field(default_factory=Tracking)

    @property
    def name(self) -> str:
        """PolicyName."""
        return str(self.body["PolicyName"])

    @property
    def configuration(self) -> dict[str, Any] | None:
        """The metric and target value of a target tracking policy; None for other policies."""
        found: dict[str, Any] | None = self.body.get("TargetTrackingScalingPolicyConfiguration")
        return found

    def alarm(self, alarm: Alarm) -> str:
        """Return the name of one of the alarms."""
        return next(name for name in self.alarms or () if f"-{alarm}-" in name)


@dataclass
class ScheduledAction:
    """A scheduled action; `body` is the PutScheduledAction request. `due` is when it runs next."""

    arn: str
    body: dict[str, Any]
    created: float
    due: float | None


@dataclass
class Target:
    """A scalable target.

    `clamp` is whether its instance count still has to be brought within the bounds. `tick` is when its alarms get their
    next datapoints, None while datapoints would change nothing. `changed` is the time of the last write; 0 is long ago.
    """

    resource_id: str
    arn: str
    endpoint: str
    variant: str
    least: int
    most: int
    created: float
    suspended: dict[str, bool] = field(default_factory=lambda: dict(NOT_SUSPENDED))
    policies: dict[str, Policy] = field(default_factory=dict)
    actions: dict[str, ScheduledAction] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    changed: float = 0.0
    clamp: bool = False
    tick: float | None = None
    scaled_out_at: float = 0.0
    scaled_out_by: int = 0
    scaled_in_at: float = 0.0
    retry_at: float = 0.0

    @property
    def key(self) -> str:
        """The key that identifies the target."""
        return self.resource_id.lower()


@dataclass
class Scaling:
    """Application Auto Scaling in one account and region; `targets` is keyed by lowercase ResourceId.

    Reads use `shown_targets`, `shown_policies` and `shown_actions`. `woken` holds the endpoints, in lowercase, with
    changes to process.
    """

    metrics: Metrics = field(default_factory=Metrics)
    targets: dict[str, Target] = field(default_factory=dict)
    activities: Activities = field(default_factory=Activities)
    shown_targets: Published = field(default_factory=Published)
    shown_policies: Published = field(default_factory=Published)
    shown_actions: Published = field(default_factory=Published)
    agenda: Agenda = field(default_factory=Agenda)
    woken: set[str] = field(default_factory=set)
    settled: float = 0.0
    _of_endpoint: dict[str, list[str]] = field(default_factory=dict)

    def target_of(self, endpoint: str, variant: str) -> Target | None:
        """Return the target of a variant of an endpoint."""
        return self.targets.get(f"endpoint/{endpoint}/variant/{variant}".lower())

    def of_endpoint(self, endpoint: str) -> list[Target]:
        """Return the targets of the variants of an endpoint."""
        return [self.targets[key] for key in self._of_endpoint.get(endpoint.lower(), ())]

    def add(self, target: Target) -> None:
        """Add a new target."""
        self.targets[target.key] = target
        self._of_endpoint.setdefault(target.endpoint.lower(), []).append(target.key)

    def remove(self, target: Target, visible_at: float) -> None:
        """Delete a target with its policies and actions; reads stop showing it at `visible_at`."""
        del self.targets[target.key]
        self._of_endpoint[target.endpoint.lower()].remove(target.key)
        self.shown_targets.write((target.key,), None, visible_at)
        for policy in target.policies:
            self.shown_policies.write((target.key, policy), None, visible_at)
        for action in target.actions:
            self.shown_actions.write((target.key, action), None, visible_at)

    def drop(self, endpoint: str, visible_at: float) -> None:
        """Delete the targets of an endpoint."""
        for target in self.of_endpoint(endpoint):
            self.remove(target, visible_at)

    def plan(self, target: Target, name: str) -> None:
        """Record when a scheduled action runs next."""
        due = target.actions[name].due
        if due is not None:
            self.agenda.add(Event(due, False, target.key, name))


def parse(resource_id: str) -> tuple[str, str] | None:
    """Return the endpoint and variant of a ResourceId, None if it names none."""
    match = _RESOURCE.fullmatch(resource_id)
    return (match["endpoint"], match["variant"]) if match else None
