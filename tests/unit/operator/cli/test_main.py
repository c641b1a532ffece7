"""The command line, without a running cluster or process."""

from pathlib import Path

import pytest

from tgi_operator import __version__
from tgi_operator.cli.main import main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tgi-operator {__version__}\n"


@pytest.mark.parametrize("kubeconfig", ["none", "none:nothing", "."])
def test_without_a_cluster_there_is_one_message(
    tmp_path: Path,
    kubeconfig: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    assert main(["invoke", "falcon-7b", "Why?"]) == 1
    expected = f"tgi-operator: no Kubernetes cluster: there is no file {kubeconfig}: set KUBECONFIG\n"
    assert capsys.readouterr().err == expected
    assert caplog.text == ""
