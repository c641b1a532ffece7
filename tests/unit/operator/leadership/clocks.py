"""A clock that tests advance."""

from dataclasses import dataclass

from tgi_operator.leadership.clocks import Moment


@dataclass
class FakeClock:
    """The clocks of one machine: `rate` is their speed, `paused` stops the steady one."""

    steady: float = 0.0
    wall: float = 1.7e9
    rate: float = 1.0
    paused: bool = False

    def __call__(self) -> Moment:
        return Moment(self.steady, self.wall)

    def advance(self, seconds: float) -> None:
        """Let real seconds pass."""
        self.wall += seconds * self.rate
        self.steady += 0.0 if self.paused else seconds * self.rate
