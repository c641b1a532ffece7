"""What an operation gets to work with besides its request."""

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
    """The world, the region the call is for and the time it arrived."""

    world: World
    region: Region
    now: float

    @property
    def visible_at(self) -> float:
        """When what is created now can be referred to (CreateEndpoint documents eventually consistent reads)."""
        return self.now + self.world.consistency_delay


Operation: TypeAlias = "Callable[[Call, Request], Response]"
"""Answers a validated request; raises AwsError."""


def timestamp(seconds: float) -> float:
    """A time as the JSON protocol sends it: epoch seconds with milliseconds."""
    return round(seconds, 3)
