"""`tgi-operator run` with invalid settings."""

import pytest

from tgi_operator.cli.main import main


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--sweep-interval", "x", "--sweep-interval (TGI_OPERATOR_SWEEP_INTERVAL) is 'x': must be a number"),
        ("--sweep-interval", "0", "is '0': must be greater than 0"),
        ("--sweep-interval", "4000", "is '4000': must be at most 3600"),
        ("--workers", "2.5", "is '2.5': must be a whole number"),
        ("--workers", "0", "is '0': must be at least 1"),
        ("--log-format", "xml", "is 'xml': must be 'json' or 'text'"),
        ("--renew-deadline", "60", "is '60': must be less than lease_duration, which is 15"),
        ("--image", "", "is '': must have 1 or more characters"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(
    flag: str, value: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", flag, value]) == 2
    err = capsys.readouterr().err
    assert err.endswith(f"{words}\n")
    assert err.count("\n") == 1
