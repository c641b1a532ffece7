"""The control plane as a process: started, stopped, killed, and broken."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tgi_sandbox.cluster import ControlPlane, components
from tgi_sandbox.cluster.control_plane import DEFAULT_NODES
from tgi_sandbox.cluster.ports import answers
from tgi_sandbox.processes import ProcessError
from waiting import WAIT_SECONDS, is_found, wait_until

_START_SCRIPT = """
import sys, time
from pathlib import Path
from tgi_sandbox.cluster import ControlPlane, components

control_plane = ControlPlane(Path(sys.argv[1]))
control_plane.start()
print(*(process.pid for process in control_plane.processes.values()), flush=True)
time.sleep(60)
"""


def _is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_core_alone_starts_empty_each_time_and_survives_restarts_of_its_parts(tmp_path: Path) -> None:
    control_plane = ControlPlane(tmp_path, components.CORE)
    with control_plane:
        assert set(control_plane.processes) == {"etcd", "kube-apiserver"}
        control_plane.create_namespace("kept")
        with pytest.raises(RuntimeError, match="already running"):
            control_plane.start()
        apiserver = control_plane.processes["kube-apiserver"]
        apiserver.stop()
        with pytest.raises(ProcessError, match="kube-apiserver ended"):
            control_plane.check()
        apiserver.start()
        apiserver.wait_ready(control_plane.api.ready, WAIT_SECONDS)
        assert is_found(control_plane.api, "/api/v1/namespaces/kept")
        pids = [process.pid for process in control_plane.processes.values()]
    assert not any(_is_alive(pid) for pid in pids if pid is not None)
    with control_plane:
        assert not is_found(control_plane.api, "/api/v1/namespaces/kept")


def test_component_that_fails_is_named_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = tmp_path / "assets" / "etcd"
    etcd.parent.mkdir()
    etcd.write_text("#!/bin/sh\necho the disk is full\nexit 3\n")
    etcd.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(etcd.parent))
    control_plane = ControlPlane(tmp_path / "cluster", components.CORE)
    with pytest.raises(ProcessError, match=r"(?s)etcd ended with exit code 3.*the disk is full"):
        control_plane.start()
    assert not any(process.running for process in control_plane.processes.values())


def test_killed_parent_leaves_no_component_alive(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _START_SCRIPT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == len(components.ALL)
        assert all(_is_alive(pid) for pid in pids)
        parent.kill()
    wait_until(lambda: not any(_is_alive(pid) for pid in pids))


def _run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tgi_sandbox.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _pids(folder: Path) -> list[int]:
    rows = _run_cli("status", "--dir", str(folder)).stdout.partition("\n\n")[0].splitlines()[1:]
    return [int(next(word for word in row.split() if word.isdigit())) for row in rows]


def test_up_detached_and_down(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    up = _run_cli("up", "--detach", "--dir", str(folder))
    try:
        assert up.returncode == 0, up.stderr
        script = f". {folder / 'env'} && kubectl get nodes --no-headers && echo $AWS_ENDPOINT_URL"
        used = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert used.returncode == 0, used.stderr
        assert used.stdout.count(" Ready ") == len(DEFAULT_NODES)
        assert answers(int(used.stdout.rstrip().rpartition(":")[2]), "/_sandbox/clock")
        pids = _pids(folder)
        assert len(pids) == 8
        again = _run_cli("up", "--detach", "--dir", str(folder))
        assert again.returncode == 0
        assert "already running" in again.stdout
        assert _pids(folder) == pids
    finally:
        down = _run_cli("down", "--dir", str(folder))
    assert down.returncode == 0
    assert not any(_is_alive(pid) for pid in pids[1:])
    wait_until(lambda: not _is_alive(pids[0]))
    assert not (folder / "env").exists()
    assert _run_cli("down", "--dir", str(folder)).returncode == 0


def test_up_in_the_foreground_ends_with_an_interrupt(tmp_path: Path) -> None:
    """`down` sends SIGTERM."""
    command = [sys.executable, "-m", "tgi_sandbox.cli", "up", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        wait_until(lambda: (tmp_path / "env").exists() or up.poll() is not None)
        pids = _pids(tmp_path)
        up.send_signal(signal.SIGINT)
        assert up.wait(WAIT_SECONDS) == 0
    assert len(pids) == 8
    assert not any(_is_alive(pid) for pid in pids)


def test_up_ends_where_a_component_ends(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    command = [sys.executable, "-m", "tgi_sandbox.cli", "up", "--dir", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as up:
        wait_until(lambda: (folder / "env").exists() or up.poll() is not None)
        _, etcd, *rest = _pids(folder)
        os.kill(etcd, signal.SIGKILL)
        assert up.wait(WAIT_SECONDS) == 1
        assert up.stderr is not None
        assert "etcd ended with exit code -9" in up.stderr.read()
    assert not any(_is_alive(pid) for pid in rest)
