"""A queue that namespaces share: they take turns, however much each of them queues."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Line(Generic[T]):
    """What waits for one namespace."""

    urgent: deque[T] = field(default_factory=deque)
    others: deque[T] = field(default_factory=deque)


class FairQueue(Generic[T]):
    """Items that wait, in a line for each namespace; a namespace's urgent items come before its other ones.

    With a `limit`, a namespace that has so many items out takes no turn until one is `done`. Every operation takes the
    same time, however many items and namespaces wait.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lines: dict[str, _Line[T]] = {}
        self._turns: deque[str] = deque()
        self._out: Counter[str] = Counter()

    def __bool__(self) -> bool:
        """Return whether an item may be taken now."""
        return bool(self._turns)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is out."""
        return not self._lines and not self._out

    def add(self, namespace: str, item: T, *, urgent: bool = False) -> None:
        """Add an item to the line of a namespace."""
        line = self._lines.get(namespace)
        if line is None:
            line = self._lines[namespace] = _Line()
            if self._may_take(namespace):
                self._turns.append(namespace)
        (line.urgent if urgent else line.others).append(item)

    def take(self) -> T | None:
        """Return the next item of the namespace whose turn it is; None where none may be taken."""
        if not self._turns:
            return None
        namespace = self._turns.popleft()
        line = self._lines[namespace]
        item = (line.urgent or line.others).popleft()
        if self._limit is not None:
            self._out[namespace] += 1
        if not line.urgent and not line.others:
            del self._lines[namespace]
        elif self._may_take(namespace):
            self._turns.append(namespace)
        return item

    def done(self, namespace: str) -> None:
        """End an item of a namespace that was taken; only a queue with a limit counts them."""
        was_held_up = namespace in self._lines and not self._may_take(namespace)
        self._out[namespace] -= 1
        if not self._out[namespace]:
            del self._out[namespace]
        if was_held_up:
            self._turns.append(namespace)

    def _may_take(self, namespace: str) -> bool:
        return self._limit is None or self._out[namespace] < self._limit
