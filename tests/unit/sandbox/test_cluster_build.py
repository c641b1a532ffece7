"""Where the control plane's programs come from."""

import io
import threading
from pathlib import Path

import pytest

from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.build import BuildError
from tgi_sandbox.cluster.progress import Progress

# Stands for go: `go version` answers as Go does, `go build` writes its last argument to the file after -o.
_GO = """#!/bin/sh
if [ "$1" = version ]; then echo go version go1.26.8; exit; fi
for package; do :; done
while [ "$1" != -o ]; do shift; done
echo "$package" >> "$GO_CALLS"
sleep 0.3
[ -z "$GO_FAILS" ] || { echo undefined: x; exit 1; }
echo "$package" > "$2"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH with a stand-in for Go and no kubectl."""
    programs = tmp_path / "path"
    programs.mkdir()
    (programs / "go").write_text(_GO)
    (programs / "go").chmod(0o755)
    for tool in ("sh", "sleep"):
        (programs / tool).symlink_to(f"/bin/{tool}")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o755)
    return path


def _calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_programs_are_built_once_in_the_order_of_need(folder: Path) -> None:
    output = io.StringIO()
    programs = build.ensure(progress=Progress(output))
    assert programs == {name: build.bin_folder() / name for name in build.PACKAGES}
    assert programs["kwok"].read_text() == "sigs.k8s.io/kwok/cmd/kwok\n"
    assert build.ensure() == programs
    assert _calls(folder) == list(build.PACKAGES.values())
    assert "[2/6] kube-apiserver ...\n" in output.getvalue()


def test_only_what_is_asked_for_is_built(folder: Path) -> None:
    build.ensure(["kube-apiserver", "etcd"], Progress(io.StringIO()))
    assert _calls(folder) == [build.PACKAGES["etcd"], build.PACKAGES["kube-apiserver"]]


def test_kubectl_on_path_is_used(folder: Path) -> None:
    kubectl = _touch(folder / "path" / "kubectl")
    assert build.ensure(["kubectl"]) == {"kubectl": kubectl}


def test_kubebuilder_assets_are_used_for_what_they_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder / "assets"))
    etcd = _touch(folder / "assets" / "etcd")
    assert build.find() == {"etcd": etcd}
    programs = build.ensure(["etcd", "kube-apiserver"], Progress(io.StringIO()))
    assert programs == {"etcd": etcd, "kube-apiserver": build.bin_folder() / "kube-apiserver"}


def test_a_failed_build_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_FAILS", "1")
    with pytest.raises(BuildError, match=r"(?s)go build etcd ended with exit code 1.*undefined: x"):
        build.ensure(["etcd"], Progress(io.StringIO()))
    assert list(build.bin_folder().iterdir()) == []


def test_builders_do_not_race(folder: Path) -> None:
    outputs = [io.StringIO(), io.StringIO()]
    builders = [threading.Thread(target=build.ensure, args=(["etcd"], Progress(output))) for output in outputs]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert _calls(folder) == [build.PACKAGES["etcd"]]
    assert sum("Waiting for another build" in output.getvalue() for output in outputs) == 1


def test_a_new_version_has_a_folder_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = folder / "module"
    module.mkdir()
    for name in ("go.mod", "go.sum"):
        (module / name).write_bytes((build.MODULE / name).read_bytes())
    before = build.bin_folder()
    monkeypatch.setattr(build, "MODULE", module)
    assert build.bin_folder() == before
    with (module / "go.sum").open("a") as file:
        file.write("\n")
    assert build.bin_folder() != before


def test_the_version_is_stamped_into_the_programs() -> None:
    version = build.kubernetes_version()
    assert f"-X k8s.io/component-base/version.gitVersion={version}" in build._link_flags()
    assert "version.gitMajor=1 " in build._link_flags()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x"}, Path("/x/tgi-sandbox")),
        ({"XDG_CACHE_HOME": ""}, Path.home() / ".cache" / "tgi-sandbox"),
        ({}, Path.home() / ".cache" / "tgi-sandbox"),
    ],
)
def test_cache_folder(environ: dict[str, str], expected: Path) -> None:
    assert build.cache_folder(environ) == expected


def test_every_program_is_a_tool_of_the_module() -> None:
    tools = (build.MODULE / "go.mod").read_text().partition("tool (")[2].partition(")")[0].split()
    assert sorted(tools) == sorted(build.PACKAGES.values())
