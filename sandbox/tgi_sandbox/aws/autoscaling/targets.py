"""What exists at Application Auto Scaling: scalable targets, and what hangs on them."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from tgi_sandbox.aws.autoscaling.metrics import Metrics

DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
_RESOURCE: Final = re.compile(r"endpoint/(?P<endpoint>[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})/variant/(?P<variant>[^/]+)")
_MOST_ACTIVITIES: Final = 500

NOT_SUSPENDED: Final = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


@dataclass
class Tracking:
    """How many datapoints in a row were beyond an alarm's threshold, and what the last one was."""

    above: int = 0
    below: int = 0
    value: float | None = None


@dataclass
class Policy:
    """A scaling policy; `body` is the PutScalingPolicy request."""

    arn: str
    body: dict[str, Any]
    created: float
    alarms: tuple[str, str]
    tracking: Tracking = field(default_factory=Tracking)

    @property
    def name(self) -> str:
        """PolicyName."""
        return str(self.body["PolicyName"])

    @property
    def configuration(self) -> dict[str, Any] | None:
        """What a target tracking policy keeps where; None of other policies."""
        found: dict[str, Any] | None = self.body.get("TargetTrackingScalingPolicyConfiguration")
        return found


@dataclass
class ScheduledAction:
    """A scheduled action; `body` is the PutScheduledAction request. `due` is when it acts next."""

    arn: str
    body: dict[str, Any]
    created: float
    due: float | None


@dataclass
class Activity:
    """A scaling activity."""

    id: str
    resource_id: str
    description: str
    cause: str
    start: float
    capacity: int
    status: str = "InProgress"
    message: str = ""
    end: float | None = None


@dataclass
class Target:
    """A scalable target."""

    resource_id: str
    arn: str
    endpoint: str
    variant: str
    least: int
    most: int
    created: float
    visible_at: float
    suspended: dict[str, bool] = field(default_factory=lambda: dict(NOT_SUSPENDED))
    policies: dict[str, Policy] = field(default_factory=dict)
    actions: dict[str, ScheduledAction] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    changed: float = 0.0
    clamp: bool = False
    out_until: float = 0.0
    in_until: float = 0.0
    refused: float = 0.0


@dataclass
class Scaling:
    """Application Auto Scaling in one account and region; `targets` by lower-case ResourceId."""

    metrics: Metrics = field(default_factory=Metrics)
    targets: dict[str, Target] = field(default_factory=dict)
    activities: deque[Activity] = field(default_factory=lambda: deque(maxlen=_MOST_ACTIVITIES))
    settled: float | None = None
    numbered: int = 0

    def number(self) -> int:
        """Return the next number for an id."""
        self.numbered += 1
        return self.numbered

    def target_of(self, endpoint: str, variant: str) -> Target | None:
        """Return the target that a variant of an endpoint is."""
        return self.targets.get(f"endpoint/{endpoint}/variant/{variant}".lower())

    def drop(self, endpoint: str) -> None:
        """Forget the targets of an endpoint."""
        for key in [key for key, target in self.targets.items() if target.endpoint.lower() == endpoint.lower()]:
            del self.targets[key]


def parse(resource_id: str) -> tuple[str, str] | None:
    """Return endpoint and variant of a ResourceId, None where it names none."""
    match = _RESOURCE.fullmatch(resource_id)
    return (match["endpoint"], match["variant"]) if match else None
