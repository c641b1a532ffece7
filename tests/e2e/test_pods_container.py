"""The operator's container, run as a process of this machine: variables, port, probes and preStop hook."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Cloud
from e2e.test_pods import changed
from tgi_sandbox.cluster.ports import LOOPBACK, answers, free_ports
from tgi_sandbox.processes import Process

pytestmark = pytest.mark.installation("pods")

TOKENS = 120
TOKEN_SECONDS = 0.1


@dataclass
class Running:
    """TGI's container, its process, and the port that stands in for the container's."""

    container: Mapping[str, Any]
    process: Process
    environment: Mapping[str, str]

    @property
    def port(self) -> int:
        """The address of the process."""
        return int(self.environment["PORT"])

    def probe(self, kind: str) -> bool:
        """Return whether a probe of the container succeeds."""
        request = self.container[kind]["httpGet"]
        assert request["port"] in {port["name"] for port in self.container["ports"]}
        return answers(self.port, request["path"])

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON answer to a GET, or to a POST of `body`."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.port}{path}", content)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - http, just above
            return json.load(response)


@pytest.fixture
def running(cloud: Cloud, tmp_path: Path) -> Iterator[Running]:
    cloud.apply("zephyr", changed(runtime={"maxInputTokens": 1024, "maxTotalTokens": 2048, "trustRemoteCode": True}))
    cloud.wait_ready("zephyr")
    (container,) = cloud.pods("zephyr")[0]["spec"]["containers"]
    assert "command" not in container, "the image's own entrypoint, which is the launcher"
    given = {each["name"]: each["value"] for each in container["env"]}
    assert given["PORT"] == str(container["ports"][0]["containerPort"])
    (port,) = free_ports(1)
    environment = given | {
        "PORT": str(port),
        "PATH": os.environ["PATH"],
        "SANDBOX_GPUS": container["resources"]["limits"]["nvidia.com/gpu"],
        "SANDBOX_TOKEN_DELAY": str(TOKEN_SECONDS),
    }
    process = Process("TGI", [sys.executable, "-m", "tgi_sandbox.tgi"], tmp_path / "tgi.log", environment)
    process.start()
    made = Running(container, process, environment)
    process.wait_ready(lambda: made.probe("startupProbe"), 30)
    yield made
    process.stop()


def test_the_launcher_takes_what_the_operator_renders(running: Running) -> None:
    assert running.probe("readinessProbe")
    assert running.probe("livenessProbe")
    info = running.ask("/info")
    assert info["model_id"] == "HuggingFaceH4/zephyr-7b-beta"
    assert (info["max_input_tokens"], info["max_total_tokens"]) == (1024, 2048)


def test_a_pod_that_ends_answers_what_it_accepted(running: Running) -> None:
    def ask() -> tuple[int, float]:
        body = {"inputs": "Tell me", "parameters": {"max_new_tokens": TOKENS, "details": True}}
        answer = running.ask("/generate", body)
        return answer["details"]["generated_tokens"], time.monotonic()

    hook = running.container["lifecycle"]["preStop"]["exec"]["command"]
    with ThreadPoolExecutor() as others:
        answer = others.submit(ask)
        time.sleep(0.5)
        subprocess.run(hook, env=dict(running.environment), check=True, timeout=60)
        ended = time.monotonic()
        generated, answered = answer.result()
    assert generated > 5 / TOKEN_SECONDS, "longer than the hook waits for the proxies anyway"
    assert ended >= answered, "the hook returns when nothing is under way any more"
    running.process.stop()
    assert running.process.returncode == 0
