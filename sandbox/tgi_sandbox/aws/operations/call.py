"""The inputs of an operation beside its request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tgi_sandbox.aws.state import Region
    from tgi_sandbox.aws.world import World

Request: TypeAlias = dict[str, Any]
Response: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """The world, the region of the call and the time at which it arrived."""

    world: World
    region: Region
    now: float

    @property
    def visible_at(self) -> float:
        """When a resource created now becomes visible (CreateEndpoint documents eventually consistent reads)."""
        return self.now + self.world.consistency_delay


Operation: TypeAlias = "Callable[[Call, Request], Response]"
"""Implements an operation for a validated request; raises AwsError."""


def timestamp(seconds: float) -> float:
    """Return a time in the format of the JSON protocol: epoch seconds with milliseconds."""
    return round(seconds, 3)
