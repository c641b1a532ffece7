"""Scheduling of decisions: in the event loop, or in a thread if the loop would pause."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from tgi_operator.backends.resource import Resource

P = ParamSpec("P")
T = TypeVar("T")

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-specs")
"""One thread. More threads would take interpreter time from the loop, which renews the Lease."""


async def compute(resource: Resource, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of a pure function whose arguments are about `resource`."""
    if not resource.large:
        return function(*args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_THREAD, lambda: function(*args, **kwargs))
