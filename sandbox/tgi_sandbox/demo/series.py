"""What was seen of an endpoint under load, over time. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tgi_sandbox.demo.load_plan import LoadSample


@dataclass(frozen=True)
class Axis:
    """How time is shown: what it is called, and how many seconds are one."""

    label: str
    unit: float


MINUTES_OF_AWS = Axis("minutes of AWS' time since the load began", 60)
SECONDS = Axis("seconds since the load began", 1)


@dataclass(frozen=True)
class Replicas:
    """What a resource says about its number of instances or pods; `scaling` is the condition ScalingActive."""

    desired: int
    ready: int
    least: int
    most: int
    scaling: str

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> "Replicas":
        """Read them from the status."""
        status = resource.get("status", {})
        bounds = status.get("scaling", {})
        active = (c for c in status.get("conditions", ()) if c["type"] == "ScalingActive")
        said = next(active, {"status": "False", "message": "there is no such condition"})
        return cls(
            desired=status.get("desiredReplicas", 0),
            ready=status.get("readyReplicas", 0),
            least=bounds.get("minReplicas", 0),
            most=bounds.get("maxReplicas", 0),
            scaling="True" if said["status"] == "True" else f"{said['status']}: {said['message']}",
        )


@dataclass(frozen=True)
class Moment:
    """One look; `seconds` since the load began, on the clock of what scales."""

    seconds: float
    load: LoadSample
    replicas: Replicas


@dataclass(frozen=True)
class Scaling:
    """A change of the number that the resource tells of; `seconds` is when that was first read."""

    seconds: float
    before: int
    after: int
    reason: str

    @property
    def is_out(self) -> bool:
        """Whether there are more afterwards."""
        return self.after > self.before


@dataclass
class Series:
    """All looks since the load began, at the time `began`."""

    began: float
    moments: list[Moment] = field(default_factory=list)
    _scalings: dict[tuple[str, int, int], Scaling] = field(default_factory=dict)

    def add(self, now: float, load: LoadSample, resource: Mapping[str, Any]) -> bool:
        """Take note of a look; return whether the replicas are others than before."""
        moment = Moment(now - self.began, load, Replicas.of(resource))
        news = not self.moments or self.moments[-1].replicas != moment.replicas
        self.moments.append(moment)
        # The status keeps the last ten only.
        for record in reversed(resource.get("status", {}).get("scaling", {}).get("history", ())):
            key = (str(record["time"]), int(record["from"]), int(record["to"]))
            self._scalings.setdefault(key, Scaling(moment.seconds, key[1], key[2], str(record["reason"])))
        return news

    @property
    def scalings(self) -> Sequence[Scaling]:
        """The changes of the number, the oldest first."""
        return tuple(self._scalings.values())

    @property
    def is_back(self) -> bool:
        """Whether there are no more than the lower bound again."""
        replicas = self.moments[-1].replicas
        return replicas.desired == replicas.ready == replicas.least

    @property
    def went_out_and_in(self) -> bool:
        """Whether there was a scaling in each direction."""
        return {scaling.is_out for scaling in self.scalings} == {True, False}

    def times(self, axis: Axis) -> list[float]:
        """Return when each look was."""
        return [moment.seconds / axis.unit for moment in self.moments]

    def values(self, of: Callable[[Moment], float]) -> list[float]:
        """Return one value of every look."""
        return [of(moment) for moment in self.moments]


def clock(seconds: float) -> str:
    """Return a time since the load began as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
