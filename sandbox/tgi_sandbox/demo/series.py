"""Observations of an endpoint under load, over time. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tgi_sandbox.demo.load_plan import LoadSample


@dataclass(frozen=True)
class Axis:
    """A display format for time: its unit, and the seconds in one unit."""

    label: str
    unit: float


MINUTES_OF_AWS = Axis("minutes of AWS time since the load began", 60)
SECONDS = Axis("seconds since the load began", 1)


@dataclass(frozen=True)
class Replicas:
    """The instance or pod counts in a resource's status; `scaling` is the condition ScalingActive."""

    desired: int
    ready: int
    least: int
    most: int
    scaling: str

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> "Replicas":
        """Read the counts from the status."""
        status = resource.get("status", {})
        bounds = status.get("scaling", {})
        active = (c for c in status.get("conditions", ()) if c["type"] == "ScalingActive")
        said = next(active, {"status": "False", "message": "the condition is missing"})
        return cls(
            desired=status.get("desiredReplicas", 0),
            ready=status.get("readyReplicas", 0),
            least=bounds.get("minReplicas", 0),
            most=bounds.get("maxReplicas", 0),
            scaling="True" if said["status"] == "True" else f"{said['status']}: {said['message']}",
        )


@dataclass(frozen=True)
class Moment:
    """One observation; `seconds` since the load began, on the clock of the system that scales."""

    seconds: float
    load: LoadSample
    replicas: Replicas


@dataclass(frozen=True)
class Scaling:
    """A change of the count in the resource's status; `seconds` is when it was first observed."""

    seconds: float
    before: int
    after: int
    reason: str

    @property
    def is_out(self) -> bool:
        """Whether the count is higher afterwards."""
        return self.after > self.before


@dataclass
class Series:
    """All observations since the load began, at the time `began`."""

    began: float
    moments: list[Moment] = field(default_factory=list)
    _scalings: dict[tuple[str, int, int], Scaling] = field(default_factory=dict)

    def add(self, now: float, load: LoadSample, resource: Mapping[str, Any]) -> bool:
        """Add an observation; return whether the replica counts have changed."""
        moment = Moment(now - self.began, load, Replicas.of(resource))
        news = not self.moments or self.moments[-1].replicas != moment.replicas
        self.moments.append(moment)
        # The status keeps only the last ten.
        for record in reversed(resource.get("status", {}).get("scaling", {}).get("history", ())):
            key = (str(record["time"]), int(record["from"]), int(record["to"]))
            self._scalings.setdefault(key, Scaling(moment.seconds, key[1], key[2], str(record["reason"])))
        return news

    @property
    def scalings(self) -> Sequence[Scaling]:
        """The changes of the count, the oldest first."""
        return tuple(self._scalings.values())

    @property
    def is_back(self) -> bool:
        """Whether the count has returned to the lower bound."""
        replicas = self.moments[-1].replicas
        return replicas.desired == replicas.ready == replicas.least

    @property
    def went_out_and_in(self) -> bool:
        """Whether the count has scaled in each direction."""
        return {scaling.is_out for scaling in self.scalings} == {True, False}

    def times(self, axis: Axis) -> list[float]:
        """Return the time of each observation."""
        return [moment.seconds / axis.unit for moment in self.moments]

    def values(self, of: Callable[[Moment], float]) -> list[float]:
        """Return one value of every observation."""
        return [of(moment) for moment in self.moments]


def clock(seconds: float) -> str:
    """Format a time since the load began as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
