"""docs/troubleshooting.md on a real API server: its table is kubectl's output, and its commands wait as described."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from integration.crd.test_columns import create, get
from tgi_sandbox.cluster import ControlPlane, build

PAGE = (Path(__file__).parents[3] / "docs" / "troubleshooting.md").read_text()


def block(heading: str) -> str:
    """Return the first fenced block under a heading."""
    found = re.search(rf"^## {re.escape(heading)}$.*?^```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_table_is_what_kubectl_prints(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace)
    command, *shown = block("Do I need to act?").splitlines()
    assert command == "$ kubectl get tgi"
    names = [line.split()[0] for line in shown[1:]]
    assert [line.rstrip() for line in get(control_plane, namespace, *names)] == shown


def wait(control_plane: ControlPlane, namespace: str, folder: Path, recipe: str) -> tuple[bool, str, float]:
    """Return whether the commands succeed, their output, and their duration."""
    kubectl = folder / "kubectl"
    program = build.ensure(["kubectl"])["kubectl"]
    options = f"--kubeconfig {control_plane.kubeconfig} --namespace {namespace}"
    kubectl.write_text(f'#!/bin/sh\nexec {program} {options} "$@"\n')
    kubectl.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", recipe], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode == 0, done.stdout, time.monotonic() - began


@pytest.mark.parametrize(
    ("name", "succeeds", "shows"),
    [
        ("zephyr-7b", True, "condition met"),
        ("mixtral-8x7b", False, "QuotaExceeded"),
    ],
)
def test_waiting_ends_when_the_endpoint_is_ready_or_a_person_must_act(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, name: str, succeeds: bool, shows: str
) -> None:
    create(control_plane, namespace)
    recipe = block("Wait for an endpoint").replace("NAME", name)
    succeeded, printed, seconds = wait(control_plane, namespace, tmp_path, recipe)
    assert succeeded is succeeds
    assert shows in printed
    assert seconds < 60, "far from its timeout of 30 minutes"


def test_waiting_goes_on_while_the_operator_does(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    create(control_plane, namespace)
    recipe = block("Wait for an endpoint").replace("NAME", "codellama").replace("30m", "4s")
    succeeded, printed, seconds = wait(control_plane, namespace, tmp_path, recipe)
    assert not succeeded
    assert "Creating" in printed
    assert seconds >= 4
