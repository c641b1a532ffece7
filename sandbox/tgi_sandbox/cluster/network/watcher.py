"""Follows all pods: passes each change to the network, and checks each pod when it first appears."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from http.client import HTTPException
from json import JSONDecodeError

from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.network.network import Network
from tgi_sandbox.cluster.network.pod import Pod
from tgi_sandbox.cluster.network.pods import annotate, changes, listing
from tgi_sandbox.cluster.network.refusals import verdict

_RETRY_SECONDS = 0.5


class Watcher:
    """Runs in a thread, since a watch blocks; the network runs in an event loop."""

    def __init__(self, api: ApiServer, network: Network, loop: asyncio.AbstractEventLoop) -> None:
        self._api = api
        self._network = network
        self._loop = loop

    def run(self) -> None:
        """Follow forever; on a failure, the process ends, which the control plane detects."""
        try:
            while True:
                with suppress(ApiError, OSError, HTTPException, JSONDecodeError):
                    self._follow()
                time.sleep(_RETRY_SECONDS)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def _follow(self) -> None:
        # List all pods each time: some may have been deleted while the connection was lost.
        pods, version = listing(self._api)
        self._loop.call_soon_threadsafe(self._network.listed, pods)
        for pod in pods:
            self._judge(pod)
        for kind, pod in changes(self._api, version):
            if kind == "ADDED":
                self._judge(pod)
            notice = self._network.deleted if kind == "DELETED" else self._network.changed
            self._loop.call_soon_threadsafe(notice, pod)

    def _judge(self, pod: Pod) -> None:
        annotations = verdict(pod)
        if annotations:
            with suppress(ApiError):  # it is already deleted
                annotate(self._api, pod, annotations)
