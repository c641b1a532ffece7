"""The progress of a download, as plain lines on standard output."""

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


def gib(size: int) -> str:
    """Return a number of bytes in GiB, with one decimal."""
    return f"{size / 2**30:.1f}"


def amount(size: int, files: int) -> str:
    """Return bytes and files in words."""
    return f"{gib(size)} GiB in {files} {'file' if files == 1 else 'files'}"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Progress:
    """Prints every few seconds how many bytes have `arrived`. A context manager."""

    def __init__(self, total: int, arrived: Callable[[], int], seconds: float) -> None:
        self._total = total
        self._arrived = arrived
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def _tell(self) -> None:
        while not self._over.wait(self._seconds):
            say(f"{gib(min(self._arrived(), self._total))} of {gib(self._total)} GiB")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
