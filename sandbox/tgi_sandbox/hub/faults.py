"""Faults between a client and the Hub."""

import threading
from dataclasses import dataclass


@dataclass
class Fault:
    """A fault for requests of a method whose path ends in `path`; it expires after `times`.

    With a `status`, the request gets that status. Otherwise, the answer is sent up to `after` bytes of its body; then
    the connection is closed or, with `hold`, kept open and silent.
    """

    path: str
    method: str = "GET"
    status: int | None = None
    retry_after: float | None = None
    after: int = 0
    hold: bool = False
    times: int = 1


class Faults:
    """The remaining faults."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a fault to the end of the queue."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()

    def draw(self, method: str, path: str) -> Fault | None:
        """Return the first fault that applies to such a request."""
        with self._lock:
            for fault in self._faults:
                if fault.method == method and path.endswith(fault.path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
            return None
