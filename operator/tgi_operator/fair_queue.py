"""A queue that namespaces share: they take turns, however much each of them queues."""

from collections import Counter, OrderedDict, deque
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

    With a `limit`, an item that was taken is out until it is `done`. A namespace has up to `limit` items out, and takes
    a second one only while less than twice as many are out in all. Namespaces that have none out come first, and always
    may take one: whatever some namespaces hold, what is beyond twice the limit is left to the others. Every operation
    takes the same time, however many items and namespaces wait.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lines: dict[str, _Line[T]] = {}
        self._out: Counter[str] = Counter()
        self._all_out = 0
        # Namespaces with a line, in the order of their turns: those with nothing out, and those that may have more. No
        # deques, because a namespace leaves the second one from anywhere.
        self._first: OrderedDict[str, None] = OrderedDict()
        self._more: OrderedDict[str, None] = OrderedDict()

    def __bool__(self) -> bool:
        """Return whether an item may be taken now."""
        return bool(self._turns())

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is out."""
        return not self._lines and not self._out

    def add(self, namespace: str, item: T, *, urgent: bool = False) -> None:
        """Add an item to the line of a namespace."""
        line = self._lines.get(namespace)
        if line is None:
            line = self._lines[namespace] = _Line()
            self._line_up(namespace)
        (line.urgent if urgent else line.others).append(item)

    def take(self) -> T | None:
        """Return the next item of the namespace whose turn it is; None where none may be taken."""
        turns = self._turns()
        if not turns:
            return None
        namespace, _ = turns.popitem(last=False)
        line = self._lines[namespace]
        item = (line.urgent or line.others).popleft()
        if self._limit is not None:
            self._out[namespace] += 1
            self._all_out += 1
        if not line.urgent and not line.others:
            del self._lines[namespace]
        else:
            self._line_up(namespace)
        return item

    def done(self, namespace: str) -> None:
        """End an item of a namespace that was taken; only a queue with a limit counts them."""
        self._all_out -= 1
        self._out[namespace] -= 1
        if not self._out[namespace]:
            del self._out[namespace]
            self._more.pop(namespace, None)
        if namespace in self._lines and namespace not in self._more:
            self._line_up(namespace)

    def _turns(self) -> OrderedDict[str, None]:
        """Return the namespaces of which the first takes the next turn; none where no item may be taken."""
        if self._first or self._limit is None or self._all_out >= 2 * self._limit:
            return self._first
        return self._more

    def _line_up(self, namespace: str) -> None:
        """Have a namespace wait for its turn behind the others, unless it has as many items out as it may have."""
        out = self._out.get(namespace, 0)
        if not out:
            self._first[namespace] = None
        elif self._limit is not None and out < self._limit:
            self._more[namespace] = None
