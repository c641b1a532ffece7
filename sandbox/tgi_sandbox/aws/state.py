"""The resources of the emulator: models, configurations, endpoints and tags, separate for each account and region."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tgi_sandbox.aws import errors, lifecycle
from tgi_sandbox.aws.arns import sagemaker_arn
from tgi_sandbox.aws.autoscaling.targets import Scaling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tgi_sandbox.aws.lifecycle import Endpoint

DEFAULT_INSTANCE_QUOTA = 100_000


@dataclass(frozen=True, slots=True)
class Model:
    """A SageMaker model; `body` is the CreateModel request without tags, with defaults filled in."""

    name: str
    arn: str
    created: float
    visible_at: float
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """A SageMaker endpoint configuration; `body` is the request without tags, with defaults filled in."""

    name: str
    arn: str
    created: float
    visible_at: float
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """A change that AWS allows and its documentation forbids."""

    kind: str
    resource: str
    used_by: str
    time: float


@dataclass
class Region:
    """SageMaker in one account and region.

    Names are looked up without regard to case (assumed for models and configurations, documented for endpoints).
    """

    account: str
    region: str
    on_change: Callable[[str, Endpoint | None], None]
    models: dict[str, Model] = field(default_factory=dict)
    configs: dict[str, EndpointConfig] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    instances: Counter[str] = field(default_factory=Counter)
    scaling: Scaling = field(default_factory=Scaling)
    _due: list[tuple[float, str]] = field(default_factory=list)

    def arn(self, resource: str, name: str) -> str:
        """Return the ARN that a resource of this region has, whether or not it exists."""
        return sagemaker_arn(self.region, self.account, resource, name)

    def model(self, name: str, visible_at: float | None = None) -> Model:
        """Return the model; raises AwsError if there is none, or none that is visible yet."""
        found = self.models.get(name.lower())
        if found is None or (visible_at is not None and visible_at < found.visible_at):
            raise errors.not_found("model", self.arn("model", name))
        return found

    def config(self, name: str, visible_at: float | None = None) -> EndpointConfig:
        """Return the endpoint configuration; raises AwsError if there is none, or none that is visible yet."""
        found = self.configs.get(name.lower())
        if found is None or (visible_at is not None and visible_at < found.visible_at):
            raise errors.not_found("endpoint configuration", self.arn("endpoint-config", name))
        return found

    def endpoint(self, name: str) -> Endpoint:
        """Return the endpoint; raises AwsError if there is none."""
        found = self.endpoints.get(name.lower())
        if found is None:
            raise errors.not_found("endpoint", self.arn("endpoint", name))
        return found

    def put(self, endpoint: Endpoint) -> None:
        """Add or replace an endpoint."""
        key = endpoint.name.lower()
        former = self.endpoints.get(key)
        if former is not None:
            self.instances.subtract(former.instances())
        self.instances.update(endpoint.instances())
        self.endpoints[key] = endpoint
        self.scaling.woken.add(key)
        if endpoint.steps:
            heapq.heappush(self._due, (endpoint.steps[0].at, key))
        self.on_change(endpoint.arn, endpoint)

    @property
    def next_step(self) -> float | None:
        """Return when the next step of any endpoint is due, None if there is none."""
        return self._due[0][0] if self._due else None

    def settle(self, now: float) -> None:
        """Bring every endpoint to its state at `now`, regardless of scaling."""
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            endpoint = self.endpoints.get(key)
            if endpoint is None:
                continue
            settled = lifecycle.settle(endpoint, now)
            if settled is None:
                self._remove(key, endpoint)
            elif settled is not endpoint:
                self.put(settled)

    def _remove(self, key: str, endpoint: Endpoint) -> None:
        del self.endpoints[key]
        self.scaling.drop(endpoint.name, self.scaling.settled)
        self.scaling.woken.add(key)
        self.tags.pop(endpoint.arn, None)
        self.instances.subtract(endpoint.instances())
        self.on_change(endpoint.arn, None)
