"""The life of one simulator process: start like the launcher, fail like it, serve, drain on SIGTERM.

In addition to the launcher's own variables, it reads

- `SANDBOX_GPUS`: how many GPUs the machine pretends to have (1),
- `SANDBOX_CUDA_CAPABILITY`: the compute capability of those GPUs (8.6),
- `SANDBOX_START_DELAY`: seconds from start to the open port, the time of download, load and warm-up (0),
- `SANDBOX_TOKEN_DELAY`: seconds per generated token (0.02),
- `SANDBOX_FAIL_WITH`: a text to print, after the start delay, before exiting with status 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn

import uvicorn

from tgi_sandbox.tgi import launcher
from tgi_sandbox.tgi.errors import LauncherError
from tgi_sandbox.tgi.server import application

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tgi_sandbox.tgi.options import Options

_PARENT_POLL_SECONDS: Final = 0.5
# The real router keeps idle connections; a short limit would break clients that pool them.
_KEEP_ALIVE_SECONDS: Final = 300


def run(
    env: Mapping[str, str],
    arguments: Sequence[str] | None,
    *,
    environment: Callable[[Mapping[str, str]], Mapping[str, str]] = dict,
) -> int:
    """Run a simulator until it is stopped and return its exit status.

    `environment` turns the environment of the container into that of the launcher.
    """
    flags = _flags(arguments)
    if flags.parent_pid is not None:
        threading.Thread(target=_follow, args=(flags.parent_pid,), daemon=True).start()
    try:
        options = _start(environment(env), flags.port)
    except LauncherError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return _serve(options, flags.host, float(env.get("SANDBOX_TOKEN_DELAY", "0.02")))


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Simulate a Text Generation Inference server.", allow_abbrev=False)
    parser.add_argument("--port", type=int, help="port to listen on (default: the PORT variable)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--parent-pid", type=int, help="exit when the process with this ID has ended")
    return parser.parse_args(arguments)


def _start(env: Mapping[str, str], port: int | None) -> Options:
    """Run the steps before the port opens; an error found only after the download appears after the delay."""
    if port is not None:
        env = {**env, "PORT": str(port)}
    delay = float(env.get("SANDBOX_START_DELAY", "0"))
    try:
        options = launcher.check(env, int(env.get("SANDBOX_GPUS", "1")))
    except LauncherError as error:
        if not error.before_download:
            time.sleep(delay)
        raise
    _say(f"Starting check and download process for {options.model_id}")
    time.sleep(delay)
    if "SANDBOX_FAIL_WITH" in env:
        raise LauncherError(env["SANDBOX_FAIL_WITH"])
    return options


def _serve(options: Options, host: str, token_delay: float) -> int:
    config = uvicorn.Config(
        application(options, token_delay=token_delay),
        host=host,
        port=options.port,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=options.graceful_termination_timeout,
    )
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn handles these while it runs, and raises the signal again when it has drained; a launcher
    # that drained exits with 0. The signals must not be lost before uvicorn runs.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)
    _say("Connected")
    server.run()
    return 0


def _say(message: str) -> None:
    sys.stdout.write(f"INFO text_generation_launcher: {message}\n")
    sys.stdout.flush()


def _follow(parent: int) -> NoReturn:
    """End this process as soon as the parent is gone."""
    own_parent = os.getppid() == parent
    while _alive(parent) and not (own_parent and os.getppid() != parent):
        time.sleep(_PARENT_POLL_SECONDS)
    os._exit(1)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
