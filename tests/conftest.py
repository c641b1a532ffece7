"""The event loop of tests that need none, and the groups of test files that share a process."""

import asyncio

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# looptime's plugin requests the event loop before every test. Without a current one, Python 3.11 would create one for a
# test that is not a coroutine, and nothing would close it.
asyncio.set_event_loop(None)

_SHARING = {
    "tests/integration/install": ("test_",),
    "tests/integration/sandbox": ("test_cluster.py", "test_network.py", "test_pods.py"),
    "tests/integration": ("cli/", "crd/", "gitops/", "incluster/", "intake/", "manifests/"),
}
"""Folders with a control plane, and the files or folders in them whose tests use it."""


class _OneProcessForEachControlPlane(LoadFileScheduling):
    """Distributes files among the processes; those that share a control plane run in the same one."""

    def _split_scope(self, nodeid: str) -> str:
        for folder, parts in _SHARING.items():
            if nodeid.startswith(tuple(f"{folder}/{part}" for part in parts)):
                return folder
        return super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Return the scheduler for the tests, regardless of `--dist`."""
    return _OneProcessForEachControlPlane(config, log)
