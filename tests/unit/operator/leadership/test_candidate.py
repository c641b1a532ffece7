"""When the Lease can be taken: a table of cases, and a search for two leaders at the same time."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tgi_operator.leadership.candidate import Candidate, Terms
from tgi_operator.leadership.clocks import Moment
from tgi_operator.leadership.fence import Fence
from tgi_operator.leadership.lease import Record
from unit.operator.leadership.clocks import FakeClock

TERMS = Terms(lease_duration=15, renew_deadline=10, retry_period=2)
OTHERS = Record("other", 15, "2026-11-24T10:00:00.000000Z", "2026-11-24T10:00:02.000000Z", 4)


def candidate(clock: FakeClock) -> Candidate:
    """Return a candidate that has seen nothing."""
    return Candidate("me", TERMS, Fence(TERMS.renew_deadline, clock), clock)


@pytest.mark.parametrize(
    ("record", "pause", "rival"),
    [
        pytest.param(None, 0, "", id="there is none"),
        pytest.param(replace(OTHERS, holder=""), 0, "", id="released"),
        pytest.param(replace(OTHERS, holder="me"), 0, "", id="ours, though the answer to the claim was lost"),
        pytest.param(OTHERS, 15, "other", id="just seen, however old its times are"),
        pytest.param(replace(OTHERS, seconds=40), 40, "other", id="given for longer than ours"),
        pytest.param(replace(OTHERS, seconds=0), 15, "other", id="given for no time at all"),
    ],
)
def test_what_is_seen_first(record: Record | None, pause: float, rival: str) -> None:
    one = candidate(FakeClock())
    one.see(record)
    assert (one.pause(), one.rival) == (pause, rival)


def test_it_may_be_taken_when_it_did_not_change_for_its_duration() -> None:
    clock = FakeClock()
    one = candidate(clock)
    for _ in range(3):
        one.see(OTHERS)
        clock.advance(4)
    assert one.pause() == 3
    one.see(replace(OTHERS, renewed="2026-11-24T10:00:04.000000Z"))
    assert one.pause() == 15
    clock.advance(15)
    assert one.pause() == 0


def test_a_lease_that_vanished_is_still_its_holders() -> None:
    clock = FakeClock()
    one = candidate(clock)
    one.see(OTHERS)
    clock.advance(5)
    one.see(None)
    assert one.pause() == 10


def test_a_clock_that_was_set_ahead_is_no_time() -> None:
    clock = FakeClock()
    one = candidate(clock)
    one.see(OTHERS)
    clock.wall += 3600
    assert one.pause() == 15


def test_a_claim_says_since_when_and_counts_the_changes() -> None:
    clock = FakeClock()
    one = candidate(clock)
    one.see(None)
    first = one.claim()
    assert (first.holder, first.seconds, first.transitions) == ("me", 15, 0)
    assert first.acquired == first.renewed
    one.won(first, clock())
    clock.advance(2)
    renewed = one.claim()
    assert (renewed.acquired, renewed.transitions) == (first.acquired, 0)
    assert renewed.renewed > first.renewed
    one.see(replace(OTHERS, holder=""))
    assert (one.claim().transitions, one.claim().acquired) == (5, one.claim().renewed)


def test_what_is_released_may_be_had_at_once_and_nothing_is_written_any_more() -> None:
    clock = FakeClock()
    fence = Fence(TERMS.renew_deadline, clock)
    one = Candidate("me", TERMS, fence, clock)
    one.won(one.claim(), clock())
    released = one.release()
    assert (released.holder, released.seconds) == ("", 1)
    assert fence.remaining == 0
    two = candidate(FakeClock())
    two.see(released)
    assert two.pause() == 0


@dataclass
class Claim:
    """A write in transit to the API server."""

    record: Record
    version: int
    sent: Moment


@dataclass
class Process:
    """A candidate with its clocks, its last read, and its requests in progress."""

    identity: str
    clock: FakeClock
    fence: Fence = field(init=False)
    candidate: Candidate = field(init=False)
    known: int = 0
    led: bool = False

    def __post_init__(self) -> None:
        self.fence = Fence(TERMS.renew_deadline, self.clock)
        self.candidate = Candidate(self.identity, TERMS, self.fence, self.clock)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or will end before its next action."""
        return self.led and not self.fence.remaining


NUMBERS = st.integers(0, 1)
AWAKE = st.sampled_from(({0, 1}, {0}, {1}, set[int]()))
SECONDS = st.sampled_from([1.0, 5.0, 9.0, 20.0])


class Contest(RuleBasedStateMachine):
    """Two candidates and a Lease; messages are late or lost, processes sleep or are killed, clocks are wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.late: list[Claim] = []
        self.version = 0
        self.record: Record | None = None
        self.made = 0

    @initialize(rates=st.lists(st.floats(0.9, 1.1), min_size=2, max_size=2), offset=st.floats(-1e6, 1e6))
    def start(self, rates: list[float], offset: float) -> None:
        self.processes = [
            self._process(FakeClock(offset * n, 1.7e9 + offset * n, rate)) for n, rate in enumerate(rates)
        ]

    def _process(self, clock: FakeClock) -> Process:
        self.made += 1
        return Process(f"p-{self.made}", clock)

    @rule(seconds=SECONDS, awake=AWAKE)
    def time_passes(self, seconds: float, awake: set[int]) -> None:
        while seconds > 0:
            pause = min(seconds, TERMS.retry_period)
            seconds -= pause
            for each in self.processes:
                each.clock.advance(pause)
            for number in awake:
                self.one_looks(number)
                self.one_at_most_may_write()

    @rule(number=NUMBERS, slow=st.sampled_from(["read", "claim", "answer", "lost"]), seconds=SECONDS)
    def one_looks(self, number: int, slow: str = "", seconds: float = 0) -> None:
        """Let one candidate read the Lease, and take it if allowed; only the other one goes on while a step is slow."""
        if self.processes[number].is_over:
            self.a_new_process_takes_the_place_of_one(number)
        one = self.processes[number]
        others = {1 - number} if slow else set[int]()
        known, record = self.version, self.record
        self.time_passes(seconds if slow == "read" else 0, others)
        one.candidate.see(record)
        if one.led and one.candidate.rival:
            one.fence.close()
        if one.candidate.pause() or one.is_over:
            return
        claim = Claim(one.candidate.claim(), known, one.clock())
        if slow == "lost":
            self.late.append(claim)
            return
        self.time_passes(seconds if slow == "claim" else 0, others)
        written = self._write(claim)
        self.time_passes(seconds if slow == "answer" else 0, others)
        if written and not one.is_over:
            one.candidate.won(claim.record, claim.sent)
            one.known, one.led = known + 1, True

    @rule(number=NUMBERS, seconds=st.floats(-100, 100))
    def a_clock_is_set(self, number: int, seconds: float) -> None:
        self.processes[number].clock.wall += seconds

    @rule(number=NUMBERS)
    def a_new_process_takes_the_place_of_one(self, number: int) -> None:
        self.processes[number] = self._process(self.processes[number].clock)

    @rule()
    def a_late_claim_arrives(self) -> None:
        if self.late:
            self._write(self.late.pop(0))

    @rule(number=NUMBERS)
    def the_lease_is_released(self, number: int) -> None:
        one = self.processes[number]
        if one.led and not one.is_over:
            self._write(Claim(one.candidate.release(), one.known, one.clock()))

    def _write(self, claim: Claim) -> bool:
        # The API server accepts a write only at the resourceVersion that was read.
        if claim.version != self.version:
            return False
        self.version += 1
        self.record = claim.record
        return True

    @invariant()
    def one_at_most_may_write(self) -> None:
        assert len([each for each in self.processes if each.fence.remaining]) <= 1


TestContest = Contest.TestCase
TestContest.settings = settings(max_examples=300, stateful_step_count=25, deadline=None)
