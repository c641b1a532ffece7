"""Progress of long steps on a terminal and in a log."""

import io

from tgi_sandbox.cluster.progress import Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _run_step(stream: io.StringIO) -> str:
    clock = _Clock()
    progress = Progress(stream, clock)
    progress.begin("[1/6] etcd")
    for tenth in range(1, 251):
        clock.now = tenth / 10
        progress.tick()
    progress.done("built")
    return stream.getvalue()


def test_plain_lines_come_every_ten_seconds() -> None:
    assert _run_step(io.StringIO()).splitlines() == [
        "[1/6] etcd ...",
        "[1/6] etcd ... 10 s",
        "[1/6] etcd ... 20 s",
        "[1/6] etcd: built after 25 s",
    ]


def test_a_terminal_has_one_live_line() -> None:
    output = _run_step(_Terminal())
    assert output.count("\n") == 1
    assert output.endswith("\r\x1b[K[1/6] etcd: built after 25 s\n")
    assert "\r\x1b[K[1/6] etcd ... 13 s\r" in output
