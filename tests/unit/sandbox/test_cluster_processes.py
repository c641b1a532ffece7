"""Child processes: their start, readiness, end, and the messages when one of them fails."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tgi_sandbox.processes import PidFile, Process, ProcessError, stop_all, tail


def _process(tmp_path: Path, *command: str) -> Process:
    return Process("sleeper", command, tmp_path / "logs" / "sleeper.log")


def _is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _is_alive(pid)


def test_start_and_stop(tmp_path: Path) -> None:
    process = _process(tmp_path, "sleep", "60")
    process.start()
    pid = process.pid
    assert pid is not None
    with pytest.raises(ProcessError, match="already running"):
        process.start()
    process.stop()
    assert process.returncode == -signal.SIGTERM
    assert not _is_alive(pid)


def test_a_stopped_process_starts_again_and_keeps_its_log(tmp_path: Path) -> None:
    process = _process(tmp_path, "echo", "hello")
    for _ in range(2):
        process.start()
        assert process.wait(10)
    assert process.log.read_text() == "hello\nhello\n"


def test_sigterm_that_is_ignored_is_followed_by_sigkill(tmp_path: Path) -> None:
    process = _process(tmp_path, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    process.start()
    process.wait_ready(lambda: "ready" in process.log.read_text(), timeout=10)
    process.stop(grace=0.2)
    assert process.returncode == -signal.SIGKILL


def test_a_process_that_ends_before_it_is_ready_shows_its_log(tmp_path: Path) -> None:
    process = _process(tmp_path, "sh", "-c", "echo the disk is full; exit 3")
    process.start()
    with pytest.raises(ProcessError, match=r"(?s)sleeper ended with exit code 3; the end of .*the disk is full"):
        process.wait_ready(lambda: False, timeout=10)


def test_a_process_that_is_never_ready_shows_its_log(tmp_path: Path) -> None:
    process = _process(tmp_path, "sh", "-c", "echo waiting for Godot; exec sleep 60")
    process.start()
    try:
        with pytest.raises(ProcessError, match=r"(?s)not ready within 0.5 s.*waiting for Godot"):
            process.wait_ready(lambda: False, timeout=0.5)
    finally:
        process.stop()


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    process = _process(tmp_path, "/nonexistent/program")
    process.start()
    with pytest.raises(ProcessError, match="FileNotFoundError"):
        process.wait_ready(lambda: False, timeout=10)


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    process = _process(tmp_path, "sh", "-c", "sleep 60 & echo $!; wait")
    process.start()
    process.wait_ready(lambda: process.log.read_text().strip().isdigit(), timeout=10)
    grandchild = int(process.log.read_text())
    stop_all([process])
    assert _wait_until_gone(grandchild)


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    process = _process(tmp_path, "sleep", "60")
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join()
    try:
        assert not process.wait(0.5)
    finally:
        process.stop()


def test_a_child_dies_with_its_parent_even_by_sigkill(tmp_path: Path) -> None:
    program = (
        "import time; from pathlib import Path; from tgi_sandbox.processes import Process\n"
        f"process = Process('sleeper', ['sleep', '60'], Path({str(tmp_path / 'log')!r}))\n"
        "process.start(); print(process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _is_alive(pid)
        parent.kill()
    assert _wait_until_gone(pid)


@pytest.mark.parametrize(
    ("content", "expected"),
    [("a\nb\nc\n", "b\nc"), ("a\n", "a"), ("", "(empty)"), (None, "(no log)")],
)
def test_tail(tmp_path: Path, content: str | None, expected: str) -> None:
    log = tmp_path / "log"
    if content is not None:
        log.write_text(content)
    assert tail(log, lines=2) == expected


def test_pid_file_names_its_owner_for_as_long_as_it_lives(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "pid"
    assert PidFile(path).owner() is None
    owner = PidFile(path)
    assert owner.acquire()
    assert PidFile(path).owner() == os.getpid()
    assert not PidFile(path).acquire()
    owner.release()
    assert PidFile(path).owner() is None
    again = PidFile(path)
    assert again.acquire()
    again.release()


def test_pid_file_of_a_killed_owner_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    program = (
        "import time; from pathlib import Path; from tgi_sandbox.processes import PidFile\n"
        f"file = PidFile(Path({str(path)!r})); print(file.acquire(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "True\n"
        assert PidFile(path).owner() == owner.pid
        owner.kill()
    assert PidFile(path).owner() is None
    assert path.read_text() == str(owner.pid)
