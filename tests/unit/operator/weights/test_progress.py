"""Progress in plain lines."""

import threading

import pytest

from tgi_operator.weights.progress import Progress, amount, gib


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.0"), (2**29, "0.5"), (2**30, "1.0"), (15_569_256_448, "14.5"), (2**50, "1048576.0")]
)
def test_bytes_are_told_in_gib(size: int, text: str) -> None:
    assert gib(size) == text


def test_files_are_counted() -> None:
    assert (amount(2**30, 1), amount(2**31, 12)) == ("1.0 GiB in 1 file", "2.0 GiB in 12 files")


def test_lines_come_until_the_end_and_never_tell_more_than_all(capsys: pytest.CaptureFixture[str]) -> None:
    told = threading.Event()
    sizes = iter([2**29, 2**40])

    def arrived() -> int:
        size = next(sizes, None)
        if size is None:
            told.set()
        return size or 0

    with Progress(2**30, arrived, 0.001):
        assert told.wait(10)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["0.5 of 1.0 GiB", "1.0 of 1.0 GiB", "0.0 of 1.0 GiB"]
