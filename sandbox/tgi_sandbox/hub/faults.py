"""What goes wrong between a client and the Hub."""

import threading
from dataclasses import dataclass


@dataclass
class Fault:
    """A fault waiting for requests of a method whose path ends in `path`; it wears out after `times`.

    With a `status` the request is answered so. Else the answer is sent up to `after` bytes of its body, and then the
    connection is closed; or, with `hold`, it is kept open and silent.
    """

    path: str
    method: str = "GET"
    status: int | None = None
    retry_after: float | None = None
    after: int = 0
    hold: bool = False
    times: int = 1


class Faults:
    """The faults that are left."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Queue a fault behind the others."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def draw(self, method: str, path: str) -> Fault | None:
        """The first fault that waits for such a request."""
        with self._lock:
            for fault in self._faults:
                if fault.method == method and path.endswith(fault.path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
            return None
