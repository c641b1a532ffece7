"""The fleet sweep: one paged ListEndpoints for a whole region instead of a DescribeEndpoint for each resource.

A resource is looked at again only when its endpoint's (status, LastModifiedTime) is not what was last seen, or when its
turn has come to be checked for changes that no list shows: tags, configuration, model.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tgi_operator import metrics
from tgi_operator.api.times import rfc3339_exact
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.client import API
from tgi_operator.backends.sagemaker.seen import state

logger = logging.getLogger(__name__)

PAGE = 100
"""MaxResults of ListEndpoints. Filters save nothing: AWS applies them after it has read a page."""

MAX_PAGES = 200

READS_OF_A_CHECK = 6
"""DescribeEndpoint, DescribeEndpointConfig and DescribeModel, and ListTags for each."""

LONGEST_SWEEP_PAUSE = 60.0


@dataclass(frozen=True)
class Listed:
    """An endpoint as a list shows it."""

    status: str
    last_modified: str


@dataclass
class Tracked:
    """An endpoint that a resource wants to hear of. `seen` is None until it was looked at, and after it vanished."""

    key: Key
    endpoint: str
    seen: Listed | None = None
    seen_at: float = 0.0
    checked_at: float = 0.0
    check: bool = False

    def differs(self, listed: Listed | None) -> bool:
        """Return whether a list shows something new; a LastModifiedTime alone says nothing while AWS is at work."""
        if listed is None or self.seen is None:
            return listed is not self.seen
        if listed.status != self.seen.status:
            return True
        return listed.status not in state.IN_TRANSITION and listed.last_modified != self.seen.last_modified


@dataclass
class Region:
    """What is known of one region's fleet. `listed_at` is when it was, or since when it is to be."""

    tracked: dict[Key, Tracked] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    listed_at: float = 0.0
    checks_saved: float = 0.0
    task: "asyncio.Task[None] | None" = None
    first_sweep: asyncio.Event = field(default_factory=asyncio.Event)

    def age(self) -> float:
        """Return the seconds since it was listed, 0 where nobody follows an endpoint there."""
        return time.monotonic() - self.listed_at if self.tracked else 0.0


class Fleet:
    """Sweeps every region that has a tracked endpoint, and tells `changed` the keys to look at."""

    def __init__(
        self, api: API, changed: Callable[[Key], None], *, interval: float, drift_reads_per_minute: float
    ) -> None:
        self._api = api
        self._changed = changed
        self._interval = interval
        self._checks_per_sweep = drift_reads_per_minute / 60 * interval / READS_OF_A_CHECK
        self._regions: dict[str, Region] = {}

    def track(self, region: str, endpoint: str, key: Key) -> Tracked:
        """Return the record of an endpoint; its region is swept from now on."""
        fleet = self._regions.setdefault(region, Region())
        if not fleet.tracked:
            fleet.listed_at = time.monotonic()
        if fleet.task is None:
            # Asked at each scrape: a sweep that hangs grows old too.
            metrics.SWEEP_AGE_SECONDS.labels(region).set_function(fleet.age)
            fleet.task = asyncio.create_task(self._sweep_for_ever(region, fleet), name=f"sweep-{region}")
        return fleet.tracked.setdefault(key, Tracked(key, endpoint, checked_at=time.monotonic()))

    def tracked(self, region: str, key: Key) -> Tracked | None:
        """Return the record of a resource's endpoint, None where it is not followed."""
        fleet = self._regions.get(region)
        return fleet.tracked.get(key) if fleet else None

    def forget(self, region: str, key: Key) -> None:
        """Stop following a resource's endpoint."""
        if region in self._regions:
            self._regions[region].tracked.pop(key, None)

    async def listed(self, region: str, endpoint: str) -> Listed | None:
        """Return what the last sweep saw of an endpoint; the region's first sweep is waited for."""
        fleet = self._regions[region]
        await fleet.first_sweep.wait()
        return fleet.listed.get(endpoint)

    async def close(self) -> None:
        """Stop sweeping."""
        tasks = [fleet.task for fleet in self._regions.values() if fleet.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep_for_ever(self, region: str, fleet: Region) -> None:
        failures = 0
        while True:
            pause = self._interval
            if fleet.tracked:
                failures = 0 if await self._try_sweep(region, fleet) else failures + 1
                # A tracked resource must not wait for ever for a list that may not be had.
                fleet.first_sweep.set()
                if failures:
                    pause = min(self._interval * 2.0**failures, max(self._interval, LONGEST_SWEEP_PAUSE))
            await asyncio.sleep(pause)

    async def _try_sweep(self, region: str, fleet: Region) -> bool:
        started = time.monotonic()
        try:
            listed = await self._list(region)
        except Exception as error:  # noqa: BLE001 - whatever AWS answers, the next sweep must come
            logger.warning(
                "ListEndpoints in %s failed; endpoints in transition are described instead: %r", region, error
            )
            for tracked in fleet.tracked.values():
                if tracked.seen is None or tracked.seen.status in state.IN_TRANSITION:
                    self._changed(tracked.key)
            return False
        fleet.listed = listed
        fleet.listed_at = time.monotonic()
        for tracked in fleet.tracked.values():
            # What was seen after the sweep began is newer than the list.
            if tracked.seen_at < started and tracked.differs(listed.get(tracked.endpoint)):
                self._changed(tracked.key)
        self._check_some(fleet)
        return True

    async def _list(self, region: str) -> dict[str, Listed]:
        listed: dict[str, Listed] = {}
        request: dict[str, object] = {"MaxResults": PAGE, "SortBy": "Name", "SortOrder": "Ascending"}
        for _ in range(MAX_PAGES):
            page = await self._api.call(region, "ListEndpoints", request)
            for item in page["Endpoints"]:
                listed[item["EndpointName"]] = Listed(item["EndpointStatus"], rfc3339_exact(item["LastModifiedTime"]))
            if not page.get("NextToken"):
                return listed
            request["NextToken"] = page["NextToken"]
        logger.warning("%s has more than %d endpoints; the rest is not seen", region, PAGE * MAX_PAGES)
        return listed

    def _check_some(self, fleet: Region) -> None:
        """Have those looked at whose last full look is the longest ago, as many as the budget allows."""
        settled = (item for item in fleet.tracked.values() if item.seen and item.seen.status not in state.IN_TRANSITION)
        oldest = sorted(settled, key=lambda tracked: tracked.checked_at)
        # What is less than a whole check is saved for the next sweep; what nobody needed is not.
        fleet.checks_saved += self._checks_per_sweep
        checks = int(fleet.checks_saved)
        fleet.checks_saved -= checks
        for tracked in oldest[:checks]:
            tracked.check = True
            self._changed(tracked.key)
