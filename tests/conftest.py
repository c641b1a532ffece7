"""The event loop of tests that need none, and which files of tests share a process."""

import asyncio

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# looptime's plugin asks for the event loop before every test. Unless one was set, Python 3.11 would make one for a test
# that is no coroutine, and nobody would close it.
asyncio.set_event_loop(None)

_SHARING = {
    "tests/integration/install": ("test_",),
    "tests/integration/sandbox": ("test_cluster.py", "test_network.py", "test_pods.py"),
    "tests/integration": ("cli/", "crd/", "gitops/", "incluster/", "intake/", "manifests/"),
}
"""Folders with a control plane, and the files or folders in them whose tests use it."""


class _OneProcessForEachControlPlane(LoadFileScheduling):
    """Distributes files among the processes; those that share a control plane go to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        for folder, parts in _SHARING.items():
            if nodeid.startswith(tuple(f"{folder}/{part}" for part in parts)):
                return folder
        return super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Return what distributes the tests, whatever `--dist` says."""
    return _OneProcessForEachControlPlane(config, log)
