"""The input of the informer: whole lines, reduced objects, and never more than is wanted."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.intake import Object
from tgi_operator.watching import lines, reduced_responses

Serve = Callable[[bytes], Any]


@given(st.lists(st.binary(max_size=20), max_size=10), st.lists(st.integers(0, 200), max_size=8))
def test_lines_are_the_same_however_they_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    whole = [part.replace(b"\n", b"") for part in parts]
    text = b"".join(part + b"\n" for part in whole) + b"half a line"
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})

    async def chunks() -> AsyncIterator[bytes]:
        for start, end in pairwise(places):
            yield text[start:end]

    async def read() -> list[bytes]:
        return [line async for line in lines(chunks())]

    assert asyncio.run(read()) == [line for line in whole if line], "the half line is dropped"


reading: list[int] = []
most_at_once = [0]


def reduce(body: Object) -> Object | None:
    reading.append(1)
    most_at_once[0] = max(most_at_once[0], len(reading))
    if body["name"] == "slow":
        time.sleep(0.02)
    reading.pop()
    return {"name": body["name"]} if body["name"] != "unneeded" else None


def keep(body: Object) -> bool:
    return bool(body["name"] != "stranger")


@pytest.fixture
async def get() -> AsyncIterator[Callable[..., Any]]:
    """Yield a function that lets a server answer with a text, and returns the response."""
    body = b""
    status = 200

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    session = aiohttp.ClientSession(response_class=reduced_responses(reduce, keep))

    async def request(text: str | bytes, query: str = "", code: int = 200) -> aiohttp.ClientResponse:
        nonlocal body, status
        body, status = text if isinstance(text, bytes) else text.encode(), code
        return await session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/{query}")

    yield request
    await session.close()
    await runner.cleanup()


NAMES = ("a", "unneeded", "stranger", "b")


@pytest.mark.parametrize("padding", [0, 100_000], ids=["at once", "in a thread"])
async def test_list_has_what_is_wanted_and_reduced(get: Callable[..., Any], padding: int) -> None:
    items = [{"name": name, "more": "x" * padding} for name in NAMES]
    async with await get(json.dumps({"kind": "List", "items": items, "metadata": {"continue": "c"}})) as response:
        found = await response.json()
    assert found == {"kind": "List", "items": [{"name": "a"}, {"name": "b"}], "metadata": {"continue": "c"}}


async def test_document_that_is_no_list_is_read_as_it_is(get: Callable[..., Any]) -> None:
    async with await get('{"kind":"APIResourceList","resources":[{"name":"pods"}]}') as response:
        assert await response.json() == {"kind": "APIResourceList", "resources": [{"name": "pods"}]}


async def test_list_without_items_is_empty(get: Callable[..., Any]) -> None:
    async with await get('{"kind":"SecretList","items":null}') as response:
        assert await response.json() == {"kind": "SecretList", "items": []}


@pytest.mark.parametrize("query", ["", "?watch=true"])
async def test_refusal_is_read_as_it_is(get: Callable[..., Any], query: str) -> None:
    async with await get('{"kind":"Status","code":410}', query, 410) as response:
        assert await response.json() == {"kind": "Status", "code": 410}


@pytest.mark.parametrize("padding", [0, 100_000], ids=["at once", "in a thread"])
async def test_watch_goes_on_after_what_it_cannot_read(
    get: Callable[..., Any], padding: int, caplog: pytest.LogCaptureFixture
) -> None:
    events = [{"type": "ADDED", "object": {"name": name, "more": "x" * padding}} for name in NAMES]
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}
    bomb = '{"type":"MODIFIED","object":{"name":"bomb","spec":%s}}' % ('{"a":' * 50_000 + "1" + "}" * 50_000)
    nameless = '{"type":"ADDED","object":{"kind":"Pod"}}'
    text = "\n".join(map(json.dumps, [*events, bookmark]))
    async with await get(f'{bomb}\nno json\n{{"no": "type"}}\n{nameless}\n{text}\n', "?watch=true") as response:
        found = [json.loads(line) async for line in response.content.iter_chunked(1024 * 1024)]
    assert found == [
        {"type": "MODIFIED", "object": {"name": "bomb"}},
        {"type": "ADDED", "object": {"name": "a"}},
        {"type": "ADDED", "object": {"name": "b"}},
        bookmark,
    ]
    assert caplog.text.count("is skipped") == 3


async def test_one_page_is_read_at_a_time(get: Callable[..., Any]) -> None:
    """Ten kinds are listed concurrently at the start; all of their pages together would not fit into memory."""
    page = json.dumps({"items": [{"name": "slow", "more": "x" * 100_000}]})
    responses = [await get(page) for _ in range(5)]
    reading.clear()
    most_at_once[0] = 0
    await asyncio.gather(*(response.json() for response in responses))
    assert most_at_once == [1]
