"""The whole state of the emulator: clock, resources, scripts, faults and the journal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tgi_sandbox.aws.arns import partition
from tgi_sandbox.aws.autoscaling import engine
from tgi_sandbox.aws.autoscaling.metrics import Metrics, Pretended
from tgi_sandbox.aws.autoscaling.targets import Scaling
from tgi_sandbox.aws.faults import Faults
from tgi_sandbox.aws.journal import Journal
from tgi_sandbox.aws.lifecycle import Durations
from tgi_sandbox.aws.outages import Outages
from tgi_sandbox.aws.outcomes import Scripts
from tgi_sandbox.aws.state import DEFAULT_INSTANCE_QUOTA, Region, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tgi_sandbox.aws.clock import Clock
    from tgi_sandbox.aws.iam import Policy
    from tgi_sandbox.aws.identity import Identity
    from tgi_sandbox.aws.lifecycle import Endpoint

DEFAULT_TARGETS_QUOTA = 500
"""The limit of scalable targets in an account and region (Application Auto Scaling quotas)."""


class Iam(Protocol):
    """The requests of the emulator's services to IAM."""

    def policy_of(self, access_key: str) -> Policy | None:
        """Return what the role of a key's session can do; None for other keys. Raises ValueError as iam.read."""

    def caller(self, access_key: str) -> str | None:
        """Return the ARN of the session that a key belongs to; None for other keys."""

    def may_be_assumed(self, role_arn: str, service: str) -> bool:
        """Whether a role exists and trusts a service. In an account without any created role, every role does."""

    def session_keys(self) -> frozenset[str]:
        """Return the access keys of every session that STS has issued."""


class NoIam:
    """IAM before its first request."""

    def policy_of(self, _access_key: str) -> Policy | None:
        """No key belongs to a role."""
        return None

    def caller(self, _access_key: str) -> str | None:
        """No key belongs to a session."""
        return None

    def may_be_assumed(self, _role_arn: str, _service: str) -> bool:
        """Every role is trusted."""
        return True

    def session_keys(self) -> frozenset[str]:
        """STS has issued no session."""
        return frozenset()


@dataclass
class World:
    """The whole state of the emulator; `reset` empties it."""

    clock: Clock
    durations: Durations = field(default_factory=Durations)
    initial_durations: Durations = field(default_factory=Durations)
    consistency_delay: float = 0.0
    scalable_targets_quota: int = DEFAULT_TARGETS_QUOTA
    concurrent_update_seconds: float = 0.0
    quotas: dict[str, int] = field(default_factory=dict)
    pretended: Pretended = field(default_factory=Pretended)
    scripts: Scripts = field(default_factory=Scripts)
    faults: Faults = field(default_factory=Faults)
    outages: Outages = field(default_factory=Outages)
    unreadable_model_data: tuple[str, ...] = ()
    """Prefixes of S3 URLs that no execution role can read."""
    missing_images: tuple[str, ...] = ()
    """Prefixes of images that ECR does not have."""
    journal: Journal = field(default_factory=Journal)
    violations: list[Violation] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)
    regions: dict[tuple[str, str], Region] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    iam: Iam = field(default_factory=NoIam)
    allowed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    observers: list[Callable[[str, Endpoint | None], None]] = field(default_factory=list)
    _expired_sessions: frozenset[str] | None = None

    def region(self, account: str, region: str) -> Region:
        """Return SageMaker in an account and region, brought to the present."""
        found = self.regions.get((account, region))
        if found is None:
            found = self.regions[account, region] = Region(
                account, region, self._changed, scaling=Scaling(Metrics(self.pretended))
            )
        engine.settle(self, found, self.clock.now())
        return found

    def settled(self) -> list[Region]:
        """Return every region in use, brought to the present."""
        now = self.clock.now()
        for region in self.regions.values():
            engine.settle(self, region, now)
        return list(self.regions.values())

    def load(self, endpoint: str, **requests: float | None) -> None:
        """Simulate load of the endpoints with a name from now on, beside the real load; None ends it.

        `concurrentRequests` counts requests in flight, `invocationsPerMinute` arrivals. Raises ValueError for others.
        """
        self.settled()
        load, now = self.pretended.load(endpoint), self.clock.now()
        timelines = {"concurrentRequests": load.concurrent, "invocationsPerMinute": load.per_minute}
        for kind, number in requests.items():
            if kind not in timelines or (number is not None and number < 0):
                raise ValueError(f"no load {kind}={number}; known: {', '.join(timelines)}")
            timelines[kind].set(now, number)

    def metric(self, namespace: str, name: str, value: float | None, dimensions: Mapping[str, str]) -> None:
        """From now on, give a metric of CloudWatch a value in every region; None: no data."""
        self.settled()
        self.pretended.metric(namespace, name, dimensions).set(self.clock.now(), value)

    def quota(self, instance_type: str) -> int:
        """Return how many instances of a type an account can run in a region."""
        return self.quotas.get(instance_type, DEFAULT_INSTANCE_QUOTA)

    def policy(self, access_key: str) -> Policy | None:
        """Return what an access key can do; None: everything. Raises ValueError for an unsupported policy."""
        return self.policies.get(access_key) or self.iam.policy_of(access_key)

    def expire_credentials(self) -> None:
        """Let every access key expire; a session that STS issues later is valid."""
        self._expired_sessions = self.iam.session_keys()

    def renew_credentials(self) -> None:
        """Make every access key valid again."""
        self._expired_sessions = None

    @property
    def has_expired_credentials(self) -> bool:
        """Whether access keys are expired."""
        return self._expired_sessions is not None

    def is_expired(self, access_key: str) -> bool:
        """Return whether an access key is expired."""
        if self._expired_sessions is None:
            return False
        return access_key not in self.iam.session_keys() - self._expired_sessions

    def user(self, identity: Identity) -> str:
        """Return the ARN of the caller, as errors name it."""
        session = f"arn:{partition(identity.region)}:sts::{identity.account}:assumed-role/sandbox/session"
        return self.iam.caller(identity.access_key) or session

    def log(self, arn: str, line: str) -> None:
        """Keep a log line of a container."""
        self.logs.setdefault(arn, []).append(line)

    def reset(self) -> None:
        """Reset everything except the time."""
        for region in self.regions.values():
            for endpoint in region.endpoints.values():
                self._changed(endpoint.arn, None)
        self.regions.clear()
        self.scripts.clear()
        self.faults = Faults()
        self.outages.clear()
        self.unreadable_model_data = ()
        self.missing_images = ()
        self.renew_credentials()
        self.journal.clear()
        self.violations.clear()
        self.policies.clear()
        self.allowed.clear()
        self.pretended = Pretended()
        self.logs.clear()
        self.quotas.clear()
        self.durations = self.initial_durations
        self.consistency_delay = 0.0
        self.scalable_targets_quota = DEFAULT_TARGETS_QUOTA
        self.concurrent_update_seconds = 0.0

    def _changed(self, arn: str, endpoint: Endpoint | None) -> None:
        for observer in self.observers:
            observer(arn, endpoint)
