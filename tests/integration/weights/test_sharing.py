"""TGI, root without capabilities in the Job's group, reads the files of the Job and converts them where it must.

The tests run both as processes with these user IDs on a local folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.weights.conftest import Command, make_command
from tgi_sandbox.hub import HubDouble, Repository

JOB = 65532
URI = "hf://acme/tiny-7b"
PICKLED = {"config.json": b"{}", "pytorch_model.bin": b"weights"}
SAFE = {"config.json": b"{}", "model.safetensors": b"weights"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run processes as other users")


@pytest.fixture
def volume() -> Iterator[Path]:
    """A folder that other users reach, as the root of a volume to which fsGroup was applied."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    data = made / "data"
    data.mkdir()
    os.chown(data, 0, JOB)
    data.chmod(0o2775)
    yield data
    shutil.rmtree(made)


@pytest.fixture
def fetch(hub: HubDouble, volume: Path) -> Command:
    command = make_command(volume.parent, {"HF_ENDPOINT": hub.address})
    for name in ("home", "tmp", "termination-log"):
        os.chown(volume.parent / name, JOB, JOB)
    return command


def job(fetch: Command, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as the Job does."""
    setpriv = ["setpriv", f"--reuid={JOB}", f"--regid={JOB}", "--clear-groups"]
    return subprocess.run(
        [*setpriv, *fetch.command(*arguments)],
        env=fetch.variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def tgi(program: str, *arguments: Path, groups: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program as TGI's container does."""
    setpriv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", groups]
    command = [*setpriv, sys.executable, "-c", f"import pathlib, sys; folder = pathlib.Path(sys.argv[1]); {program}"]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=30)


READ = "print(*sorted(path.read_bytes() for path in folder.iterdir()))"
CONVERT = "(folder / 'model.safetensors').write_bytes(b'converted')"
MEMBER, STRANGER = f"--groups={JOB}", "--clear-groups"


def snapshot(volume: Path, sha: str) -> Path:
    """Return the model's folder as the pod finds it in its home."""
    return volume / "hub" / "tgi" / "a" / "1" / "hub" / "models--acme--tiny-7b" / "snapshots" / sha


@pytest.mark.parametrize("files", [SAFE, PICKLED], ids=["safetensors", "pickle"])
def test_tgi_reads_what_the_job_wrote_and_writes_only_what_it_converts(
    fetch: Command, volume: Path, hub: HubDouble, files: dict[str, bytes]
) -> None:
    commit = hub.add(Repository("acme/tiny-7b")).commit(files)
    done = job(fetch, URI, volume / "hub", "--home", "a/1", "--allow-pickle")
    assert (done.returncode, done.stderr) == (0, "")
    folder = snapshot(volume, commit.sha)

    assert tgi(READ, folder, groups=STRANGER).stdout == "b'weights' b'{}'\n"
    assert "Permission denied" in tgi(CONVERT, folder, groups=STRANGER).stderr
    converted = tgi(CONVERT, folder, groups=MEMBER)
    if files is SAFE:
        assert "Permission denied" in converted.stderr
        return
    assert converted.returncode == 0, converted.stderr
    damage = "[path for path in folder.iterdir() if path.name.startswith('pytorch')][0].write_bytes(b'x')"
    assert "Permission denied" in tgi(damage, folder, groups=MEMBER).stderr
    # The next Job accepts what TGI has added, and removes it with the revision.
    assert job(fetch, URI, volume / "hub", "--home", "a/1", "--allow-pickle").returncode == 0
    hub.repositories["acme/tiny-7b"].commit({**files, "config.json": b'{"a": 1}'})
    assert job(fetch, URI, volume / "hub", "--home", "a/2", "--allow-pickle").returncode == 0
    assert not folder.exists()
    assert not (volume / "hub" / "models--acme--tiny-7b" / "snapshots" / commit.sha).exists()


def test_tgi_converts_an_adapter_and_a_model_that_share_the_volume_with_others(
    fetch: Command, volume: Path, hub: HubDouble
) -> None:
    hub.add(Repository("acme/tiny-7b")).commit(SAFE)
    adapter = hub.add(Repository("acme/sql")).commit({"adapter_config.json": b"{}", "adapter_model.bin": b"lora"})
    assert job(fetch, URI, volume / "hub", "--home", "a/1", "--adapter", "acme/sql", "--allow-pickle").returncode == 0
    folder = volume / "hub" / "models--acme--sql" / "snapshots" / adapter.sha
    assert tgi(CONVERT, folder, groups=MEMBER).returncode == 0


def test_volume_that_ignores_fsgroup_is_named_with_what_to_do(fetch: Command, volume: Path, hub: HubDouble) -> None:
    hub.add(Repository("acme/tiny-7b")).commit(SAFE)
    os.chown(volume, 0, 0)
    volume.chmod(0o755)
    done = job(fetch, URI, volume / "hub", "--home", "a/1")
    assert done.returncode == 3
    assert f"the volume must be writable by uid {JOB} or gid {JOB}; change the owner of the folder" in done.stderr


def test_folder_of_another_user_that_tgi_cannot_write_is_refused_before_a_gpu_is_taken(
    fetch: Command, volume: Path, hub: HubDouble
) -> None:
    commit = hub.add(Repository("acme/tiny-7b")).commit(PICKLED)
    assert job(fetch, URI, volume / "hub", "--allow-pickle").returncode == 0
    folder = volume / "hub" / "models--acme--tiny-7b" / "snapshots" / commit.sha
    # As on a volume that another program filled, and on which an access list lets the Job write.
    os.chown(folder, 1000, 1000)
    folder.chmod(0o755)
    done = job(fetch, URI, volume / "hub", "--home", "a/1", "--allow-pickle")
    assert done.returncode == 3
    assert str(folder) in done.stderr
    assert not snapshot(volume, commit.sha).parent.exists()


def test_modes_that_keep_others_from_reading_are_opened(fetch: Command, volume: Path, hub: HubDouble) -> None:
    """Such as those of the default ACL of a folder, which replace the umask."""
    commit = hub.add(Repository("acme/tiny-7b")).commit(SAFE)
    assert job(fetch, URI, volume / "hub").returncode == 0
    for path in (volume / "hub").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
    assert job(fetch, URI, volume / "hub", "--home", "a/1").returncode == 0
    assert tgi(READ, snapshot(volume, commit.sha), groups=STRANGER).returncode == 0
