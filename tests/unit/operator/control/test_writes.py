"""Writes to TGIEndpoints: merge patches, and the meaning of refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.control.store import Item, Store, item
from tgi_operator.control.writes import GoneError, StatusRefusedError, Writes, merge_patch
from tgi_operator.kube import APIError
from unit.operator.control.given import CREATING, SERVES, ApiServer, as_json, deleting, held, patched, status

scalars = st.one_of(st.booleans(), st.integers(0, 3), st.text(max_size=2), st.lists(st.integers(0, 2), max_size=2))
objects = st.recursive(
    st.dictionaries(st.sampled_from("abc"), scalars, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(scalars, inner), max_size=3),
    max_leaves=8,
)


@given(objects, objects)
def test_merge_patch_makes_the_old_object_into_the_new(old: object, new: object) -> None:
    assert patched(old, merge_patch(old, new)) == new
    assert (merge_patch(old, new) == {}) == (old == new)


class Given:
    """Writes over one item that the store knows."""

    def __init__(self, **changes: Any) -> None:
        self.server = ApiServer()
        self.store = Store()
        self.vanished: list[Item] = []
        self.item = item(self.server.put(**changes))
        self.store.put(self.item)
        self.writes = Writes(self.server, self.store, self.vanished.append)


async def test_equal_status_is_not_written_and_another_one_is_no_news_afterwards() -> None:
    given = Given(status=as_json(status(CREATING)))
    assert await given.writes.status(given.item, status(CREATING)) is given.item
    assert given.server.writes == []
    written = await given.writes.status(given.item, status(SERVES))
    assert given.server.shown() == status(SERVES)
    assert given.store.get(given.item.key) == written
    assert not given.store.put(item(given.server.objects[given.item.key])), "the watch only repeats it"


@pytest.mark.parametrize("code", [400, 403, 422])
async def test_refused_status_names_the_resource_and_the_refusal(code: int) -> None:
    given = Given()
    given.server.failures["set_status"] = APIError(code, "status.revisions: Too many")
    with pytest.raises(StatusRefusedError, match=f"status of TGIEndpoint ml/falcon: {code}: status.revisions"):
        await given.writes.status(given.item, status(SERVES))


@pytest.mark.parametrize("code", [409, 429, 500])
async def test_other_errors_are_raised_as_they_are(code: int) -> None:
    given = Given()
    given.server.failures["set_status"] = APIError(code, "no")
    with pytest.raises(APIError):
        await given.writes.status(given.item, status(SERVES))


@pytest.mark.parametrize("write", ["status", "hold"])
async def test_write_to_what_does_not_exist_reports_that_it_vanished(write: str) -> None:
    given = Given()
    given.server.objects.clear()
    with pytest.raises(GoneError):
        await (given.writes.hold(given.item) if write == "hold" else given.writes.status(given.item, status(SERVES)))
    assert given.vanished == [given.item]


@pytest.mark.parametrize("exists", [True, False])
async def test_release_removes_only_the_operators_finalizer_and_is_remembered_once(exists: bool) -> None:
    meta = deleting()
    given = Given(meta={**meta, "finalizers": ["other", *meta["finalizers"]]})
    if not exists:
        given.server.objects.clear()
    await given.writes.release(given.item)
    if exists:
        assert given.server.objects[given.item.key]["metadata"]["finalizers"] == ["other"]
    assert given.writes.was_released(given.item)
    assert not given.writes.was_released(given.item)


async def test_hold_keeps_the_finalizers_of_others() -> None:
    given = Given(meta={"finalizers": ["other"]})
    written = await given.writes.hold(given.item)
    assert written.finalizers == ("other", *held()["finalizers"])
