"""The record of every AWS call that the emulator has answered."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

CAPACITY = 200_000
OK = "OK"
CUT = "cut"
HELD = "held"


@dataclass(frozen=True, slots=True)
class Entry:
    """One call; `outcome` is `OK`, an error code, `cut` for a connection closed on the caller, or `held`
    for a request that gets no answer."""

    seq: int
    time: float
    service: str
    operation: str
    account: str
    region: str
    name: str
    outcome: str
    access_key: str


class Journal:
    """The latest calls in order, and counts of all of them."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=CAPACITY)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._seq = 0
        self.handling_seconds = 0.0

    def add(self, entry: tuple[float, str, str, str, str, str, str, str]) -> None:
        """Record (time, service, operation, account, region, name, outcome, access key)."""
        self._seq += 1
        made = Entry(self._seq, *entry)
        self._entries.append(made)
        self._counts[made.operation, made.outcome] += 1

    @property
    def calls(self) -> int:
        """Return how many calls were recorded since the start or the last clear."""
        return self._counts.total()

    def since(self, seq: int) -> list[Entry]:
        """Return the calls after a sequence number."""
        return [entry for entry in self._entries if entry.seq > seq]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts of calls by operation and outcome."""
        table: dict[str, dict[str, int]] = {}
        for (operation, outcome), number in sorted(self._counts.items()):
            table.setdefault(operation, {})[outcome] = number
        return table

    def clear(self) -> None:
        """Clear the calls and the counts; sequence numbers continue."""
        self._entries.clear()
        self._counts.clear()
        self.handling_seconds = 0.0
