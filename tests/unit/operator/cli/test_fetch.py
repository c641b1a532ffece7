"""`tgi-operator fetch` prints no secret of its environment."""

from typing import Any

import pytest

from tgi_operator.cli import fetch
from tgi_operator.exit_codes import ExitCode
from tgi_operator.weights.failures import LastingError


@pytest.mark.parametrize("name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_no_secret_is_printed(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise LastingError("the storage does not know pa55-word-of-the-storage")

    monkeypatch.setenv(name, "pa55-word-of-the-storage")
    monkeypatch.setattr(fetch, "_fetched", refuse)
    monkeypatch.setattr("os.umask", lambda _: 0)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert fetch.fetch("s3://weights/", "/data", 30, fetch.Options()) == ExitCode.LASTING
    assert capsys.readouterr().err == "tgi-operator: the storage does not know [redacted]\n"
