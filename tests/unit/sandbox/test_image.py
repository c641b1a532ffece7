"""The check of the operator's image: its findings, without an image."""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tgi_sandbox.image import check, figures
from tgi_sandbox.image.bases import _same_versions
from tgi_sandbox.image.buildah import ImageConfig, ImageError
from tgi_sandbox.image.container import Seen, Volume, look, specification
from tgi_sandbox.image.contents import contents
from tgi_sandbox.image.figures import Figures

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
REQUIREMENTS = (ROOT / "ci" / "uv-requirements.txt").read_text()

CONFIG = ImageConfig(
    user="65532:65532",
    entrypoint=("tgi-operator",),
    command=("run",),
    environment=("PATH=/opt/venv/bin",),
    folder="/tmp",  # noqa: S108 - the container's
    labels={},
)
FIGURES = Figures("0.1.0", "stand-ins", 100.0, 40.0, 1000, 1.5, 1.2, 100)
SEEN = Seen(frozenset({"65532"}), frozenset({"0" * 16}), True, True, 100.0, 1.0)

SITE = "opt/venv/lib/python3.13/site-packages"


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    """Return the files of a correct image."""
    for name in ("etc/ssl/certs/ca-certificates.crt", "usr/bin/python3.13", f"{SITE}/kopf-1.45.2.dist-info/METADATA"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    return tmp_path


def _add(name: str, mode: int = 0o755) -> Callable[[Path], None]:
    def add(rootfs: Path) -> None:
        (rootfs / name).parent.mkdir(parents=True, exist_ok=True)
        (rootfs / name).write_text("x")
        (rootfs / name).chmod(mode)

    return add


def test_an_image_as_it_must_be_has_no_problems(rootfs: Path) -> None:
    found = contents(rootfs)
    assert list(found.problems({"kopf"})) == []
    assert found.distributions == {"kopf"}
    assert found.bytes == 3


@pytest.mark.parametrize(
    "tool", ["gcc-14", "x86_64-linux-gnu-gcc", "ld", "make", "pip3.13", "uv", "apt-get", "sh", "su"]
)
def test_tools_and_shells_are_found(rootfs: Path, tool: str) -> None:
    _add(f"usr/bin/{tool}")(rootfs)
    assert any(tool in problem for problem in contents(rootfs).problems({"kopf"}))


@pytest.mark.parametrize("other", ["openssl", "python3", "tgi-operator", "hf", "wsdump"])
def test_other_programs_are_let_be(rootfs: Path, other: str) -> None:
    _add(f"usr/bin/{other}")(rootfs)
    assert list(contents(rootfs).problems({"kopf"})) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_add("usr/bin/passwd", 0o4755), "setuid"),
        (_add("usr/bin/chage", 0o2755), "setuid"),
        (_add("opt/venv/.lock", 0o666), "world-writable"),
        (_add(f"{SITE}/sagemaker-3.27.0.dist-info"), "contains the Python distribution sagemaker"),
        (_add(f"{SITE}/pip-25.0.dist-info"), "contains the Python distribution pip"),
        (_add(f"{SITE}/typing_extensions-4.16.0.dist-info"), "typing-extensions is not in the SBOM"),
        (lambda rootfs: (rootfs / "etc/ssl/certs/ca-certificates.crt").unlink(), "no CA certificates"),
    ],
)
def test_what_must_not_be_is_found(rootfs: Path, change: Callable[[Path], None], problem: str) -> None:
    change(rootfs)
    assert any(problem in found for found in contents(rootfs).problems({"kopf"}))


def test_what_was_written_is_found(rootfs: Path) -> None:
    before = contents(rootfs)
    assert before.changes(contents(rootfs)) == []
    _add("var/cache/new")(rootfs)
    os.utime(rootfs / "usr/bin/python3.13", (1, 1))
    (rootfs / "etc/ssl/certs/ca-certificates.crt").unlink()
    changed = set(before.changes(contents(rootfs)))
    assert {"/var/cache/new", "/usr/bin/python3.13", "/etc/ssl/certs/ca-certificates.crt"} <= changed


def test_the_container_is_as_closed_as_the_pod() -> None:
    kubeconfig = Volume(Path("/k"), "/etc/kubeconfig")
    spec = specification(Path("/r"), CONFIG, [], {"A": "b"}, kubeconfig, memory=1)
    process = spec["process"]
    assert spec["root"] == {"path": "/r", "readonly": True}
    assert process["user"] == {"uid": 65532, "gid": 65532}
    assert process["capabilities"] == {}
    assert process["noNewPrivileges"]
    assert process["args"] == ["tgi-operator", "run"]
    assert process["env"] == ["PATH=/opt/venv/bin", "A=b"]
    assert spec["linux"]["resources"]["memory"] == {"limit": 1}
    (mount,) = (mount for mount in spec["mounts"] if mount["destination"] == "/etc/kubeconfig")
    assert "ro" in mount["options"]


def test_arguments_replace_the_command_only() -> None:
    spec = specification(Path("/r"), CONFIG, ["fetch", "--help"], {}, memory=1)
    assert spec["process"]["args"] == ["tgi-operator", "fetch", "--help"]


@pytest.mark.parametrize("user", ["", "65532", "nonroot:nonroot"])
def test_a_user_who_is_no_number_is_refused(user: str) -> None:
    with pytest.raises(ImageError, match="USER"):
        specification(Path("/r"), replace(CONFIG, user=user), [], {}, memory=1)


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (replace(SEEN, users=frozenset({"65532", "0"})), "runs as"),
        (replace(SEEN, capabilities=frozenset({"00000000a80425fb"})), "capabilities"),
        (replace(SEEN, no_new_privileges=False), "privileges"),
        (replace(SEEN, root_read_only=False), "root"),
    ],
)
def test_what_the_kernel_says_against_it_is_told(seen: Seen, problem: str) -> None:
    assert SEEN.problems(65532) == []
    (found,) = seen.problems(65532)
    assert problem in found


def test_the_kernel_is_asked_about_a_process() -> None:
    seen = look(os.getpid())
    assert str(os.getuid()) in seen.users
    assert seen.peak_mib > 1
    assert seen.cpu_seconds > 0


def test_figures_are_kept_and_growth_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ci" / "figures.json"
    assert figures.read(file) is None
    FIGURES.write(file)
    assert figures.read(file) == FIGURES
    later = replace(FIGURES, version="0.2.0", pull_mb=45.0, unpacked_mb=109.0, start_seconds=9.0)
    assert later.problems(FIGURES) == ["pull_mb has grown by more than 10% since 0.1.0"]
    assert later.problems(None) == []
    assert later.problems(replace(FIGURES, bases="pulled")) == []
    assert any(re.search(r"pull, MB +45 +40", row) for row in later.rows(FIGURES))


def test_the_last_releases_figures_can_be_read() -> None:
    assert figures.read(check.BASELINE) is not None


def test_stand_ins_are_for_the_images_of_the_dockerfile(tmp_path: Path) -> None:
    version = re.search(r"uv==([\d.]+)", REQUIREMENTS)
    assert version
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\necho uv {version[1]}\n")
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)
    _same_versions(DOCKERFILE, REQUIREMENTS, uv)
    others = [
        (DOCKERFILE, REQUIREMENTS.replace(version[1], "0.0.1")),
        (DOCKERFILE.replace("debian:trixie", "debian:forky"), REQUIREMENTS),
    ]
    for dockerfile, requirements in others:
        with pytest.raises(ImageError):
            _same_versions(dockerfile, requirements, uv)


def test_the_build_takes_what_the_lock_says() -> None:
    assert "--locked" in DOCKERFILE
    assert "--frozen" not in DOCKERFILE


def test_nothing_but_the_operator_gets_into_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line for line in lines if line.startswith("!")} == {
        "!LICENSE",
        "!README.md",
        "!ci/uv-requirements.txt",
        "!operator",
        "!pyproject.toml",
        "!sandbox/pyproject.toml",
        "!uv.lock",
    }


def test_the_memory_limit_is_that_of_the_deployment() -> None:
    manifests = yaml.safe_load_all((ROOT / "manifests" / "base" / "operator.yaml").read_text())
    deployment = next(each for each in manifests if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == f"{check._memory_limit() // 1024**2}Mi"
