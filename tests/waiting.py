"""Waiting for a state of an API server."""

import time
from collections.abc import Callable

from tgi_sandbox.cluster.api import ApiError, ApiServer

WAIT_SECONDS = 60.0


def wait_until(condition: Callable[[], object], describe: Callable[[], object] = str) -> None:
    """Wait until a condition is true; on a timeout, fail with the text of `describe`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited too long: {describe()}"
        time.sleep(0.05)


def is_found(api: ApiServer, path: str) -> bool:
    """Return whether an object exists at a path."""
    try:
        api.request("GET", path)
    except ApiError as error:
        if error.code in (404, 429):  # 429: the storage of a new resource is being set up
            return False
        raise
    return True
