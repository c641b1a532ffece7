"""The preStop hook, run by real bash with a small server on loopback."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tgi_operator.backends.incluster.desired import drain

IDLE = """# HELP tgi_queue_size x
# TYPE tgi_queue_size gauge
tgi_queue_size 0
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 0
tgi_request_count{method="generate"} 33
tgi_queue_size_total 7
"""


@dataclass
class Server:
    """A server on loopback that returns metrics one after another, the last one repeatedly."""

    port: int
    asked: int = 0


@contextmanager
def serving(*answers: str) -> Iterator[Server]:
    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/metrics"
            body = answers[min(found.asked, len(answers) - 1)].encode()
            found.asked += 1
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        found = Server(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def impatient(tmp_path: Path) -> Path:
    """Return a file that makes bash sleep a tenth of the time."""
    script = tmp_path / "impatient.sh"
    script.write_text('sleep() { command sleep "$(($1 * 100))e-3"; }\n')
    return script


def run(port: int, longest: int = 20, *, environment: Path | None = None) -> float:
    """Return how long the hook takes."""
    started = time.monotonic()
    done = subprocess.run(
        drain.command(longest, settling=0),
        env={"PORT": str(port), "PATH": os.environ["PATH"]} | ({"BASH_ENV": str(environment)} if environment else {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=3,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return time.monotonic() - started


def with_value(name: str, value: str) -> str:
    return IDLE.replace(f"\n{name} 0\n", f"\n{name} {value}\n")


@pytest.mark.parametrize(
    "metrics",
    [
        pytest.param("", id="no metrics before the first request"),
        pytest.param(IDLE, id="queue and batch are empty"),
        pytest.param(with_value("tgi_queue_size", "0.0"), id="an empty queue with a fraction"),
        pytest.param(IDLE.replace("tgi_queue_size 0\n", ""), id="no queue"),
        pytest.param("# tgi_queue_size 3\n", id="a comment"),
    ],
)
def test_idle_pod_ends_at_once(metrics: str) -> None:
    with serving(metrics) as server:
        assert run(server.port) < 0.9
        assert server.asked == 1


def test_pod_without_a_server_ends_at_once() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert run(held.getsockname()[1]) < 0.9


@pytest.mark.parametrize("name", ["tgi_queue_size", "tgi_batch_current_size"])
@pytest.mark.parametrize("value", ["1", "2.0", "12", "1e1"])
def test_busy_pod_ends_when_it_is_idle(impatient: Path, name: str, value: str) -> None:
    busy = with_value(name, value)
    with serving(busy, busy, IDLE) as server:
        run(server.port, environment=impatient)
        assert server.asked == 3


def test_pod_whose_server_ends_meanwhile_ends(impatient: Path) -> None:
    with serving(with_value("tgi_queue_size", "1"), "") as server:
        run(server.port, environment=impatient)
        assert server.asked == 2


def test_busy_pod_ends_at_the_limit() -> None:
    with serving(with_value("tgi_queue_size", "1")) as server:
        assert run(server.port, longest=1) < 2.5


def test_pod_that_does_not_answer_ends_at_the_limit() -> None:
    """Otherwise, no grace period is left for the launcher's own shutdown."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert run(silent.getsockname()[1], longest=1) < 3


def test_script_is_given_its_seconds() -> None:
    program, flag, script = drain.command(295)
    assert (program, flag) == ("bash", "-c")
    assert "SETTLING" not in script
    assert "LONGEST" not in script
    assert "sleep 5\nend=$((SECONDS + 295))" in script


@pytest.mark.parametrize(
    ("grace", "graceful", "expected"),
    [
        pytest.param(480, 90, 295, id="the default"),
        pytest.param(195, 90, 10, id="just more than TGI needs"),
        pytest.param(186, 90, 5, id="what TGI needs"),
        pytest.param(30, 90, 5, id="less than TGI needs"),
        pytest.param(480, 10, 455, id="a TGI in a hurry"),
        pytest.param(86400, 3600, 79195, id="a day"),
    ],
)
def test_time_that_is_left_for_requests(grace: int, graceful: int, expected: int) -> None:
    assert drain.seconds(grace, graceful) == expected
