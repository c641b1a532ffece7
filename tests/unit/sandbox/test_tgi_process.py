"""The simulator as a process: when its port opens, how it fails, and how it stops."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tgi_sandbox.tgi.process import run
from tgi_sandbox.tgi.sagemaker import launcher_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start simulators with nothing but the given environment; all are stopped in the end."""
    started: list[subprocess.Popen[str]] = []

    def start_one(module: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={"PATH": os.environ["PATH"], **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


def is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_sagemaker_container_answers_ping(start: Start, port: int) -> None:
    start("tgi_sandbox.tgi.sagemaker", "--port", str(port), HF_MODEL_ID="a/b", SM_NUM_GPUS="4", SANDBOX_GPUS="4")
    assert eventually(lambda: is_open(port))
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/ping")
    assert connection.getresponse().status == 200
    connection.close()


def test_plain_launcher_reads_its_port_from_the_environment(start: Start, port: int) -> None:
    start("tgi_sandbox.tgi", MODEL_ID="a/b", PORT=str(port))
    assert eventually(lambda: is_open(port))


@pytest.mark.parametrize(
    ("env", "status", "text"),
    [
        ({}, 1, "HF_MODEL_ID must be set\n"),
        (
            {"HF_MODEL_ID": "a/b", "MAX_TOTAL_TOKENS": "10", "MAX_INPUT_TOKENS": "10"},
            1,
            'Error: ArgumentValidation("`max_input_tokens`(10) must be < `max_total_tokens`(10)")\n',
        ),
        ({"HF_MODEL_ID": "a/b", "SANDBOX_FAIL_WITH": "CUDA out of memory"}, 1, "CUDA out of memory\n"),
        (
            {"HF_MODEL_ID": "a/b", "SM_NUM_GPUS": "2"},
            1,
            "AssertionError: Each process is one gpu\nError: ShardCannotStart\n",
        ),
    ],
)
def test_failure_to_start(capsys: pytest.CaptureFixture[str], env: dict[str, str], status: int, text: str) -> None:
    assert run(env, [], environment=launcher_environment) == status
    assert capsys.readouterr().err == text


def test_status_of_a_process_that_failed_to_start(start: Start) -> None:
    process = start("tgi_sandbox.tgi.sagemaker", HF_MODEL_ID="a/b", HF_MODEL_TRUST_REMOTE_CODE="True")
    _, stderr = process.communicate(timeout=10)
    assert stderr.startswith("error: invalid value 'True' for '--trust-remote-code'")
    assert process.returncode == 2


def test_port_is_closed_until_the_model_is_warm(start: Start, port: int) -> None:
    process = start("tgi_sandbox.tgi", "--port", str(port), SANDBOX_START_DELAY="0.6")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("INFO text_generation_launcher: Starting check and download process")
    began = time.monotonic()
    assert not is_open(port)
    assert eventually(lambda: is_open(port))
    assert time.monotonic() - began > 0.4


def test_terminated_server_finishes_what_it_has_and_takes_nothing_new(start: Start, port: int) -> None:
    process = start("tgi_sandbox.tgi", "--port", str(port), SANDBOX_TOKEN_DELAY="0.05")
    assert eventually(lambda: is_open(port))
    statuses: list[int] = []

    def generate() -> None:
        body = json.dumps({"inputs": "What is deep learning?", "parameters": {"max_new_tokens": 20}})
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/generate", body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        connection.close()

    thread = threading.Thread(target=generate)
    thread.start()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert eventually(lambda: not is_open(port))
    assert statuses == []
    thread.join()
    assert statuses == [200]
    assert process.wait(10) == 0


def test_it_does_not_outlive_its_parent(start: Start, port: int) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as parent:
        process = start("tgi_sandbox.tgi", "--port", str(port), "--parent-pid", str(parent.pid))
        assert eventually(lambda: is_open(port))
    assert process.wait(10) == 1


def test_it_follows_its_parent_even_before_the_port_is_open(start: Start, port: int) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as parent:
        process = start(
            "tgi_sandbox.tgi", "--port", str(port), "--parent-pid", str(parent.pid), SANDBOX_START_DELAY="60"
        )
    assert process.wait(10) == 1
