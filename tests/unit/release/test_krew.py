"""The kubectl plugin as Krew installs it, from a local archive; https://krew.sigs.k8s.io describes the manifest."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from unit.docs.pages import ROOT

KREW = ROOT / "ci" / "krew"
VERSION = "1.2.3"
WHEEL = f"tgi_operator-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the archive and the manifest of a release."""
    work, folder = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("dist")
    (work / WHEEL).write_bytes(b"wheel")
    (work / "pinned.txt").write_text("click==8.5.1\n")
    arguments: list[str | Path] = [work / WHEEL, work / "pinned.txt", VERSION, "owner/tgi-operator", folder]
    subprocess.run([KREW / "build.sh", *arguments], check=True)
    return folder


@pytest.fixture(scope="module")
def manifest(built: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((built / "tgi.yaml").read_text())
    return found


def test_the_manifest_is_one_of_krew(manifest: dict[str, Any]) -> None:
    assert (manifest["apiVersion"], manifest["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    # The file of a plugin has its name.
    assert manifest["metadata"] == {"name": "tgi"}
    spec = manifest["spec"]
    assert spec["version"] == f"v{VERSION}"
    assert len(spec["shortDescription"]) <= 50
    assert not spec["shortDescription"].endswith(".")
    assert "kubectl" not in spec["shortDescription"]
    assert all(len(line) <= 80 for text in ("description", "caveats") for line in spec[text].splitlines())
    assert "${" not in yaml.safe_dump(manifest)


def test_the_archive_is_the_one_that_the_manifest_names(built: Path, manifest: dict[str, Any]) -> None:
    (platform,) = manifest["spec"]["platforms"]
    address = f"https://github.com/owner/tgi-operator/releases/download/v{VERSION}/"
    assert platform["uri"].startswith(address)
    archive = built / platform["uri"].removeprefix(address)
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    with tarfile.open(archive) as found:
        members = {member.name.removeprefix("./"): member for member in found.getmembers() if member.isfile()}
    assert members.keys() == {platform["bin"], WHEEL, "constraints.txt", "LICENSE"}
    assert members[platform["bin"]].mode & 0o111 == 0o111


def test_the_same_files_make_the_same_archive(built: Path, tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"wheel")
    (tmp_path / "pinned.txt").write_text("click==8.5.1\n")
    arguments: list[str | Path] = [tmp_path / WHEEL, tmp_path / "pinned.txt", VERSION, "owner/tgi-operator", tmp_path]
    subprocess.run([KREW / "build.sh", *arguments], check=True)
    archive = f"kubectl-tgi-{VERSION}.tar.gz"
    assert (tmp_path / archive).read_bytes() == (built / archive).read_bytes()


def test_arguments_that_are_missing(tmp_path: Path) -> None:
    done = subprocess.run([KREW / "build.sh", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


@pytest.fixture
def installed(built: Path, tmp_path: Path) -> Path:
    """Return the link to the plugin that Krew makes, in a folder with a space in its name."""
    store = tmp_path / "krew store" / "v1"
    with tarfile.open(built / f"kubectl-tgi-{VERSION}.tar.gz") as archive:
        archive.extractall(store, filter="data")
    link = tmp_path / "bin" / "kubectl-tgi"
    link.parent.mkdir()
    link.symlink_to(store / "kubectl-tgi")
    return link


def plugin(installed: Path, *programs: str) -> subprocess.CompletedProcess[str]:
    """Run the plugin in an environment where only these programs print their arguments."""
    folder = installed.parents[1] / "path"
    folder.mkdir()
    for name in ("sh", "dirname", "readlink", "echo"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    for name in programs:
        program = folder / name
        program.write_text(f'#!/bin/sh\necho {name}\nfor each; do printf "%s\\n" "$each"; done\nexit 5\n')
        program.chmod(0o755)
    command = [str(installed), "status", "zephyr 7b", "-n", "ml"]
    environment = {**os.environ, "PATH": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("programs", [("uv",), ("pipx",), ("uv", "pipx")], ids=", ".join)
def test_the_plugin_runs_the_wheel_with_what_is_there(installed: Path, programs: tuple[str, ...]) -> None:
    done = plugin(installed, *programs)
    program, *arguments = done.stdout.splitlines()
    assert (program, done.returncode, done.stderr) == (programs[0], 5, "")
    store = installed.resolve().parent
    assert str(store / WHEEL) in arguments
    assert any(str(store / "constraints.txt") in each for each in arguments)
    assert arguments[-5:] == ["kubectl-tgi", "status", "zephyr 7b", "-n", "ml"]


def test_the_plugin_names_what_it_needs(installed: Path) -> None:
    done = plugin(installed)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kubectl tgi needs uv or pipx in PATH: install one of them\n"


def test_the_release_builds_both() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    steps = jobs["release"]["steps"]
    (script,) = (step["run"] for step in steps if "krew" in step.get("run", ""))
    (command,) = re.findall(r"^ci/krew/build\.sh (.*)$", script.replace("\\\n", " "), re.MULTILINE)
    wheel, _, version, repository, folder = shlex.split(command)
    assert wheel == "dist/tgi_operator-$VERSION-py3-none-any.whl"
    assert (version, repository, folder) == ("$VERSION", "$GITHUB_REPOSITORY", "dist")
    assert "uv build --wheel " in script
    names = [step.get("uses", "").partition("@")[0] for step in steps]
    attested = names.index("actions/attest-build-provenance")
    assert steps.index(next(step for step in steps if "krew" in step.get("run", ""))) < attested
