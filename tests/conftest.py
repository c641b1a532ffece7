"""The event loop of tests that need none, and which files run in one process."""

import asyncio
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

# looptime's plugin asks for the event loop before every test. Unless one was set, Python 3.11 would make one for a test
# that is no coroutine, and nobody would close it.
asyncio.set_event_loop(None)

_SHARED = "control_plane"


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Have the files that share a control plane run in one process, so that it starts once; any other file by itself.

    xdist reads the marks with `--dist loadgroup`, in a hook that comes first among those that wrap none.
    """
    sharing = {item.path for item in items if _SHARED in getattr(item, "fixturenames", ())}
    for item in items:
        group = _folder_of_the_fixture(item.path) if item.path in sharing else item.path
        item.add_marker(pytest.mark.xdist_group(str(group)))
    return (yield)


@cache
def _folder_of_the_fixture(path: Path) -> Path:
    return next(
        folder
        for folder in path.parents
        if (file := folder / "conftest.py").exists() and f"def {_SHARED}(" in file.read_text()
    )
