"""Waiting for what an API server will show."""

import time
from collections.abc import Callable

from tgi_sandbox.cluster.api import ApiError, ApiServer

WAIT_SECONDS = 60.0


def wait_until(condition: Callable[[], object], describe: Callable[[], object] = str) -> None:
    """Wait until a condition holds; in the end say what `describe` returns."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited too long: {describe()}"
        time.sleep(0.05)


def is_found(api: ApiServer, path: str) -> bool:
    """Return whether there is something at a path."""
    try:
        api.request("GET", path)
    except ApiError as error:
        if error.code in (404, 429):  # 429: the storage of a new resource is being set up
            return False
        raise
    return True
