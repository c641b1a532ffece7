"""The Lease is taken, renewed, lost and released, with an API server that stores one object."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tgi_operator import metrics
from tgi_operator.kube import APIError
from tgi_operator.leadership import lease
from tgi_operator.leadership.candidate import Terms
from tgi_operator.leadership.election import Election
from tgi_operator.leadership.fence import NotLeadingError
from unit.operator.leadership.clocks import FakeClock

TERMS = Terms(lease_duration=15, renew_deadline=10, retry_period=0.02)


class OneLease:
    """An API server: no Lease at first, and a failure if one is set."""

    def __init__(self) -> None:
        self.body: dict[str, Any] | None = None
        self.version = 0
        self.failure: Exception | None = None
        self.after_effect = False
        self.reads = 0

    async def get(self, path: str) -> dict[str, Any] | None:
        assert path == "/apis/coordination.k8s.io/v1/namespaces/tgi-system/leases/tgi-operator"
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return self.body

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/apis/coordination.k8s.io/v1/namespaces/tgi-system/leases"
        if self.body is not None:
            raise APIError(409, "exists")
        return self._keep(body)

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path.endswith("/leases/tgi-operator")
        if body["metadata"]["resourceVersion"] != str(self.version):
            raise APIError(409, "changed")
        return self._keep(body)

    async def close(self) -> None:
        """The client has nothing open."""

    def _keep(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.failure is not None and not self.after_effect:
            raise self.failure
        self.version += 1
        self.body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        if self.failure is not None:
            raise self.failure
        return self.body

    def held_by(self, holder: str) -> None:
        """Let another candidate write the Lease."""
        content = lease.Record(holder, 15, "", str(self.version), 0)
        self.version += 1
        self.body = lease.body(content, {"metadata": {"name": lease.NAME, "resourceVersion": str(self.version)}})

    @property
    def holder(self) -> str:
        """The holder of the Lease."""
        return lease.record(self.body or {}).holder


class Process:
    """A candidate for leadership, from `begin` on."""

    def __init__(self, api: OneLease) -> None:
        self.clock = FakeClock()
        self.lost = asyncio.Event()
        self.election = Election(api, "tgi-system", "me", TERMS, self.lost.set, self.clock)
        self._winning: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the election."""
        self._winning = asyncio.create_task(self.election.win())

    def stop(self) -> None:
        """Stop."""
        if self._winning is not None:
            self._winning.cancel()


@pytest.fixture
def api() -> OneLease:
    """Return an API server without a Lease."""
    return OneLease()


@pytest.fixture
async def process(api: OneLease) -> AsyncIterator[Process]:
    """Yield a process that has not begun."""
    made = Process(api)
    yield made
    made.stop()
    api.failure = None
    await made.election.resign()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def leading(process: Process) -> None:
    """Begin, and wait until the Lease is won."""
    process.begin()
    await until(lambda: process.election.leads)


async def _reads(api: OneLease, count: int) -> None:
    enough = api.reads + count
    await until(lambda: api.reads >= enough)


async def test_the_first_leads_at_once_and_renews(api: OneLease, process: Process) -> None:
    await leading(process)
    process.election.check()
    assert api.holder == "me"
    reads = api.reads
    for _ in range(3):
        version = api.version
        process.clock.advance(4)
        await until(lambda: api.version > version)  # noqa: B023 - it is over before the next
    # It knows the existing Lease.
    assert api.reads == reads
    assert metrics.LEADER._value.get() == 1


async def test_a_stand_by_is_ready_and_takes_what_is_not_renewed(api: OneLease, process: Process) -> None:
    api.held_by("other")
    ready_before = process.election.is_ready
    process.begin()
    await _reads(api, 3)
    assert (ready_before, process.election.is_ready) == (False, True)
    assert not process.election.leads
    with pytest.raises(NotLeadingError):
        process.election.check()
    process.clock.advance(14)
    await _reads(api, 3)
    api.held_by("other")
    await _reads(api, 3)
    process.clock.advance(14)
    await _reads(api, 3)
    assert not process.election.leads
    process.clock.advance(1)
    await until(lambda: process.election.leads)
    assert api.holder == "me"


async def test_a_stand_by_that_cannot_read_the_lease_is_not_ready(api: OneLease, process: Process) -> None:
    api.held_by("other")
    process.begin()
    await _reads(api, 2)
    api.failure = APIError(403, "forbidden")
    await _reads(api, 2)
    assert process.election.is_ready
    process.clock.advance(15)
    assert not process.election.is_ready


async def test_who_was_asleep_ends_without_another_try(api: OneLease, process: Process) -> None:
    await leading(process)
    version = api.version
    process.clock.advance(10)
    with pytest.raises(NotLeadingError):
        process.election.check()
    await until(process.lost.is_set)
    assert api.version == version
    assert metrics.LEADER._value.get() == 0


async def test_who_cannot_renew_ends_at_the_deadline(api: OneLease, process: Process) -> None:
    await leading(process)
    api.failure = TimeoutError()
    process.clock.advance(9)
    await asyncio.sleep(0.1)
    process.election.check()
    assert not process.lost.is_set()
    process.clock.advance(1)
    await until(process.lost.is_set)


async def test_who_finds_another_holder_ends_at_once(api: OneLease, process: Process) -> None:
    await leading(process)
    api.held_by("other")
    await until(process.lost.is_set)
    with pytest.raises(NotLeadingError):
        process.election.check()
    assert api.holder == "other"


async def test_a_surprise_ends_it_too(api: OneLease, process: Process) -> None:
    await leading(process)
    api.failure = ValueError("no Lease was ever like this")
    await until(process.lost.is_set)


async def test_a_renewal_whose_answer_was_lost_is_read_and_made_again(api: OneLease, process: Process) -> None:
    await leading(process)
    api.failure, api.after_effect = TimeoutError(), True
    await asyncio.sleep(0.1)
    api.failure = None
    version = api.version
    await until(lambda: api.version >= version + 2)
    assert not process.lost.is_set()
    assert api.holder == "me"


async def test_what_others_write_on_the_lease_is_no_loss(api: OneLease, process: Process) -> None:
    await leading(process)
    assert api.body is not None
    api.version += 1
    api.body = {
        **api.body,
        "metadata": {**api.body["metadata"], "labels": {"a": "b"}, "resourceVersion": str(api.version)},
    }
    version = api.version
    await until(lambda: api.version >= version + 2)
    assert not process.lost.is_set()
    assert api.body["metadata"]["labels"] == {"a": "b"}


async def test_what_is_released_is_nobodys(api: OneLease, process: Process) -> None:
    await leading(process)
    await process.election.resign()
    assert api.body is not None
    assert api.holder == ""
    assert not process.lost.is_set()
    with pytest.raises(NotLeadingError):
        process.election.check()


async def test_a_stand_by_that_ends_leaves_the_lease_alone(api: OneLease, process: Process) -> None:
    api.held_by("other")
    process.begin()
    await _reads(api, 2)
    process.stop()
    await process.election.resign()
    assert api.holder == "other"
