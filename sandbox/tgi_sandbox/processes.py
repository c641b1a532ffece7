"""Child processes that end with their parent: start them, wait until they are ready, stop them, quote their logs.

A child gets SIGKILL from the kernel when its parent dies for any reason (`PR_SET_PDEATHSIG`). It has to request
that itself, between fork and exec. `preexec_fn` would run Python in the forked copy of a program with threads,
where it can deadlock, and util-linux's `setpriv --pdeathsig` is not on every machine. A child therefore starts as
a minimal Python program, which makes the request and then becomes the command: 40 ms, and the same process id.

The kernel watches the *thread* that forked, not its process: a child of a worker thread would be killed when that
thread ends. One thread that lives as long as the program therefore starts every child.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

_LOG_TAIL_LINES = 20
_POLL_SECONDS = 0.05
# A process that looks for the owner of a pid file also holds its lock for a moment: long enough to outlast that.
_LOOKERS_SECONDS = 0.5

_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-process")

# argv: the parent's pid, then the command. If the parent died before the call of prctl, its pid has changed.
_EXEC_BOUND_TO_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
    sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class ProcessError(RuntimeError):
    """A child process ended or was not ready in time; the message ends with the last lines of its log."""


class Process:
    """One child process: a command and the log file for all of its output."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._env = env
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, while the process runs."""
        return self._popen.pid if self._popen is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code once the process has ended; a negative value is the signal that ended it."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        """Start the command, appending to the log of an earlier run."""
        if self.running:
            raise ProcessError(f"{self.name} is already running")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._popen = _STARTER.submit(self._spawn, log).result()

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 (the commands are this program's own)
            _bound_to_parent(self.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=None if self._env is None else dict(self._env),
            # A separate process group: Ctrl-C reaches only the parent, which then ends its children in order.
            process_group=0,
        )

    def wait_ready(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `ready` returns true; raise an error if the process ends first or `timeout` seconds pass."""
        deadline = time.monotonic() + timeout
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} was not ready within {timeout:g} s{self._log_ending()}")
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raise an error unless the process runs."""
        if not self.running:
            raise ProcessError(f"{self.name} ended with exit code {self.returncode}{self._log_ending()}")

    def stop(self, grace: float = 5.0) -> None:
        """End the process: SIGTERM, and SIGKILL after `grace` seconds."""
        stop_all([self], grace)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        if self._popen is not None and self.running:
            os.killpg(self._popen.pid, number)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the process ends within `timeout` seconds."""
        if self._popen is None:
            return True
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _log_ending(self) -> str:
        return f"; the end of {self.log}:\n{tail(self.log)}"


def stop_all(processes: Iterable[Process], grace: float = 5.0) -> None:
    """End processes together: SIGTERM to all, then SIGKILL to those that still run after `grace` seconds."""
    running = [process for process in processes if process.running]
    for process in running:
        process.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    for process in running:
        if not process.wait(max(0.0, deadline - time.monotonic())):
            process.signal(signal.SIGKILL)
            process.wait()


def tail(log: Path, lines: int = _LOG_TAIL_LINES) -> str:
    """Return the last lines of a log file."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(empty)"


def _bound_to_parent(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _EXEC_BOUND_TO_PARENT, str(os.getpid()), *command]


class PidFile:
    """Identifies the one process that owns a folder: its pid, in a file that it keeps locked as long as it lives.

    The lock proves that the owner lives, not the pid: the kernel releases the lock with the process, so a pid that now
    belongs to another process is never mistaken for the owner's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Become the owner; false if another process is."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        if not _try_lock(file, fcntl.LOCK_EX, timeout=_LOOKERS_SECONDS):
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Stop being the owner."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def owner(self) -> int | None:
        """Return the owner's pid, or none if no live process owns the folder."""
        if not self._path.exists():
            return None
        with self._path.open("r") as file:
            if _try_lock(file, fcntl.LOCK_SH, timeout=0):
                return None
            text = file.read()
        return int(text) if text else None


def _try_lock(file: IO[str], kind: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
