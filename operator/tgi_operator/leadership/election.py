"""The Lease in the cluster: taken, renewed, released, or lost, and then this process ends."""

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
    """What the election needs of the API server. Its writes are not guarded: they are what opens the fence."""

    async def get(self, path: str) -> dict[str, Any] | None:
        """Return an object, None where there is none."""

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the object made in a collection."""

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the object after it was replaced, if it still is at the resourceVersion in `body`."""

    async def close(self) -> None:
        """Close the connections."""


class Election:
    """Implements leadership.standing.Standing by a Lease.

    `lost` ends the process and does not return. Nothing gentler will do: connections and threads that wait for an
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
        """Whether the Lease was won."""
        return self._renewing is not None

    @property
    def is_ready(self) -> bool:
        """Whether the Lease could be read of late."""
        return self._heard is not None and self._heard.surely_until(self._clock()) < self._terms.lease_duration

    def check(self) -> None:
        """Raise NotLeadingError unless the Lease was won, and renewed in time."""
        self._fence.check()

    async def win(self) -> None:
        """Wait until the Lease is this process', and keep it from then on."""
        metrics.LEADER.set(0)
        holder = ""
        while not self._fence.remaining:
            pause = self._terms.retry_period * random.uniform(0.8, 1.2)  # noqa: S311 - so that not all ask at once
            try:
                await self._bid()
            except _FAILURES as error:
                if not (isinstance(error, APIError) and error.status == _CONFLICT):
                    logger.warning("The Lease could not be had: %s", error or type(error).__name__)
            if self._candidate.rival not in ("", holder):
                holder = self._candidate.rival
                logger.info("Standing by: %s leads", holder)
            await asyncio.sleep(0 if self._fence.remaining else min(pause, self._candidate.pause() or pause))
        logger.info("Leading as %s", self._identity)
        metrics.LEADER.set(1)
        self._renewing = asyncio.create_task(self._keep(), name="lease")

    async def resign(self) -> None:
        """Release the Lease, so that the next need not wait for its end. All writes must have ended."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        # Also where it was not seen to be won: a claim that was cut off may have been written.
        await self._release()
        await self._api.close()

    async def _release(self) -> None:
        released = self._candidate.release()
        try:
            async with asyncio.timeout(self._terms.retry_period):
                known = self._known or await self._api.get(self._path)
                if known is not None and lease.record(known).holder == self._identity:
                    await self._api.replace(self._path, lease.body(released, known))
                    logger.info("The Lease is released")
        except _FAILURES as error:
            logger.warning("The Lease is not released and has to run out: %s", error or type(error).__name__)

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
        """Renew once; return whether the Lease is still held."""
        await asyncio.sleep(min(self._terms.retry_period, self._fence.remaining))
        # Asleep for too long: nothing is tried, another may lead by now.
        if not self._fence.remaining:
            logger.error("The Lease was not renewed for %g seconds", self._terms.renew_deadline)
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
        """Claim the Lease if it may be had. Raises APIError, aiohttp.ClientError, TimeoutError."""
        # Half of the deadline, so that a connection that answers no more leaves time for another one.
        seconds = self._terms.renew_deadline / 2
        async with asyncio.timeout(min(seconds, self._fence.remaining or seconds)):
            # After a failure nobody knows whether it was written: what is there is read again.
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
