"""Scaling activities: the capacity that Application Auto Scaling requested from SageMaker, the cause and the result."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_MOST: Final = 500
"""Activities kept for each scalable target; AWS keeps those of six weeks."""


class StatusCode(StrEnum):
    """StatusCode of a scaling activity, limited to the values that the emulator uses."""

    IN_PROGRESS = "InProgress"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"


@dataclass
class Activity:
    """A scaling activity; `capacity` and `former` are instance counts, `policy` names the policy that caused it."""

    resource_id: str
    description: str
    cause: str
    start: float
    status: StatusCode = StatusCode.IN_PROGRESS
    message: str = ""
    end: float | None = None
    capacity: int | None = None
    former: int | None = None
    policy: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def succeed(self, at: float) -> None:
        """Return the activity as SageMaker has completed it."""
        self.status, self.end = StatusCode.SUCCESSFUL, at
        self.message = f"Successfully {_set(self.capacity)}. Change successfully fulfilled by sagemaker."

    def fail(self, at: float, reason: str) -> None:
        """Return the activity as SageMaker has refused it or given up."""
        # assumed: that SageMaker's error message appears without the request's id.
        self.status, self.end = StatusCode.FAILED, at
        self.message = f"Failed to {_set(self.capacity)}. Reason: {reason}"


def of_capacity(
    resource_id: str, former: int, capacity: int, cause: str, start: float, policy: str | None = None
) -> Activity:
    """Return the activity for another instance count, as it begins."""
    return Activity(
        resource_id=resource_id,
        description=f"Setting desired instance count to {capacity}.",
        cause=cause,
        start=start,
        message=f"Successfully {_set(capacity)}. Waiting for change to be fulfilled by sagemaker.",
        capacity=capacity,
        former=former,
        policy=policy,
    )


def of_bounds(resource_id: str, least: int, most: int, action: str, at: float) -> Activity:
    """Return the activity of a scheduled action; it ends immediately."""
    bounds = f"min capacity to {least} and max capacity to {most}"
    return Activity(
        resource_id=resource_id,
        description=f"Setting {bounds}",
        cause=f"scheduled action name {action} was triggered",
        start=at,
        status=StatusCode.SUCCESSFUL,
        message=f"Successfully set {bounds}",
        end=at,
    )


class Activities:
    """The activities of a region. They outlive their targets."""

    def __init__(self) -> None:
        self.open: dict[str, Activity] = {}
        self._of: dict[str, deque[tuple[int, Activity]]] = {}
        self._count = 0

    def add(self, activity: Activity) -> None:
        """Keep an activity, also in the list of open ones until it ends."""
        self._count += 1
        kept = self._of.setdefault(activity.resource_id.lower(), deque(maxlen=_MOST))
        kept.appendleft((self._count, activity))
        if activity.status is StatusCode.IN_PROGRESS:
            self.open[activity.resource_id.lower()] = activity

    def newest_first(self, resource_id: str | None = None) -> list[Activity]:
        """Return the activities of one target, or all."""
        if resource_id is not None:
            return [activity for _, activity in self._of.get(resource_id.lower(), ())]
        numbered = [each for kept in self._of.values() for each in kept]
        return [activity for _, activity in sorted(numbered, key=lambda each: -each[0])]


def _set(capacity: int | None) -> str:
    return f"set desired instance count to {capacity}"
