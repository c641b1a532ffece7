"""The queue that namespaces share: any sequence of events, and its guarantees for each namespace."""

from collections import Counter
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.fair_queue import FairQueue


class Item(NamedTuple):
    """An item, with when it was added."""

    namespace: str
    number: int
    urgent: bool


def drained(queue: FairQueue[str]) -> list[str]:
    """Return all items that can be taken, in order."""
    found = []
    while (item := queue.take()) is not None:
        found.append(item)
    return found


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        pytest.param("a1 a2 a3", "a1 a2 a3", id="one namespace, in order"),
        pytest.param("a1 a2 a3 b1 b2", "a1 b1 a2 b2 a3", id="in turns"),
        pytest.param("a1 a2 b1! b2!", "a1 b1! a2 b2!", id="urgent items of one do not hold up another's"),
        pytest.param("a1 a2 a3! b1", "a3! b1 a1 a2", id="urgent items come first in their namespace"),
    ],
)
def test_namespaces_take_turns(added: str, expected: str) -> None:
    queue: FairQueue[str] = FairQueue()
    for item in added.split():
        queue.add(item[0], item, urgent=item.endswith("!"))
    assert drained(queue) == expected.split()
    assert queue.idle


Event = tuple[str, str, bool]
"""Events: "add", "take" or "done", for a namespace."""

EVENTS = st.lists(st.tuples(st.sampled_from(["add", "add", "take", "done"]), st.sampled_from("abcd"), st.booleans()))


def may_take(namespace: str, out: Counter[str], limit: int | None) -> bool:
    """Return whether a waiting namespace can take an item."""
    if limit is None or not out[namespace]:
        return True
    return out[namespace] < limit and out.total() < 2 * limit


@given(events=EVENTS, limit=st.sampled_from([None, 1, 2, 5]))
def test_every_namespace_gets_its_turn_and_its_items_in_order(events: list[Event], limit: int | None) -> None:
    queue: FairQueue[Item] = FairQueue(limit)
    waiting: list[Item] = []
    out: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    numbers = count()
    for event, namespace, urgent in events:
        if event == "add":
            item = Item(namespace, next(numbers), urgent)
            waiting.append(item)
            queue.add(namespace, item, urgent=urgent)
        elif event == "done" and limit is not None and out[namespace]:
            out[namespace] -= 1
            queue.done(namespace)
            if not out[namespace]:
                del passed_over[namespace]
        elif event == "take":
            ready = {each.namespace for each in waiting if may_take(each.namespace, out, limit)}
            with_none = {each for each in ready if limit is None or not out[each]}
            taken = queue.take()
            assert (taken is None) == (not ready)
            if taken is None:
                continue
            peers = with_none or ready
            assert taken.namespace in peers, "those that have none come first"
            line = [each for each in waiting if each.namespace == taken.namespace]
            assert taken == min(line, key=lambda each: (not each.urgent, each.number))
            waiting.remove(taken)
            out[taken.namespace] += 1
            del passed_over[taken.namespace]
            passed_over.update(peers - {taken.namespace})
            assert max(passed_over.values(), default=0) < len("abcd"), "a namespace waits for one turn of each other"
        assert bool(queue) == any(may_take(each.namespace, out, limit) for each in waiting)
    assert queue.idle == (not waiting and (limit is None or not out.total()))


@pytest.mark.parametrize("limit", [1, 2, 8])
def test_what_is_beyond_twice_the_limit_is_for_namespaces_that_have_nothing_out(limit: int) -> None:
    queue: FairQueue[str] = FairQueue(limit)
    for namespace in ("a", "b", "c"):
        for number in range(3 * limit):
            queue.add(namespace, f"{namespace}{number}")
    taken = Counter(item[0] for item in drained(queue))
    assert taken.total() == max(2 * limit, 3)
    queue.add("d", "d0")
    queue.add("d", "d1")
    assert drained(queue) == ["d0"]
