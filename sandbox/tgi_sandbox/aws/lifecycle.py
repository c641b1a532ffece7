"""The endpoint life cycle as a pure state machine: records and virtual time in, records out.

An endpoint holds its future steps, each with its time. Nothing runs in the background: `settle` applies the steps that
are due. Statuses are those of DescribeEndpoint; the transitions are those of the SageMaker developer guide
("Deployment guardrails") and the EndpointStatus notes of the API reference.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Status(StrEnum):
    """EndpointStatus."""

    CREATING = "Creating"
    IN_SERVICE = "InService"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    DELETING = "Deleting"
    FAILED = "Failed"
    OUT_OF_SERVICE = "OutOfService"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"


IN_PROGRESS: Final = frozenset(
    {Status.CREATING, Status.UPDATING, Status.SYSTEM_UPDATING, Status.ROLLING_BACK, Status.DELETING}
)
"""Statuses in which an endpoint can be neither changed nor deleted."""


class Outcome(StrEnum):
    """How a change of an endpoint ends, or that it is refused."""

    OK = "ok"
    PING_FAILURE = "ping_failure"
    CANNOT_START = "cannot_start"
    NO_CAPACITY = "no_capacity"
    QUOTA = "quota"
    ROLLBACK = "rollback"
    ROLLBACK_FAILED = "rollback_failed"
    INTERNAL_ERROR = "internal_error"


_FAILURE_REASONS: Final = {
    Outcome.PING_FAILURE: (
        "The primary container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    ),
    Outcome.CANNOT_START: (
        "CannotStartContainerError. Please ensure the model container for variant {variant} starts correctly when "
        "invoked with 'docker run <image> serve'"
    ),
    Outcome.NO_CAPACITY: (
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry "
        "using a different ML instance type or after some time. Consider configuring InstancePools in your "
        "EndpointConfig with multiple instance types for priority-based fallback to improve capacity availability."
    ),
    Outcome.INTERNAL_ERROR: "Request to service failed. If failure persists after retry, contact customer support.",
    # assumed: the texts of an alarm rollback and of a rollback that fails are not public.
    Outcome.ROLLBACK: "Deployment of variant {variant} was rolled back: one or more configured alarms were breached.",
    Outcome.ROLLBACK_FAILED: "Deployment of variant {variant} failed and could not be rolled back automatically.",
}


def failure_reason(outcome: Outcome, variant: str) -> str:
    """Return the FailureReason of an outcome other than `ok` and `quota`."""
    return _FAILURE_REASONS[outcome].replace("{variant}", variant)


@dataclass(frozen=True, slots=True)
class Durations:
    """The virtual seconds of each kind of change; failures are as slow as observed on real endpoints."""

    create: float = 240
    update: float = 240
    scale: float = 240
    delete: float = 60
    system_update: float = 300
    rollback: float = 120
    ping_failure: float = 1470
    cannot_start: float = 360
    no_capacity: float = 1320
    internal_error: float = 240

    def of(self, outcome: Outcome, otherwise: float) -> float:
        """Return how long a change takes to reach an outcome, if success takes `otherwise` seconds."""
        slow = {
            Outcome.PING_FAILURE: self.ping_failure,
            Outcome.CANNOT_START: self.cannot_start,
            Outcome.NO_CAPACITY: self.no_capacity,
            Outcome.INTERNAL_ERROR: self.internal_error,
        }
        return slow.get(outcome, otherwise)

    def changed(self, values: Mapping[str, float]) -> Durations:
        """Return a copy with some durations replaced; raises ValueError for unknown names or negative values."""
        known = {field.name for field in fields(self)}
        for name, seconds in values.items():
            if name not in known or seconds < 0:
                raise ValueError(f"no duration {name}={seconds}; known: {', '.join(sorted(known))}")
        return replace(self, **values)


@dataclass(frozen=True, slots=True)
class Variant:
    """One production variant: its configured values and its running instances."""

    name: str
    config: Mapping[str, Any]
    model: str | None
    container: Mapping[str, Any]
    image_digest: str
    instance_type: str | None
    current_count: int
    desired_count: int
    current_weight: float
    desired_weight: float

    def at_desired(self) -> Variant:
        """Return the variant after scaling has succeeded."""
        return replace(self, current_count=self.desired_count, current_weight=self.desired_weight)

    def at_current(self) -> Variant:
        """Return the variant after scaling has been given up."""
        return replace(self, desired_count=self.current_count, desired_weight=self.current_weight)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A configuration in deployment to an endpoint (PendingDeploymentSummary)."""

    config: str
    variants: tuple[Variant, ...]
    started: float
    settings: Mapping[str, Any] | None = None


class Effect(Enum):
    """The effect of a step on the current deployment."""

    KEEP = "keep"
    ADOPT = "adopt"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Step:
    """A status change of an endpoint at a time; None means that the endpoint is deleted."""

    at: float
    status: Status | None
    effect: Effect = Effect.KEEP
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as of the last step applied.

    `forced` is a status that the control API lets it show instead of its real one, until it is changed or deleted.
    """

    name: str
    arn: str
    config: str
    status: Status
    created: float
    modified: float
    variants: tuple[Variant, ...] = ()
    failure_reason: str | None = None
    pending: Deployment | None = None
    last_deployment_settings: Mapping[str, Any] | None = None
    steps: tuple[Step, ...] = ()
    forced: str | None = None

    @property
    def shown_status(self) -> str:
        """The EndpointStatus that callers see."""
        return self.status if self.forced is None else self.forced

    @property
    def in_progress(self) -> bool:
        """Whether the endpoint refuses every change; assumed: an unknown status refuses none."""
        return self.shown_status in IN_PROGRESS

    def instances(self) -> dict[str, int]:
        """Return the instances that count against the quota: running ones, and those that a change launches."""
        counted: dict[str, int] = {}
        pending = self.pending.variants if self.pending else ()
        for variant in (*self.variants, *pending):
            if variant.instance_type:
                wanted = max(variant.current_count, variant.desired_count)
                counted[variant.instance_type] = counted.get(variant.instance_type, 0) + wanted
        return counted


def create(
    name: str, arn: str, deployment: Deployment, outcome: Outcome, seconds: float, failed_variant: str
) -> Endpoint:
    """Return a new endpoint that ends InService or Failed after `seconds`."""
    now = deployment.started
    if outcome is Outcome.OK:
        end = Step(now + seconds, Status.IN_SERVICE, Effect.ADOPT)
    else:
        end = Step(now + seconds, Status.FAILED, Effect.ABANDON, failure_reason(outcome, failed_variant))
    return Endpoint(name, arn, deployment.config, Status.CREATING, now, now, pending=deployment, steps=(end,))


def update(
    endpoint: Endpoint, deployment: Deployment, outcome: Outcome, seconds: float, failed_variant: str
) -> Endpoint:
    """UpdateEndpoint: the old configuration stays until success; a failed update returns to it with a FailureReason."""
    now = deployment.started
    if outcome is Outcome.OK:
        end = Step(now + seconds, Status.IN_SERVICE, Effect.ADOPT)
    else:
        status = Status.UPDATE_ROLLBACK_FAILED if outcome is Outcome.ROLLBACK_FAILED else Status.IN_SERVICE
        end = Step(now + seconds, status, Effect.ABANDON, failure_reason(outcome, failed_variant))
    return _changed(endpoint, Status.UPDATING, now, (end,), pending=deployment)


def scale(
    endpoint: Endpoint, variants: tuple[Variant, ...], outcome: Outcome, now: float, seconds: float, rollback: float
) -> Endpoint:
    """UpdateEndpointWeightsAndCapacities: Updating, and on failure RollingBack to the former counts."""
    if outcome is Outcome.OK:
        steps: tuple[Step, ...] = (Step(now + seconds, Status.IN_SERVICE, Effect.ADOPT),)
    else:
        reason = failure_reason(outcome, variants[0].name)
        steps = (
            Step(now + seconds, Status.ROLLING_BACK),
            Step(now + seconds + rollback, Status.IN_SERVICE, Effect.ABANDON, reason),
        )
    return _changed(endpoint, Status.UPDATING, now, steps, variants=variants)


def system_update(endpoint: Endpoint, now: float, seconds: float) -> Endpoint:
    """SystemUpdating: AWS maintains the endpoint; none of the customer's values change."""
    back = Step(now + seconds, endpoint.status)
    return _changed(endpoint, Status.SYSTEM_UPDATING, now, (back,))


def delete(endpoint: Endpoint, now: float, seconds: float) -> Endpoint:
    """DeleteEndpoint: Deleting, then deleted."""
    return _changed(endpoint, Status.DELETING, now, (Step(now + seconds, None),))


def force(endpoint: Endpoint, status: str | None, now: float) -> Endpoint:
    """Let an endpoint show any EndpointStatus, also one that the API does not define; None: its real one again."""
    return replace(endpoint, forced=status, modified=now)


def _changed(endpoint: Endpoint, status: Status, now: float, steps: tuple[Step, ...], **fields: Any) -> Endpoint:
    return replace(endpoint, status=status, modified=now, steps=steps, forced=None, **fields)


def settle(endpoint: Endpoint, now: float) -> Endpoint | None:
    """Return the endpoint with every step due at `now` applied; None once it is deleted."""
    current = endpoint
    while current.steps and current.steps[0].at <= now:
        step = current.steps[0]
        if step.status is None:
            return None
        current = _apply(current, step, step.status)
    return current


def _apply(endpoint: Endpoint, step: Step, status: Status) -> Endpoint:
    stepped = replace(endpoint, status=status, modified=step.at, steps=endpoint.steps[1:])
    if step.effect is Effect.ADOPT:
        return _adopt(stepped)
    if step.effect is Effect.ABANDON:
        variants = _each_at_current(stepped.variants)
        return replace(stepped, pending=None, variants=variants, failure_reason=step.reason)
    return stepped


def _adopt(endpoint: Endpoint) -> Endpoint:
    deployment = endpoint.pending
    if deployment is None:
        variants = tuple(variant.at_desired() for variant in endpoint.variants)
        return replace(endpoint, variants=variants, failure_reason=None)
    return replace(
        endpoint,
        config=deployment.config,
        variants=tuple(variant.at_desired() for variant in deployment.variants),
        pending=None,
        failure_reason=None,
        last_deployment_settings=deployment.settings or endpoint.last_deployment_settings,
    )


def _each_at_current(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    return tuple(variant.at_current() for variant in variants)
