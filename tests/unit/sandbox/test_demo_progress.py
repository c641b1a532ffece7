"""The demo's output about a resource, without a terminal."""

import pytest

from tgi_sandbox.demo.progress import Progress, _print_row


def test_a_line_has_a_reason_only_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    assert progress.add({})
    _print_row(progress)
    ready = {"type": "Ready", "status": "True", "reason": "InService", "message": "It serves."}
    assert progress.add({"status": {"conditions": [ready]}})
    _print_row(progress)
    assert [line.partition("s  ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "(no conditions yet)",
        "Ready=True  InService: It serves.",
    ]
