"""The sweep of endpoints: one paged ListEndpoints for a scope instead of a DescribeEndpoint for each resource.

A resource is observed again only if the (status, LastModifiedTime) of its endpoint differs from the last observation,
or if a drift check is due. A drift check looks for changes to tags, configuration and model, which no list shows.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from tgi_operator import metrics
from tgi_operator.api.times import rfc3339_exact
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.client import Calls
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Listed
from tgi_operator.backends.sagemaker.sweep.scopes import Sweep, Swept
from tgi_operator.fair_queue import FairQueue

logger = logging.getLogger(__name__)

PAGE = 100
"""MaxResults of ListEndpoints. Filters save nothing: AWS applies them after it has read a page."""

MAX_PAGES = 1000
"""A bound for a list that never ends. Endpoints beyond it are not treated as missing."""

READS_OF_A_CHECK = 6
"""DescribeEndpoint, DescribeEndpointConfig and DescribeModel, and ListTags for each."""

OUTAGE_SWEEPS = 2
OUTAGE_SECONDS = 60.0
"""An outage is this many failed sweeps in a row, and this long without a successful one."""

REPORTS_PER_SECOND = 100
"""Resources queued per second if a change concerns every resource of a scope: each may write its status."""

UNREADABLE = frozenset({Meaning.UNAVAILABLE, Meaning.THROTTLED, Meaning.CREDENTIALS_EXPIRED})
"""AWS gave no answer about this scope. Any other refusal concerns only ListEndpoints."""


@dataclass(frozen=True)
class Listing:
    """The endpoints of a scope by name, as the last successful sweep found them.

    `read_at` is the event loop time when that sweep began. An endpoint that is not in a `complete` listing did not
    exist then. An incomplete listing proves nothing about the endpoints that it lacks. If no sweep has succeeded yet,
    the listing is empty, incomplete and infinitely old.
    """

    endpoints: Mapping[str, Listed] = field(default_factory=dict)
    complete: bool = False
    read_at: float = -math.inf

    def settles(self, endpoint: str) -> bool:
        """Return whether the listing shows that the endpoint exists, or that it does not."""
        return self.complete or endpoint in self.endpoints


@dataclass(frozen=True)
class Outage:
    """AWS cannot be read in a scope: the start of the outage, and the latest error."""

    since: datetime
    meaning: Meaning
    message: str


@dataclass
class Followed:
    """The last observation of the endpoint of a resource.

    `seen` is None if it has not been observed (`seen_at` is then infinitely long ago), and if it does not exist.
    `waits` means that the resource is on hold until the scope is listed. `check` requests the reads of a drift check.
    `turn` is the number of the choice that last chose it. `owned` is the identity of the endpoint whose tags were last
    read and were ours.
    """

    key: Key
    endpoint: str
    seen: Listed | None = None
    seen_at: float = -math.inf
    waits: bool = False
    check: bool = False
    turn: float | None = None
    owned: tuple[str, str] | None = None

    def saw(self, listed: Listed | None, read_at: float | None = None) -> None:
        """Record a read at this event loop time, by default now, unless something newer is known."""
        read_at = asyncio.get_running_loop().time() if read_at is None else read_at
        if read_at >= self.seen_at:
            self.seen, self.seen_at = listed, read_at

    def differs(self, listing: Listing) -> bool:
        """Return whether a listing shows something new."""
        listed = listing.endpoints.get(self.endpoint)
        if self.seen_at >= listing.read_at or not listing.settles(self.endpoint):
            return False
        if listed is None or self.seen is None:
            return listed is not self.seen
        if listed.status != self.seen.status:
            return True
        # A LastModifiedTime alone means nothing while AWS is changing the endpoint.
        return listed.status not in state.IN_TRANSITION and listed.last_modified != self.seen.last_modified

    @property
    def settled(self) -> bool:
        """Whether the endpoint was seen in a state that lasts."""
        return self.seen is not None and self.seen.status not in state.IN_TRANSITION


@dataclass
class SweptEndpoints(Swept[Followed]):
    """The known state of the endpoints of a scope.

    `listing` is None until the first sweep has ended. `listed_at` is the event loop time when a sweep last succeeded,
    or when the scope was first followed. `failures` are sweeps in a row that could not read AWS. `failing_since` is
    when the first of them began. `turns` counts the choices of an endpoint for a drift check, and `namespace_turns` has
    the number of the last one for each namespace. `allowed` is the version of the file of permissions when all
    resources were last reported for it.
    """

    listed_at: float = 0.0
    listing: Listing | None = None
    failures: int = 0
    failing_since: datetime | None = None
    outage: Outage | None = None
    checks_saved: float = 0.0
    turns: int = 0
    namespace_turns: dict[str, float] = field(default_factory=dict)
    reporting: "asyncio.Task[None] | None" = None
    allowed: object = None


class EndpointSweep(Sweep[Followed, SweptEndpoints]):
    """Sweeps every scope in which an endpoint is followed, and reports the resources to observe to `changed`."""

    def __init__(
        self,
        api: Calls,
        changed: Callable[[Key], None],
        *,
        interval: float,
        drift_reads_per_minute: float,
        allowed: Callable[[], object] = lambda: None,
        dropped: Callable[[Scope], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`allowed` returns the version of the file of permissions. When it changes, every resource is reported.

        `dropped` is called with a scope in which nothing is followed anymore.
        """
        super().__init__()
        self._dropped = dropped
        self._api = api
        self._changed = changed
        self._interval = interval
        self._checks_per_sweep = drift_reads_per_minute / 60 * interval / READS_OF_A_CHECK
        self._allowed = allowed
        self._now = now

    def follow(self, scope: Scope, key: Key, endpoint: str) -> Followed:
        """Return the record of a resource's endpoint. Its scope is swept from now on."""
        known = self._followed_in(scope, key)
        if known is not None and known.endpoint == endpoint:
            return known
        return self._follow(scope, Followed(key, endpoint))

    def listing(self, scope: Scope) -> Listing | None:
        """Return the latest listing of a scope, or None before the first answered sweep and while the scope is cut off.

        Callers need not wait for it: a resource whose record `waits` is reported when there is one.
        """
        swept = self._scopes.get(scope)
        return swept.listing if swept is not None and not swept.silent else None

    def outage(self, scope: Scope) -> Outage | None:
        """Return the reason why AWS has not been readable in a scope for a while, or None if it is readable."""
        swept = self._scopes.get(scope)
        return swept.outage if swept else None

    def _begin(self, scope: Scope) -> SweptEndpoints:
        clock = asyncio.get_running_loop().time
        # Computed at each scrape, because the age of a sweep that hangs grows too.
        metrics.SWEEP_AGE_SECONDS.labels(scope.region).set_function(partial(self._age, scope.region, clock))
        return SweptEndpoints(scope, listed_at=clock(), allowed=self._allowed())

    def _end(self, scope: Scope) -> None:
        self._dropped(scope)

    def _age(self, region: str, clock: Callable[[], float]) -> float:
        listed = [swept.listed_at for scope, swept in tuple(self._scopes.items()) if scope.region == region]
        return clock() - min(listed) if listed else 0.0

    async def _sweep_for_ever(self, swept: SweptEndpoints) -> None:
        failed = 0
        while True:
            failed = 0 if await self._sweep(swept) else failed + 1
            if swept.allowed != (allowed := self._allowed()):
                swept.allowed = allowed
                self._report_all(swept)
            await swept.pause(self._interval, failed)

    async def _sweep(self, swept: SweptEndpoints) -> bool:
        """Return whether the scope was listed."""
        began = self._now()
        try:
            listing = await self._list(swept.scope)
        except AWSError as error:
            logger.warning("ListEndpoints in %s failed: %s", swept.scope, error)
            self._failed(swept, error, began)
            return False
        except Exception:
            logger.exception("ListEndpoints in %s failed", swept.scope)
            self._failed(swept, None, began)
            return False
        self._succeeded(swept, listing)
        return True

    async def _list(self, scope: Scope) -> Listing:
        read_at = asyncio.get_running_loop().time()
        endpoints: dict[str, Listed] = {}
        request: dict[str, object] = {"MaxResults": PAGE, "SortBy": "Name", "SortOrder": "Ascending"}
        for _ in range(MAX_PAGES):
            page = await self._api.call(scope, "ListEndpoints", request)
            for item in page["Endpoints"]:
                endpoints[item["EndpointName"]] = Listed(
                    item["EndpointStatus"], rfc3339_exact(item["LastModifiedTime"])
                )
            if not page.get("NextToken"):
                return Listing(endpoints, complete=True, read_at=read_at)
            request["NextToken"] = page["NextToken"]
        logger.warning("%s has more than %d endpoints; the rest are not listed", scope, PAGE * MAX_PAGES)
        return Listing(endpoints, complete=False, read_at=read_at)

    def _succeeded(self, swept: SweptEndpoints, listing: Listing) -> None:
        swept.listing, swept.silent = listing, False
        swept.listed_at = asyncio.get_running_loop().time()
        self._readable(swept)
        for each in swept.followed.values():
            if each.waits or each.differs(listing):
                self._report(each)
        self._choose_checks(swept)

    def _failed(self, swept: SweptEndpoints, error: AWSError | None, began: datetime) -> None:
        awaited = self.listing(swept.scope) is None
        swept.silent = error is not None and error.unanswered
        if error is not None and error.meaning in UNREADABLE:
            swept.listing = swept.listing or Listing()
            self._unreadable(swept, error, began)
        else:
            # Endpoints can be read, so an old list must confirm nothing.
            swept.listing = Listing()
            self._readable(swept)
        if swept.silent or swept.outage is not None:
            # A call for a resource would fail too.
            return
        if awaited:
            # These resources have been waiting for a listing that is not available.
            self._report_all(swept)
        else:
            # Endpoints that no list shows have to be observed: one in transition settles, and a settled one can change.
            for each in swept.followed.values():
                if each.seen is not None and not each.settled:
                    self._changed(each.key)
            if not swept.failures:
                self._choose_checks(swept)

    def _unreadable(self, swept: SweptEndpoints, error: AWSError, began: datetime) -> None:
        swept.failures += 1
        swept.failing_since = swept.failing_since or began
        lasting = asyncio.get_running_loop().time() - swept.listed_at >= OUTAGE_SECONDS
        if swept.outage is not None:
            # Messages with the same meaning vary, which is no reason to write statuses again.
            if swept.outage.meaning is not error.meaning:
                swept.outage = Outage(swept.outage.since, error.meaning, str(error))
        elif swept.failures >= OUTAGE_SWEEPS and lasting:
            swept.outage = Outage(swept.failing_since, error.meaning, str(error))
            logger.warning("The operator cannot read from AWS in %s", swept.scope)
            self._report_all(swept)

    def _readable(self, swept: SweptEndpoints) -> None:
        swept.failures, swept.failing_since = 0, None
        if swept.outage is not None:
            swept.outage = None
            logger.info("The operator can read from AWS in %s again", swept.scope)
            self._report_all(swept)

    def _report_all(self, swept: SweptEndpoints) -> None:
        """Report every resource of a scope, slowly and by namespaces in turns, because each may write its status."""
        if swept.reporting is not None:
            swept.reporting.cancel()
        swept.reporting = self._start(swept, self._report_slowly(swept))

    async def _report_slowly(self, swept: SweptEndpoints) -> None:
        keys: FairQueue[Key] = FairQueue()
        for key in swept.followed:
            keys.add(key.namespace, key)
        while (next_key := keys.take()) is not None:
            if next_key in swept.followed:
                self._report(swept.followed[next_key])
                await asyncio.sleep(1 / REPORTS_PER_SECOND)

    def _report(self, followed: Followed) -> None:
        followed.waits = False
        self._changed(followed.key)

    def _choose_checks(self, swept: SweptEndpoints) -> None:
        """Schedule as many drift checks of endpoints as the budget allows.

        Every other choice is the endpoint that was chosen the longest ago. The choices in between rotate among the
        namespaces, so that endpoints in a small namespace are not checked rarely because another namespace is large.
        """
        # A fraction of a check is saved for the next sweep. A budget that no endpoint needed is not.
        swept.checks_saved += self._checks_per_sweep
        checks = int(swept.checks_saved)
        swept.checks_saved -= checks
        if not checks:
            return
        # An endpoint whose last check, or the repair after it, failed has its own announced attempt.
        settled = [each for each in swept.followed.values() if each.settled and not each.check]
        for each in settled:
            if each.turn is None:
                # A restart loses the turns. With frequent restarts, the order of the list would favor the endpoints at
                # its beginning.
                each.turn = swept.turns - random.uniform(0, len(settled))  # noqa: S311 - not secret
        settled.sort(key=lambda each: each.turn or 0.0)
        by_age, by_namespace = iter(settled), _in_turns(swept, settled)
        chosen: list[Followed] = []
        for _ in range(min(checks, len(settled))):
            each = next(each for each in (by_namespace if swept.turns % 2 else by_age) if not each.check)
            # The turn passes with the choice: a check that always fails takes no turn of the others.
            swept.turns += 1
            each.turn = swept.namespace_turns[each.key.namespace] = swept.turns
            each.check = True
            chosen.append(each)
        for each in chosen:
            self._changed(each.key)


def _in_turns(swept: SweptEndpoints, settled: Iterable[Followed]) -> Iterator[Followed]:
    """Yield endpoints, which are in the order of their turns, by namespaces in turns."""
    lines: dict[str, list[Followed]] = {}
    for each in settled:
        lines.setdefault(each.key.namespace, []).append(each)
    turns = {
        namespace: swept.namespace_turns.get(namespace, swept.turns - random.uniform(0, len(lines)))  # noqa: S311
        for namespace in lines
    }
    swept.namespace_turns = turns
    waiting: FairQueue[Followed] = FairQueue()
    for namespace in sorted(lines, key=lambda each: turns[each]):
        for each in lines[namespace]:
            waiting.add(namespace, each)
    while (chosen := waiting.take()) is not None:
        yield chosen
