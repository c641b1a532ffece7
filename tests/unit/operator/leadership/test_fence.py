"""The check before each write."""

import pytest

from tgi_operator.leadership.clocks import Moment, now
from tgi_operator.leadership.fence import Fence, NotLeadingError
from unit.operator.leadership.clocks import FakeClock


def test_it_is_closed_until_the_lease_is_won() -> None:
    fence = Fence(10, FakeClock())
    assert fence.remaining == 0
    with pytest.raises(NotLeadingError):
        fence.check()


def test_it_closes_by_itself_and_counts_from_the_sending_of_the_renewal() -> None:
    clock = FakeClock()
    fence = Fence(10, clock)
    sent = clock()
    clock.advance(4)
    fence.renew(sent)
    assert fence.remaining == 6
    clock.advance(5.9)
    fence.check()
    clock.advance(0.1)
    with pytest.raises(NotLeadingError):
        fence.check()


def test_a_renewal_that_is_answered_too_late_opens_nothing() -> None:
    clock = FakeClock()
    fence = Fence(10, clock)
    sent = clock()
    clock.advance(10)
    fence.renew(sent)
    with pytest.raises(NotLeadingError):
        fence.check()


def test_a_machine_that_was_asleep_knows_it_from_the_clock_on_the_wall() -> None:
    clock = FakeClock()
    fence = Fence(10, clock)
    fence.renew(clock())
    clock.paused = True
    clock.advance(10)
    with pytest.raises(NotLeadingError):
        fence.check()


@pytest.mark.parametrize("set_by", [-3600.0, 3600.0])
def test_a_clock_that_was_set_never_leaves_it_open_for_longer(set_by: float) -> None:
    clock = FakeClock()
    fence = Fence(10, clock)
    fence.renew(clock())
    clock.wall += set_by
    clock.advance(10)
    with pytest.raises(NotLeadingError):
        fence.check()


def test_closed_is_closed() -> None:
    clock = FakeClock()
    fence = Fence(10, clock)
    fence.renew(clock())
    fence.close()
    with pytest.raises(NotLeadingError):
        fence.check()


def test_the_real_clock_goes_on() -> None:
    before = now()
    after = now()
    assert isinstance(after, Moment)
    assert 0 <= before.surely_until(after) <= before.perhaps_until(after) < 10
