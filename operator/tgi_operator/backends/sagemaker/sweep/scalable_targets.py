"""The sweep of Application Auto Scaling: changes by others, and scaling activities that failed.

Few calls cover many endpoints. For 1,000 endpoints, it reads one page of activities every minute, 20 pages of targets
every 5 minutes, and 100 pages of policies every 15 minutes. With schedules, it also reads 40 pages of scheduled actions
every 15 minutes. This is less than 15 calls a minute.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker import scaling_reads
from tgi_operator.backends.sagemaker.aws.client import Calls
from tgi_operator.backends.sagemaker.aws.errors import AWSError
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired.scaling_policies import Scaling
from tgi_operator.backends.sagemaker.seen import scalable_target
from tgi_operator.backends.sagemaker.sweep.scopes import Sweep, Swept

logger = logging.getLogger(__name__)

TARGETS_EVERY = 5
POLICIES_EVERY = 15
"""The number of sweeps between two reads of each kind."""

OUTAGE_SECONDS = 60.0
"""An outage is failed sweeps in a row for this long."""


@dataclass
class FollowedTarget:
    """The scalable target of a resource, whose instance count follows the load.

    `wanted` is the desired registration, or None if the spec no longer requests one. `foreign` are the known policies
    that are not owned by the resource. `check` requests another observation of the registration.
    """

    key: Key
    resource_id: str
    wanted: Scaling | None = None
    foreign: tuple[str, ...] = ()
    check: bool = False


@dataclass
class SweptTargets(Swept[FollowedTarget]):
    """The known state of the scalable targets of a scope.

    `activities` are the latest IDs, or None before the first read. `failures` are failed sweeps in a row, and
    `failing_since` is the event loop time when the first of them ended. `outage` is the error that began an outage,
    while that lasts. `reported` means that every resource was reported for it.
    """

    activities: frozenset[str] | None = None
    sweeps: int = 0
    failures: int = 0
    failing_since: float = 0.0
    outage: AWSError | None = None
    reported: bool = False


class ScalableTargetSweep(Sweep[FollowedTarget, SweptTargets]):
    """Sweeps every scope in which a target is followed, and reports the resources to observe to `changed`.

    Targets are followed by resource: two resources that name one endpoint never affect each other's record.
    """

    def __init__(
        self,
        api: Calls,
        changed: Callable[[Key], None],
        *,
        interval: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self._api = api
        self._changed = changed
        self._interval = interval
        self._now = now

    def follow(self, scope: Scope, key: Key, resource_id: str) -> FollowedTarget:
        """Return the record of a resource's target. Its scope is swept from now on."""
        known = self._followed_in(scope, key)
        if known is not None and known.resource_id == resource_id:
            return known
        return self._follow(scope, FollowedTarget(key, resource_id))

    def outage(self, key: Key) -> AWSError | None:
        """Return why Application Auto Scaling has been unreadable for a resource for a while, or None if it is not.

        If nothing answers, the scope is cut off immediately, and resources are reported only if that lasts.
        """
        scope = self._scope_of.get(key)
        return self._scopes[scope].outage if scope is not None else None

    def _begin(self, scope: Scope) -> SweptTargets:
        return SweptTargets(scope)

    async def _sweep_for_ever(self, swept: SweptTargets) -> None:
        while True:
            await swept.pause(self._interval, swept.failures)
            try:
                await self._sweep(swept)
            except AWSError as error:
                logger.warning(
                    "The operator could not read from Application Auto Scaling in %s: %s", swept.scope, error
                )
                self._failed(swept, error)
            except Exception:
                logger.exception("The operator could not read from Application Auto Scaling in %s", swept.scope)
            else:
                self._succeeded(swept)

    def _failed(self, swept: SweptTargets, error: AWSError) -> None:
        now = asyncio.get_running_loop().time()
        if not swept.failures:
            swept.failing_since = now
        swept.failures += 1
        swept.silent = error.unanswered
        lasting = now - swept.failing_since >= OUTAGE_SECONDS
        if swept.outage is None and (lasting or swept.silent):
            swept.outage = error
        if lasting and not swept.reported:
            swept.reported = True
            self._report_all(swept)

    def _succeeded(self, swept: SweptTargets) -> None:
        swept.failures, swept.silent = 0, False
        if swept.outage is not None:
            swept.outage, swept.reported = None, False
            self._report_all(swept)

    def _report_all(self, swept: SweptTargets) -> None:
        for key in swept.followed:
            self._changed(key)

    async def _sweep(self, swept: SweptTargets) -> None:
        """Read the due parts, and report resources whose target changed since the last observation. Raises AWSError."""
        swept.sweeps += 1
        known = swept.activities
        swept.activities, failed = await scaling_reads.failed_since(self._api, swept.scope, known or frozenset())
        if known is not None:
            for each in swept.followed.values():
                if each.resource_id in failed:
                    self._report(each)
        if swept.sweeps % TARGETS_EVERY == 0:
            targets = await scaling_reads.all_targets(self._api, swept.scope)
            now = self._now()
            await self._compare(
                swept, lambda each, wanted: scalable_target.has_bounds(wanted, targets.get(each.resource_id), now)
            )
        if swept.sweeps % POLICIES_EVERY == 0:
            policies = await scaling_reads.all_policies(self._api, swept.scope)
            await self._compare(swept, lambda each, wanted: _fit(policies.get(each.resource_id, {}), each, wanted))
            if any(each.wanted is not None and each.wanted.actions for each in swept.followed.values()):
                actions = await scaling_reads.all_actions(self._api, swept.scope)
                await self._compare(
                    swept,
                    lambda each, wanted: scalable_target.fits(wanted.actions, actions.get(each.resource_id, {})),
                )

    async def _compare(self, swept: SweptTargets, fits: Callable[[FollowedTarget, Scaling], bool]) -> None:
        for each in tuple(swept.followed.values()):
            # Computing the bounds in effect takes milliseconds for each target, so the loop continues in between.
            await asyncio.sleep(0)
            if each.wanted is not None and not fits(each, each.wanted):
                self._report(each)

    def _report(self, target: FollowedTarget) -> None:
        target.check = True
        self._changed(target.key)


def _fit(policies: Mapping[str, Mapping[str, Any]], known: FollowedTarget, wanted: Scaling) -> bool:
    return scalable_target.fits(wanted.policies, policies) and scalable_target.foreign(policies) == known.foreign
