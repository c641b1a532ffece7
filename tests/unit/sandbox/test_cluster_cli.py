"""The `tgi-sandbox` command, without any running sandbox."""

import subprocess
import sys
from pathlib import Path

import pytest

from tgi_sandbox import cli


def test_down_and_status_where_nothing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "none")
    assert cli.main(["down", "--dir", folder]) == 0
    assert cli.main(["status", "--dir", folder]) == 1
    assert "No sandbox is running in" in capsys.readouterr().out
    assert not Path(folder).exists()


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["up", "--aws-speed", "fast"]])
def test_bad_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)


def test_environment_file_can_be_sourced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    kubeconfig, kubectl = tmp_path / "a folder's" / "kubeconfig", tmp_path / "a bin" / "kubectl"
    env = tmp_path / "env"
    env.write_text(cli.environment_file(kubeconfig, "http://127.0.0.1:4566", kubectl))
    printed = '"$KUBECONFIG" "$AWS_ENDPOINT_URL" "$AWS_DEFAULT_REGION" "$PATH" "$(type -t helm)"'
    script = f'. {env}; printf "%s\\n" {printed}'
    answer = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={"PATH": "/bin"})
    assert answer.stdout.splitlines() == [
        str(kubeconfig),
        "http://127.0.0.1:4566",
        "us-east-1",
        f"{Path(sys.executable).parent}:{kubectl.parent}:/bin",
        "function",
    ]


def test_a_kubectl_on_the_path_is_left_there_and_what_uv_put_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{tmp_path}:{tools}")
    written = cli.environment_file(tmp_path / "kubeconfig", "http://127.0.0.1:1", tmp_path / "kubectl")
    assert [line for line in written.splitlines() if "export PATH" in line] == [f'export PATH={tools}:"$PATH"']


def test_the_rest_of_helms_line_is_helms() -> None:
    command = [sys.executable, "-m", "tgi_sandbox.cli", "helm", "template", "--help"]
    assert "--kube-version" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
