"""The SageMaker backend: wiring of observe, decide, apply and remedies for errors."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from tgi_operator.backends.base import Remedy
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Ask, Plan
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker import remedies
from tgi_operator.backends.sagemaker.apply import Applier
from tgi_operator.backends.sagemaker.aws.client import API, SageMakerAPI
from tgi_operator.backends.sagemaker.aws.errors import NOT_FOUND, AWSError
from tgi_operator.backends.sagemaker.aws.gateway import OPERATOR, Gateway
from tgi_operator.backends.sagemaker.aws.operations import Service
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.decide.chain import plan
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.observe import Observer
from tgi_operator.backends.sagemaker.refusals import Refusals
from tgi_operator.backends.sagemaker.sweep.endpoints import EndpointSweep
from tgi_operator.backends.sagemaker.sweep.scalable_targets import ScalableTargetSweep
from tgi_operator.backends.secrets import SecretReader
from tgi_operator.settings import Settings


class SageMakerBackend:
    """Implements backends.base.Backend for `spec.sageMaker`."""

    def __init__(
        self,
        api: API,
        settings: Settings,
        reader: SecretReader,
        changed: Callable[[Key], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._gateway = Gateway(
            api, settings.aws_reads_per_second, settings.aws_writes_per_second, unanswered=self._unanswered
        )
        sweeps = self._gateway.caller(OPERATOR)
        self._refusals = Refusals(settings)
        self._endpoints = EndpointSweep(
            sweeps,
            changed,
            interval=settings.sweep_interval,
            drift_reads_per_minute=settings.aws_drift_reads_per_minute,
            allowed=self._refusals.permissions_version,
            dropped=self._gateway.drop,
            now=now,
        )
        self._scalable_targets = ScalableTargetSweep(sweeps, changed, interval=settings.scaling_sweep_interval, now=now)
        self._observer = Observer(
            self._gateway,
            self._endpoints,
            self._scalable_targets,
            reader,
            self._refusals,
            now,
            require_labels=settings.require_labels == "on",
        )
        self._applier = Applier(self._gateway, self._endpoints)

    @classmethod
    def build(
        cls, settings: Settings, reader: SecretReader, changed: Callable[[Key], None], guard: Callable[[], None]
    ) -> Self:
        """Return the backend on real AWS. It calls `changed` with keys to reconcile, and `guard` before writes."""
        return cls(SageMakerAPI(settings.lane_workers, guard), settings, reader, changed)

    def lane(self, fields: Mapping[str, Any]) -> str:
        """Return the region as the lane: one that hangs delays no other. Unknown regions do not share a lane."""
        region = str(fields.get("sageMaker", {}).get("region", ""))
        return region if self._refusals.region_problem(region) is None else ""

    async def observe(self, key: Key, resource: Resource) -> Situation | None:
        """Return all inputs to the decision, or None until the region has been listed. Raises AWSError."""
        return await self._observer.observe(key, resource)

    def plan(self, situation: Situation) -> Plan[Step]:
        """Return the next steps and the status to show."""
        decision = plan(situation)
        if isinstance(decision, Ask):
            # The observer has read everything that a rule can ask for.
            raise TypeError(f"the rules still ask for {', '.join(sorted(decision.needs))}")
        autoscaling = situation.autoscaling if situation.rendered is not None else None
        return scaling.at_next_event(decision, autoscaling, situation.now)

    async def apply(self, situation: Situation, step: Step) -> None:
        """Make one call. Raises AWSError."""
        await self._applier.apply(situation, step)

    def remedy(self, resource: Resource, situation: Situation | None, error: Exception, failures: int) -> Remedy | None:
        """Return the remedy for an AWSError, or None for any other error."""
        if not isinstance(error, AWSError):
            return None
        followed = self._endpoints.followed(resource.key)
        if followed is not None and (error.meaning in NOT_FOUND or remedies.is_upkeep(situation, error)):
            # An object that the decision relies on is missing, or another user created it: read everything.
            followed.check = True
        return remedies.remedy(resource, situation, error, failures, self._now())

    def forget(self, key: Key) -> None:
        """Stop following the endpoint."""
        self._endpoints.forget(key)
        self._scalable_targets.forget(key)

    async def close(self) -> None:
        """Stop sweeping, and wait for the calls in progress."""
        await self._endpoints.close()
        await self._scalable_targets.close()
        await self._gateway.close()

    def _unanswered(self, scope: Scope, service: Service) -> None:
        sweep = self._endpoints if service is Service.SAGEMAKER else self._scalable_targets
        sweep.suspect(scope)
