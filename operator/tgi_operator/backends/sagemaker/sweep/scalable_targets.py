"""The sweep of Application Auto Scaling: what was changed there by others, and scalings that failed.

Few calls for many endpoints. With 1,000 of them, each minute one page of activities, every fifth minute 20 pages of
targets, every quarter of an hour 100 of policies and, where there are schedules, 40 of scheduled actions: less than 15
calls a minute.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker import scaling_reads
from tgi_operator.backends.sagemaker.aws.client import API
from tgi_operator.backends.sagemaker.aws.errors import AWSError
from tgi_operator.backends.sagemaker.desired.scaling_policies import Scaling
from tgi_operator.backends.sagemaker.seen import scalable_target

logger = logging.getLogger(__name__)

TARGETS_EVERY = 5
POLICIES_EVERY = 15
"""Every so many sweeps these are read."""

LONGEST_PAUSES = 16
"""After failures a sweep waits for up to so many intervals."""


@dataclass
class Tracked:
    """An endpoint whose number of instances follows the load.

    `wanted` is what should be registered, None where that has been taken out of the spec; `foreign` are the policies of
    others that are known.
    """

    key: Key
    wanted: Scaling | None = None
    foreign: tuple[str, ...] = ()
    check: bool = False


@dataclass
class Region:
    """What is known of one region's scalable targets, by ResourceId."""

    tracked: dict[str, Tracked] = field(default_factory=dict)
    activities: frozenset[str] | None = None
    sweeps: int = 0
    task: "asyncio.Task[None] | None" = None


class ScalingFleet:
    """Sweeps every region that has a tracked endpoint, and tells `changed` the keys to look at."""

    def __init__(
        self,
        api: API,
        changed: Callable[[Key], None],
        *,
        interval: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._changed = changed
        self._interval = interval
        self._now = now
        self._regions: dict[str, Region] = {}

    def track(self, region: str, resource_id: str, key: Key) -> Tracked:
        """Return the record of an endpoint; its region is swept from now on."""
        fleet = self._regions.setdefault(region, Region())
        if fleet.task is None:
            fleet.task = asyncio.create_task(self._sweep_for_ever(region, fleet), name=f"scaling-{region}")
        return fleet.tracked.setdefault(resource_id, Tracked(key))

    def tracked(self, region: str, resource_id: str) -> Tracked | None:
        """Return the record of an endpoint, None where it is not followed."""
        fleet = self._regions.get(region)
        return fleet.tracked.get(resource_id) if fleet else None

    def forget(self, region: str, resource_id: str) -> None:
        """Stop following an endpoint."""
        if region in self._regions:
            self._regions[region].tracked.pop(resource_id, None)

    async def close(self) -> None:
        """Stop sweeping."""
        tasks = [fleet.task for fleet in self._regions.values() if fleet.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep_for_ever(self, region: str, fleet: Region) -> None:
        failures = 0
        while True:
            await asyncio.sleep(self._interval * min(2**failures, LONGEST_PAUSES))
            if not fleet.tracked:
                continue
            try:
                await self.sweep(region, fleet)
            except AWSError as error:
                failures += 1
                logger.warning("Application Auto Scaling in %s was not read: %s", region, error)
            except Exception:
                failures += 1
                logger.exception("Application Auto Scaling in %s was not read", region)
            else:
                failures = 0

    async def sweep(self, region: str, fleet: Region) -> None:
        """Read what is due, and have those looked at that are not as they were seen last. Raises AWSError."""
        fleet.sweeps += 1
        known = fleet.activities
        fleet.activities, failed = await scaling_reads.failed_since(self._api, region, known or frozenset())
        if known is not None:
            for resource_id in failed & fleet.tracked.keys():
                self._look_at(fleet.tracked[resource_id])
        if fleet.sweeps % TARGETS_EVERY == 0:
            targets = await scaling_reads.all_targets(self._api, region)
            now = self._now()
            self._compare(fleet, lambda name, _, wanted: scalable_target.has_bounds(wanted, targets.get(name), now))
        if fleet.sweeps % POLICIES_EVERY == 0:
            policies = await scaling_reads.all_policies(self._api, region)
            self._compare(fleet, lambda name, known, wanted: _fit(policies.get(name, {}), known, wanted))
            if any(each.wanted is not None and each.wanted.actions for each in fleet.tracked.values()):
                actions = await scaling_reads.all_actions(self._api, region)
                self._compare(
                    fleet, lambda name, _, wanted: scalable_target.fits(wanted.actions, actions.get(name, {}))
                )

    def _compare(self, fleet: Region, fits: Callable[[str, Tracked, Scaling], bool]) -> None:
        for resource_id, tracked in fleet.tracked.items():
            if tracked.wanted is not None and not fits(resource_id, tracked, tracked.wanted):
                self._look_at(tracked)

    def _look_at(self, tracked: Tracked) -> None:
        tracked.check = True
        self._changed(tracked.key)


def _fit(policies: Mapping[str, Mapping[str, Any]], known: Tracked, wanted: Scaling) -> bool:
    return scalable_target.fits(wanted.policies, policies) and scalable_target.foreign(policies) == known.foreign
