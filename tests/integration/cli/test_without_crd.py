"""A cluster without the CustomResourceDefinition: every command and the operator report that."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgi_operator.cli import main, plugin
from tgi_operator.exit_codes import ExitCode
from tgi_sandbox.cluster import ControlPlane, components
from waiting import wait_until


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ControlPlane]:
    """Yield a cluster without any installation."""
    with ControlPlane(tmp_path / "cluster", components.CORE) as plane:
        yield plane


def test_without_the_crd_every_command_says_so(
    empty: ControlPlane, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(empty.kubeconfig))
    for command in (["status", "zephyr"], ["wait", "zephyr"], ["url", "zephyr"], ["chat", "zephyr", "Hello!"]):
        assert plugin.main(command) == ExitCode.FAILED
        assert "kubectl tgi: the cluster has no tgiendpoints.tgi-operator.dev" in capsys.readouterr().err
    assert main.main(["invoke", "zephyr", "Hello!"]) == ExitCode.FAILED
    assert "the cluster has no tgiendpoints.tgi-operator.dev CustomResourceDefinition" in capsys.readouterr().err
    assert plugin.main(["version"]) == ExitCode.SUCCESS
    assert (
        "CRD: none (the cluster has no tgiendpoints.tgi-operator.dev CustomResourceDefinition"
        in capsys.readouterr().out
    )
    log = tmp_path / "operator.log"
    command = [str(Path(sys.executable).with_name("tgi-operator")), "run", "--log-format", "text", "--http-port", "0"]
    with log.open("w") as output, subprocess.Popen([*command, "--http-address", "127.0.0.1"], stderr=output) as process:
        try:
            expected = (
                "Cannot read TGIEndpoints: the cluster has no tgiendpoints.tgi-operator.dev CustomResourceDefinition"
            )
            wait_until(lambda: expected in log.read_text(), log.read_text)
        finally:
            process.terminate()
