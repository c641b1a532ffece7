"""Progress of long steps: one live line on a terminal, otherwise a plain line every ten seconds."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

_LINE_SECONDS = 10.0
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Reports one step after another to a stream."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._live = self._stream.isatty()
        self._label = ""
        self._began = self._told = clock()

    def say(self, text: str) -> None:
        """Print one line."""
        self._write(f"{_CLEAR_LINE if self._live else ''}{text}\n")

    def begin(self, label: str) -> None:
        """Start a step."""
        self._label = label
        self._began = self._told = self._clock()
        self._write(f"{label} ..." if self._live else f"{label} ...\n")

    def tick(self) -> None:
        """Report that the step continues; to be called a few times per second."""
        now = self._clock()
        if now - self._told < (1.0 if self._live else _LINE_SECONDS):
            return
        self._told = now
        line = f"{self._label} ... {self._elapsed()}"
        self._write(f"{_CLEAR_LINE}{line}" if self._live else f"{line}\n")

    def done(self, outcome: str = "done") -> None:
        """End the step."""
        self.say(f"{self._label}: {outcome} after {self._elapsed()}")

    def _elapsed(self) -> str:
        return f"{self._clock() - self._began:.0f} s"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
