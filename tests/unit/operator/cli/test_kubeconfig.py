"""The namespace of a command is the one that kubectl would use."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tgi_operator.cli import kubeconfig
from tgi_operator.cli.command_line import Access, Failure


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig, and no pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def written(path: Path, current: str | None, **namespaces: str | None) -> Path:
    contexts = [
        {"name": name, "context": {"cluster": "c"} | ({"namespace": found} if found else {})}
        for name, found in namespaces.items()
    ]
    config: dict[str, Any] = {"contexts": contexts} | ({"current-context": current} if current else {})
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return path


def test_nothing_names_a_namespace() -> None:
    assert kubeconfig.namespace(Access()) == "default"


def test_the_option_wins(tmp_path: Path) -> None:
    written(tmp_path / ".kube" / "config", "a", a="ml")
    assert kubeconfig.namespace(Access(namespace="dev")) == "dev"


def test_the_current_context(tmp_path: Path) -> None:
    written(tmp_path / ".kube" / "config", "b", a="ml", b="dev", c=None)
    assert kubeconfig.namespace(Access()) == "dev"
    assert kubeconfig.namespace(Access(context="a")) == "ml"
    assert kubeconfig.namespace(Access(context="c")) == "default"


def test_the_option_for_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "one", "a", a="ml")))
    other = written(tmp_path / "other", "a", a="dev")
    assert kubeconfig.namespace(Access(kubeconfig=str(other))) == "dev"


def test_several_kubeconfigs_are_merged_the_first_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = written(tmp_path / "one", None, a="ml")
    two = written(tmp_path / "two", "a", a="dev", b="test")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}::{one}:{two}")
    assert kubeconfig.namespace(Access()) == "ml"
    assert kubeconfig.namespace(Access(context="b")) == "test"


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path / ".kube" / "config", "a", a="ml")
    with pytest.raises(Failure, match="no context named 'b'"):
        kubeconfig.namespace(Access(context="b"))


def test_a_current_context_that_is_not_there_has_the_default_namespace(tmp_path: Path) -> None:
    written(tmp_path / ".kube" / "config", "gone", a="ml")
    assert kubeconfig.namespace(Access()) == "default"


@pytest.mark.parametrize("text", ["contexts: [", "a: \0", "\tx: y"])
def test_a_kubeconfig_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(Failure, match=f"{path}: invalid kubeconfig: "):
        kubeconfig.namespace(Access(kubeconfig=str(path)))


def test_an_empty_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.touch()
    assert kubeconfig.namespace(Access(kubeconfig=str(path))) == "default"


def test_a_pod_has_the_namespace_of_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr(kubeconfig, "POD_NAMESPACE", tmp_path / "namespace")
    assert kubeconfig.namespace(Access()) == "default"
    (tmp_path / "namespace").write_text("tgi-system\n")
    assert kubeconfig.namespace(Access()) == "tgi-system"
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "one", "a", a="ml")))
    assert kubeconfig.namespace(Access()) == "ml"
