"""How pods are replaced: a new one first if a GPU is free for it, otherwise an old one is deleted first."""

from dataclasses import dataclass
from typing import Any, Self

from tgi_operator.api.incluster import Rollout


@dataclass(frozen=True)
class Strategy:
    """The rolling update of a Deployment."""

    max_surge: int | str
    max_unavailable: int | str

    @property
    def manifest(self) -> dict[str, Any]:
        """The strategy of a DeploymentSpec."""
        rolling = {"maxSurge": self.max_surge, "maxUnavailable": self.max_unavailable}
        return {"type": "RollingUpdate", "rollingUpdate": rolling}

    @property
    def replacement(self) -> str:
        """Its name in the status."""
        return "InPlace" if _is_zero(str(self.max_surge)) else "Surge"

    @classmethod
    def of(cls, deployment: dict[str, Any]) -> Self:
        """Return the strategy of a live Deployment."""
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate") or {}
        return cls(rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%"))


SURGE = Strategy(1, 0)
IN_PLACE = Strategy(0, 1)


def asked(rollout: Rollout | None) -> Strategy | None:
    """Return the strategy of the spec, or None if the spec leaves it to the operator."""
    if rollout is None or (rollout.max_surge is None and rollout.max_unavailable is None):
        return None
    # If one is 0, the other cannot be 0.
    surge = rollout.max_surge or _other(rollout.max_unavailable)
    missing = rollout.max_unavailable or _other(rollout.max_surge)
    return Strategy(count_or_percent(surge), count_or_percent(missing))


def _other(given: str | None) -> str:
    """Return the counterpart of a given value: 0, or 1 if the value is 0."""
    return "1" if given is not None and _is_zero(given) else "0"


def count_or_percent(text: str) -> int | str:
    """Return an IntOrString in the form of Kubernetes."""
    return text if text.endswith("%") else int(text)


def _is_zero(text: str) -> bool:
    return int(text.rstrip("%")) == 0
