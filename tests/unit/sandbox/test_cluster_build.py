"""The sources of the control plane's programs."""

import io
import re
import threading
from pathlib import Path

import pytest

from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.build import BuildError
from tgi_sandbox.cluster.programs import ARGOCD, CLUSTER, KEDA, KUBERNETES, PROGRAMS, USUAL, VALE, Module
from tgi_sandbox.cluster.progress import Progress

# A stand-in for go: `go version` answers as Go does, `go build` writes its last argument to the file after -o.
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


def _modules() -> list[Module]:
    return list(dict.fromkeys(program.module for program in PROGRAMS.values()))


def _other_module(folder: Path) -> Path:
    module = folder / "other"
    module.mkdir()
    (module / "go.mod").write_text("module other\n\ngo 1.26.0\n\nrequire example v1.0.0\n")
    return module


def _calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_programs_are_built_once_in_the_order_of_need(folder: Path) -> None:
    output = io.StringIO()
    found = build.ensure(progress=Progress(output))
    assert found == {name: build.bin_folder() / name for name in CLUSTER}
    assert found["kwok"].read_text() == "sigs.k8s.io/kwok/cmd/kwok\n"
    assert build.ensure() == found
    assert _calls(folder) == [PROGRAMS[name].package for name in CLUSTER]
    assert "[2/6] kube-apiserver ...\n" in output.getvalue()


def test_programs_of_several_modules_are_built_each_into_its_folder(folder: Path) -> None:
    names = ["etcd", "prometheus", "keda-operator"]
    found = build.ensure(names, Progress(io.StringIO()))
    assert found == {name: build.bin_folder(PROGRAMS[name].module) / name for name in names}
    assert len({path.parent for path in found.values()}) == 3
    assert _calls(folder) == [PROGRAMS[name].package for name in names]


def test_c_is_compiled_for_the_program_that_needs_it_alone() -> None:
    with_c = {name for name, program in PROGRAMS.items() if build._environment(program)["CGO_ENABLED"] == "1"}
    assert with_c == {"vale"}


def test_only_what_is_asked_for_is_built(folder: Path) -> None:
    build.ensure(["kube-apiserver", "etcd"], Progress(io.StringIO()))
    assert _calls(folder) == [PROGRAMS["etcd"].package, PROGRAMS["kube-apiserver"].package]


def test_kubectl_on_path_is_used(folder: Path) -> None:
    kubectl = _touch(folder / "path" / "kubectl")
    assert build.ensure(["kubectl"]) == {"kubectl": kubectl}


def test_kubebuilder_assets_are_used_for_what_they_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder / "assets"))
    etcd = _touch(folder / "assets" / "etcd")
    assert build.find() == {"etcd": etcd}
    programs = build.ensure(["etcd", "kube-apiserver"], Progress(io.StringIO()))
    assert programs == {"etcd": etcd, "kube-apiserver": build.bin_folder() / "kube-apiserver"}


def test_what_a_build_takes_is_said_of_what_is_built(capfd: pytest.CaptureFixture[str]) -> None:
    build.ensure(["etcd", "kwok"])
    expected = f"All {len(CLUSTER)} programs of this module take {KUBERNETES.cost}. These 2 take less."
    assert expected in capfd.readouterr().err
    build.ensure(["helm"])
    assert "This takes about 1.5 minutes of CPU time." in capfd.readouterr().err


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
    assert _calls(folder) == [PROGRAMS["etcd"].package]
    assert sum("Waiting for another build" in output.getvalue() for output in outputs) == 1


def test_a_new_version_has_a_folder_of_its_own(folder: Path) -> None:
    module = Module(folder / "module", "")
    module.folder.mkdir()
    for name in ("go.mod", "go.sum"):
        (module.folder / name).write_bytes((KUBERNETES.folder / name).read_bytes())
    assert build.bin_folder(module) == build.bin_folder()
    with (module.folder / "go.sum").open("a") as file:
        file.write("\n")
    assert build.bin_folder(module) != build.bin_folder()
    before = build.bin_folder(module)
    (module.folder / "main.go").write_text("package main\n")
    assert build.bin_folder(module) != before


def test_the_version_is_stamped_into_the_programs() -> None:
    version = build.kubernetes_version()
    flags = build._link_flags(KUBERNETES)
    assert f"-X k8s.io/component-base/version.gitVersion={version}" in flags
    assert "version.gitMajor=1 " in flags


def test_the_version_of_kubernetes_is_stamped_into_nothing_else() -> None:
    assert {build._link_flags(module) for module in _modules() if module != KUBERNETES} == {"-s -w"}


def test_source_is_where_go_says(folder: Path) -> None:
    answer = folder / "answer"
    answer.write_text('{"Dir": "/modules/keda"}')
    (folder / "path" / "go").write_text(f"""#!/bin/sh
if [ "$1" = version ]; then echo go version go1.26.8; exit; fi
[ "$*" = "mod download -json github.com/kedacore/keda/v2@{KEDA.version("github.com/kedacore/keda/v2")}" ] || exit 1
while read -r line || [ -n "$line" ]; do echo "$line"; done < {answer}
""")
    assert build.source(KEDA, "github.com/kedacore/keda/v2") == Path("/modules/keda")
    with pytest.raises(BuildError, match="mod download -json example"):
        build.source(Module(_other_module(folder), ""), "example")


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


@pytest.mark.parametrize("module", _modules(), ids=lambda module: module.folder.name)
def test_every_program_is_a_tool_of_its_module(module: Module) -> None:
    tools = re.findall(r"^(?:tool |\t)([\w./-]+)$", (module.folder / "go.mod").read_text(), re.MULTILINE)
    assert sorted(tools) == sorted(program.package for program in PROGRAMS.values() if program.module == module)


def test_only_what_costs_most_or_needs_a_c_compiler_is_not_built_unasked() -> None:
    assert {PROGRAMS[name].module for name in set(PROGRAMS) - set(USUAL)} == {KEDA, ARGOCD, VALE}
    assert set(CLUSTER) < set(USUAL)
