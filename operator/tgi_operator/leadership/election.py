"""The Lease in the cluster, which is acquired, renewed and released. If it is lost, the process ends."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp

from tgi_operator import metrics
from tgi_operator.kube import APIError
from tgi_operator.leadership import lease
from tgi_operator.leadership.candidate import Candidate, Terms
from tgi_operator.leadership.clocks import Clock, Moment, now
from tgi_operator.leadership.fence import Fence

logger = logging.getLogger(__name__)

_FAILURES = (APIError, aiohttp.ClientError, TimeoutError)
_CONFLICT = 409


class Leases(Protocol):
    """The election's interface to the API server. Its writes are not guarded, because they open the fence."""

    async def get(self, path: str) -> dict[str, Any] | None:
        """Return an object, or None if it does not exist."""

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the object created in a collection."""

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the object after replacing it, if it still has the resourceVersion in `body`."""

    async def close(self) -> None:
        """Close the connections."""


class Election:
    """Implements leadership.standing.Standing with a Lease.

    `lost` ends the process and does not return. A softer end is not possible: connections and threads that wait for an
    answer would outlive the Lease.
    """

    def __init__(
        self,
        api: Leases,
        namespace: str,
        identity: str,
        terms: Terms,
        lost: Callable[[], None],
        clock: Clock = now,
    ) -> None:
        self._api = api
        self._collection = lease.collection(namespace)
        self._path = f"{self._collection}/{lease.NAME}"
        self._identity = identity
        self._terms = terms
        self._lost = lost
        self._clock = clock
        self._fence = Fence(terms.renew_deadline, clock)
        self._candidate = Candidate(identity, terms, self._fence, clock)
        self._known: dict[str, Any] | None = None
        self._heard: Moment | None = None
        self._renewing: asyncio.Task[None] | None = None

    @property
    def leads(self) -> bool:
        """Whether the Lease was acquired."""
        return self._renewing is not None

    @property
    def is_ready(self) -> bool:
        """Whether the Lease was readable recently."""
        return self._heard is not None and self._heard.surely_until(self._clock()) < self._terms.lease_duration

    def check(self) -> None:
        """Raise NotLeadingError unless the Lease was acquired, and renewed in time."""
        self._fence.check()

    async def win(self) -> None:
        """Wait until this process has the Lease, and keep it from then on."""
        metrics.LEADER.set(0)
        holder = ""
        while not self._fence.remaining:
            pause = self._terms.retry_period * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the candidates' requests
            try:
                await self._bid()
            except _FAILURES as error:
                if not (isinstance(error, APIError) and error.status == _CONFLICT):
                    logger.warning("The Lease could not be acquired: %s", error or type(error).__name__)
            if self._candidate.rival not in ("", holder):
                holder = self._candidate.rival
                logger.info("On standby: %s is the leader", holder)
            await asyncio.sleep(0 if self._fence.remaining else min(pause, self._candidate.pause() or pause))
        logger.info("This process (%s) is the leader", self._identity)
        metrics.LEADER.set(1)
        self._renewing = asyncio.create_task(self._keep(), name="lease")

    async def resign(self) -> None:
        """Release the Lease, so that the next leader need not wait for its expiry. All writes must have ended."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        # Even if the acquisition was not observed: an interrupted request may have taken effect.
        await self._release()
        await self._api.close()

    async def _release(self) -> None:
        released = self._candidate.release()
        try:
            async with asyncio.timeout(self._terms.retry_period):
                known = self._known or await self._api.get(self._path)
                if known is not None and lease.record(known).holder == self._identity:
                    await self._api.replace(self._path, lease.body(released, known))
                    logger.info("The Lease was released")
        except _FAILURES as error:
            logger.warning("The Lease could not be released and must expire: %s", error or type(error).__name__)

    async def _keep(self) -> None:
        try:
            while await self._renew():
                pass
        except Exception:
            logger.exception("The Lease cannot be renewed")
        self._fence.close()
        metrics.LEADER.set(0)
        self._lost()

    async def _renew(self) -> bool:
        """Renew once. Return whether the process still holds the Lease."""
        await asyncio.sleep(min(self._terms.retry_period, self._fence.remaining))
        # The process slept too long: it sends no request, because another process may already be the leader.
        if not self._fence.remaining:
            logger.error("The Lease has not been renewed for %g seconds", self._terms.renew_deadline)
            return False
        try:
            await self._bid()
        except _FAILURES as error:
            logger.warning("The Lease could not be renewed: %s", error or type(error).__name__)
        if self._candidate.rival:
            logger.error("The Lease was taken by %s", self._candidate.rival)
            return False
        return True

    async def _bid(self) -> None:
        """Acquire the Lease if it is available. Raises APIError, aiohttp.ClientError, TimeoutError."""
        # Half of the deadline, so that a dead connection leaves time for another one.
        seconds = self._terms.renew_deadline / 2
        async with asyncio.timeout(min(seconds, self._fence.remaining or seconds)):
            # After a failure, it is unknown whether the Lease was written, so it is read again.
            known, self._known = self._known, None
            if known is None:
                known = await self._api.get(self._path)
                self._candidate.see(lease.record(known) if known is not None else None)
                self._heard = self._clock()
            if self._candidate.pause():
                return
            sent, claim = self._clock(), self._candidate.claim()
            made = lease.body(claim, known)
            if known is None:
                self._known = await self._api.create(self._collection, made)
            else:
                self._known = await self._api.replace(self._path, made)
            self._candidate.won(claim, sent)
