"""A queue that namespaces share. Namespaces take turns, however much each of them queues."""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Line(Generic[T]):
    """The items that wait for one namespace."""

    urgent: deque[T] = field(default_factory=deque)
    others: deque[T] = field(default_factory=deque)


class FairQueue(Generic[T]):
    """Items that wait, in a line for each namespace. The urgent items of a namespace come before its other items.

    With a `limit`, an item that was taken is out until it is `done`. A namespace has up to `limit` items out. It takes
    a second item only while less than twice as many items are out in total. Namespaces with no items out come first and
    can always take one item: the capacity beyond twice the limit is reserved for them. Every operation takes constant
    time, however many items and namespaces wait.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lines: dict[str, _Line[T]] = {}
        self._out: Counter[str] = Counter()
        self._all_out = 0
        # Namespaces with a line, in the order of their turns: those with no items out, and those that can have more.
        # These are not deques, because a namespace can leave the second one from any position.
        self._first: OrderedDict[str, None] = OrderedDict()
        self._more: OrderedDict[str, None] = OrderedDict()

    def __bool__(self) -> bool:
        """Return whether an item can be taken now."""
        return bool(self._turns())

    @property
    def idle(self) -> bool:
        """Whether no item waits and no item is out."""
        return not self._lines and not self._out

    def add(self, namespace: str, item: T, *, urgent: bool = False) -> None:
        """Add an item to the line of a namespace."""
        line = self._lines.get(namespace)
        if line is None:
            line = self._lines[namespace] = _Line()
            self._line_up(namespace)
        (line.urgent if urgent else line.others).append(item)

    def take(self) -> T | None:
        """Return the next item of the namespace whose turn it is, or None if no item can be taken."""
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
        """End an item of a namespace that was taken. Only a queue with a limit counts such items."""
        self._all_out -= 1
        self._out[namespace] -= 1
        if not self._out[namespace]:
            del self._out[namespace]
            self._more.pop(namespace, None)
        if namespace in self._lines and namespace not in self._more:
            self._line_up(namespace)

    def _turns(self) -> OrderedDict[str, None]:
        """Return the namespaces of which the first takes the next turn, or no namespaces if no item can be taken."""
        if self._first or self._limit is None or self._all_out >= 2 * self._limit:
            return self._first
        return self._more

    def _line_up(self, namespace: str) -> None:
        """Queue a namespace for its turn behind the others, unless it has its limit of items out."""
        out = self._out.get(namespace, 0)
        if not out:
            self._first[namespace] = None
        elif self._limit is not None and out < self._limit:
            self._more[namespace] = None
