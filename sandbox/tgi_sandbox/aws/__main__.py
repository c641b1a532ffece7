"""Run the emulator: `python -m tgi_sandbox.aws --port N`.

The emulator prints its address on standard output once it accepts connections.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from tgi_sandbox.aws.app import AwsApp
from tgi_sandbox.aws.clock import Clock
from tgi_sandbox.aws.connection import CuttableProtocol
from tgi_sandbox.aws.lifecycle import Durations
from tgi_sandbox.aws.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOPBACK = "127.0.0.1"
_DRAIN_SECONDS = 2
_BACKLOG = 2048
# Longer than any client keeps a connection idle, so that a connection closes during a request only if a fault asks
# for it.
_IDLE_SECONDS = 300


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            sys.stdout.write(f"http://{_LOOPBACK}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal arrives."""
    options = _parser().parse_args(arguments)
    clock = Clock(0 if options.clock == "manual" else options.speed)
    durations = Durations().changed(dict(options.duration))
    world = World(clock, durations=durations, initial_durations=durations)
    with _listen(options.port) as listener:
        asyncio.run(_serve(world, listener))
    return 0


def _listen(port: int) -> socket.socket:
    # If the protocol is named, asyncio disables Nagle's algorithm for accepted connections. Otherwise, a response
    # written in two pieces waits 40 ms for the acknowledgement of the first.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((_LOOPBACK, port))
    listener.listen(_BACKLOG)
    return listener


async def _serve(world: World, listener: socket.socket) -> None:
    config = uvicorn.Config(
        AwsApp(world),
        http=CuttableProtocol,
        loop="asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
    )
    await _Server(config).serve(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tgi_sandbox.aws", description="Run an AWS emulator on the loopback interface."
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free port)")
    parser.add_argument(
        "--clock",
        choices=("real", "manual"),
        default="real",
        help="a manual clock moves only with POST advance (default: %(default)s)",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds per real second (default: 1.0)")
    parser.add_argument(
        "--duration",
        type=_duration,
        action="append",
        default=[],
        metavar="CHANGE=SECONDS",
        help="virtual seconds that a change takes, such as create=30",
    )
    return parser


def _duration(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    return name, float(seconds)


if __name__ == "__main__":
    sys.exit(main())
