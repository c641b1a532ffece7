"""`kubectl tgi wait` while the API server is in trouble."""

from typing import Any

import aiohttp
import pytest

from tgi_operator.cli import plugin, until
from tgi_operator.exit_codes import ExitCode
from tgi_operator.kube import APIError, Kube

CREATED = {"metadata": {"namespace": "ml", "name": "zephyr", "generation": 1}}
CONDITIONS = [{"type": "Ready", "status": "True", "reason": "InService", "message": "1/1 instances ready."}]
READY = {**CREATED, "status": {"observedGeneration": 1, "conditions": CONDITIONS}}


def waited(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any] | Exception) -> int:
    """Return the exit code if the API server gives these answers in order."""

    left = list(answers)

    class Server:
        """The API server."""

        async def endpoint(self, *_: str) -> dict[str, Any]:
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def close(self) -> None:
            pass

    async def connect(**_: object) -> Server:
        return Server()

    monkeypatch.setattr(Kube, "connect", connect)
    monkeypatch.setattr(until, "_INTERVAL", 0)
    return plugin.main(["wait", "zephyr", "-n", "ml", "--timeout", "60"])


@pytest.mark.parametrize("error", [APIError(503, "shutting down"), APIError(429, "slow"), aiohttp.ClientError("reset")])
def test_a_restart_of_the_api_server_does_not_end_a_wait(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    assert waited(monkeypatch, CREATED, error, error, READY) == ExitCode.SUCCESS


@pytest.mark.parametrize("answers", [[APIError(503, "down")], [CREATED, APIError(403, "forbidden")]])
def test_other_errors_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: list[dict[str, Any] | Exception]
) -> None:
    assert waited(monkeypatch, *answers) == ExitCode.FAILED
    assert capsys.readouterr().err == f"kubectl tgi: {answers[-1]}\n"
